"""Asking side by side: each question in a thread of its own, none of which is waited for longer than all may take."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast

from underbutler.errors import TransientError

__all__ = ["ANSWER_S", "LONGEST_S", "Answer", "Asking", "NoAnswerError"]

T = TypeVar("T")

ANSWER_S: Final = 1.0
"""So long this process waits for answers, in seconds, beside the time that it is at work or in line for a core.

On a machine with more work than cores it is longer in that proportion: the servers there stand in line, too.
"""
MOST_TIMES: Final = 2.0
"""… but no more than so many times."""
LONGEST_S: Final = 5.0
"""So long the questions take at most, however busy the machine is, in seconds."""
_SLICE_S: Final = 0.05
_TASKS: Final = Path("/proc/self/task")


class NoAnswerError(TransientError):
    """A service has not answered in time."""


class Answer(Generic[T]):
    """What somebody will have answered, or not.

    Parameters
    ----------
    asking
        Whose time limit holds.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._there = threading.Event()
        self._value: T | None = None
        self._error: BaseException | None = None
        self._asked_at = time.monotonic()

    def get(self, within_s: float | None = None) -> T:
        """Return the answer; wait for it no longer than all questions may take.

        Parameters
        ----------
        within_s
            Wait no longer than this; default what is left.

        Raises
        ------
        NoAnswerError
            If none came in time. What the question raised is raised here.
        """
        end = None if within_s is None else time.monotonic() + within_s
        while not self._there.wait(_SLICE_S if self._asking.left_s() > 0 else 0.0):
            now = time.monotonic()
            if self._asking.left_s() <= 0 or (end is not None and now > end):
                raise NoAnswerError(f"no answer within {now - self._asked_at:.1f} s", waited_s=now - self._asked_at)
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    def _run(self, question: Callable[..., T], arguments: tuple[Any, ...]) -> None:
        try:
            self._value = question(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised where the answer is wanted
            self._error = error
        self._there.set()


class Asking:
    """Asks questions side by side, each in a daemon thread: one that hangs keeps no command from ending.

    What is limited is the time in which this process waits. On a machine that is busy with other things imports and
    requests of its own take longer, and no service is to blame for that.
    """

    def __init__(self) -> None:
        self._last_end = time.monotonic() + LONGEST_S
        self._looked = (time.monotonic(), _busy_s())
        self._left_s = ANSWER_S * _crowding()
        self._looking = threading.Lock()

    def begin(self, name: str, question: Callable[..., T], *arguments: Any) -> Answer[T]:
        """Ask a question.

        Parameters
        ----------
        name
            What the thread is called.
        question, arguments
            What is called, and with what.
        """
        answer: Answer[T] = Answer(self)
        run = answer._run
        threading.Thread(target=run, args=(question, arguments), name=f"status-{name}", daemon=True).start()
        return answer

    def left_s(self) -> float:
        """Return how much time is left for all questions, in seconds."""
        with self._looking:
            before, busy_before = self._looked
            self._looked = now, busy = time.monotonic(), _busy_s()
            waited = now - before if busy is None or busy_before is None else now - before - (busy - busy_before)
            self._left_s -= max(0.0, waited)
            return max(0.0, min(self._left_s, self._last_end - now))


def _crowding() -> float:
    """Return how many processes there are for each core that want one, at least 1."""
    try:
        return min(MOST_TIMES, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
    except OSError:
        return 1.0


def _busy_s() -> float | None:
    """Return how long the threads of this process have run, or stood in line for a core; None where nobody tells."""
    total = 0.0
    try:
        for task in _TASKS.iterdir():
            try:
                ran, stood, _ = (task / "schedstat").read_text().split()
            except FileNotFoundError:  # that thread has ended just now
                continue
            total += (int(ran) + int(stood)) / 1e9
    except (OSError, ValueError):
        return None
    return total
