"""What failed is tried again after waits that grow up to a bound, and only after the failures that are named."""

from __future__ import annotations

import pytest
from tenacity import stop_after_attempt

from underbutler.errors import RecordsUnavailableError, UsageError
from underbutler.retry import Waits


class Fails:
    """Fails so often, then answers."""

    def __init__(self, times: int, error: BaseException) -> None:
        self.left, self.error, self.calls = times, error, 0

    def __call__(self, word: str) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return word


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("underbutler.retry.time.sleep", found.append)
    return found


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        (Waits(0.2, 5.0), [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]),
        (Waits(1.0, 3.0, factor=3.0), [1.0, 3.0, 3.0]),
        (Waits(0.5, 0.5), [0.5, 0.5, 0.5]),
    ],
)
def test_waits_grow_up_to_the_longest(slept: list[float], waits: Waits, expected: list[float]) -> None:
    call = Fails(len(expected), RecordsUnavailableError("away"))
    assert waits.retrying(RecordsUnavailableError)(call, "answer") == "answer"
    assert slept == pytest.approx(expected)
    assert call.calls == len(expected) + 1
    following = [waits.first_s]
    while len(following) < len(expected):
        following.append(waits.after(following[-1]))
    assert following == pytest.approx(expected)


def test_the_last_failure_is_raised_as_it_is(slept: list[float]) -> None:
    error = RecordsUnavailableError("away")
    said: list[object] = []
    retrying = Waits(1.0, 3.0).retrying(
        RecordsUnavailableError,
        stop=stop_after_attempt(2),
        before_wait=lambda state: said.append(state.outcome and state.outcome.exception()),
    )
    with pytest.raises(RecordsUnavailableError) as raised:
        retrying(Fails(9, error), "answer")
    assert raised.value is error
    assert (slept, said) == ([1.0], [error])


@pytest.mark.parametrize("error", [UsageError("wrong"), KeyboardInterrupt()])
def test_another_failure_ends_it_at_once(slept: list[float], error: BaseException) -> None:
    call = Fails(1, error)
    with pytest.raises(type(error)):
        Waits(1.0, 1.0).retrying(RecordsUnavailableError)(call, "answer")
    assert (call.calls, slept) == (1, [])


def test_what_interrupts_a_wait_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A soft time limit strikes while the records are awaited."""

    def interrupted(_seconds: float) -> None:
        raise TimeoutError("the limit")

    monkeypatch.setattr("underbutler.retry.time.sleep", interrupted)
    call = Fails(9, RecordsUnavailableError("away"))
    with pytest.raises(TimeoutError, match="the limit"):
        Waits(1.0, 1.0).retrying(RecordsUnavailableError)(call, "answer")
    assert call.calls == 1
