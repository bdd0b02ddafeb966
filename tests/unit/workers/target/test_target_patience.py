"""What a child waits for and for how long: records that are away, services that come back."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from underbutler.errors import RecordsUnavailableError, TransientError
from underbutler.records import Claim
from underbutler.settings import Settings
from workers.target import waiting_for_records as patience
from workers.target.retrying import backoff_s, delivery_backoff_s, transient_backoff_s
from workers.target.waiting_for_records import retry_past_soft_limit, retry_until_available


class Naps:
    """Stands for the clock: it sleeps no time, and tells it."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.said: list[tuple[str, float]] = []

    def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)

    def monotonic(self) -> float:
        return 1000.0 + sum(self.taken)

    def say(self, event: str, **fields: Any) -> None:
        self.said.append((event, fields["seconds"]))


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Naps:
    naps = Naps()
    monkeypatch.setattr(patience, "time", naps)
    monkeypatch.setattr("underbutler.retry.time", naps)
    monkeypatch.setattr(patience.log, "warning", naps.say)
    monkeypatch.setattr(patience.log, "info", naps.say)
    return naps


def failing(times: int, error: BaseException) -> Any:
    left = [error] * times

    def call(value: int, *, more: int = 0) -> int:
        if left:
            raise left.pop()
        return value + more

    return call


def test_a_call_is_repeated_until_the_records_answer(naps: Naps) -> None:
    assert retry_until_available(failing(6, RecordsUnavailableError()), 1, more=2) == 3
    assert naps.taken == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]


def test_a_long_wait_is_logged_each_half_minute_and_at_its_end(naps: Naps) -> None:
    retry_until_available(failing(20, RecordsUnavailableError()), 1)
    assert [event for event, _ in naps.said] == ["records_awaited"] * 3 + ["records_answer_again"]
    assert [seconds for _, seconds in naps.said] == [0.0, 31.2, 61.2, 81.2]


def test_nothing_is_said_of_records_that_answer(naps: Naps) -> None:
    assert retry_until_available(failing(0, RecordsUnavailableError()), 1) == 1
    assert naps.said == []


def test_no_other_error_is_waited_out(naps: Naps) -> None:
    with pytest.raises(TransientError, match="the annex"):
        retry_until_available(failing(1, TransientError("the annex")), 1)
    with pytest.raises(SoftTimeLimitExceeded):
        retry_until_available(failing(1, SoftTimeLimitExceeded()), 1)
    assert naps.taken == []


def test_a_time_limit_does_not_cut_what_comes_after_the_science(monkeypatch: pytest.MonkeyPatch) -> None:
    assert retry_past_soft_limit(failing(1, SoftTimeLimitExceeded()), 1, more=1) == 2
    with pytest.raises(SoftTimeLimitExceeded):
        retry_past_soft_limit(failing(2, SoftTimeLimitExceeded()), 1)


def claim(**fields: Any) -> Claim:
    counters = {"claim_no": 1, "deaths": 0, "worker_deaths": 0, "transient_retries": 0} | fields
    return Claim(
        target=uuid4(), job=uuid4(), worker="w", pid=1, send_no=1, started_at=0.0, lease_until=60.0, **counters
    )


@pytest.mark.parametrize(
    ("tries", "least", "most"), [(0, 2.5, 5.0), (1, 5.0, 10.0), (3, 20.0, 40.0), (7, 300.0, 600.0), (500, 300.0, 600.0)]
)
def test_the_wait_doubles_up_to_a_cap_and_half_is_chance(tries: int, least: float, most: float) -> None:
    drawn = [backoff_s(tries, base_s=5.0, cap_s=600.0) for _ in range(200)]
    assert all(least <= one <= most for one in drawn)
    assert len(set(drawn)) > 100, "what failed together does not come back together"


def test_a_target_is_tried_again_so_often_and_no_more(settings: Settings) -> None:
    bounded = settings.model_copy(update={"max_transient_retries": 2})
    waits = [transient_backoff_s(claim(transient_retries=number), bounded) for number in range(3)]
    assert waits[0] is not None
    assert waits[1] is not None
    assert waits[2] is None


def test_a_delivery_is_tried_for_as_long_as_it_takes(settings: Settings) -> None:
    """Claims that ended by death or by a service of the science do not make it wait longer."""
    first = delivery_backoff_s(claim(claim_no=6, deaths=2, worker_deaths=1, transient_retries=2), settings)
    assert first <= settings.retry_base_s
    late = delivery_backoff_s(claim(claim_no=400), settings)
    assert settings.retry_cap_s / 2 <= late <= settings.retry_cap_s
