"""A few processes that work through a list: results in order, one time limit for all, a death told by its item.

`multiprocessing.Pool` waits for ever for the item of a process that was killed. Here every process has a pipe of its
own, so that it is known which item died with it. Processes are spawned, not forked: no database connection is carried
over.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from underbutler.errors import FatalError

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

__all__ = ["Died", "Raised", "TimeLimitError", "work_through"]

_CONTEXT = multiprocessing.get_context("spawn")
_END_WAIT_S = 5.0
_LONGEST_WAIT_S = 3600.0
"""Of one system call: it takes no 30 days."""


class TimeLimitError(TimeoutError):
    """The time limit of a list ended what was still running."""


@dataclass(frozen=True, slots=True)
class Died:
    """In place of a result: the process ended while it worked on this item.

    Parameters
    ----------
    exit_code
        Of the process; negative for a signal.
    """

    exit_code: int | None

    @property
    def reason(self) -> str:
        """What happened, in words."""
        if self.exit_code is not None and self.exit_code < 0:
            return f"its process was ended by {signal.Signals(-self.exit_code).name}"
        return f"its process ended with exit code {self.exit_code}"


@dataclass(frozen=True, slots=True)
class Raised:
    """In place of a result: working on this item raised."""

    error: BaseException


@dataclass
class _Hand:
    process: SpawnProcess
    pipe: Connection
    index: int | None = None
    ended: bool = field(default=False)


def work_through(
    items: Sequence[Any],
    processes: int,
    prepare: Callable[..., Callable[[Any], Any]],
    arguments: tuple[Any, ...],
    *,
    timeout_s: float,
    each: Callable[[int, Any], None],
) -> list[Any]:
    """Work on every item in one of several processes.

    Parameters
    ----------
    items
        What is worked on; each is pickled.
    processes
        How many processes.
    prepare
        Called once in each process with `arguments`; returns the function that works on one item.
    arguments
        For `prepare`; pickled.
    timeout_s
        Longest time for all items together, in seconds.
    each
        Called here with index and result when an item has ended; what it raises ends all.

    Returns
    -------
    results
        In the order of the items: what the function returned, or `Raised`, or `Died`.

    Raises
    ------
    TimeLimitError
        If not all items ended in time.
    """
    results: list[Any] = [None] * len(items)
    waiting = deque(range(len(items)))
    deadline = time.monotonic() + timeout_s
    hands: list[_Hand] = []
    try:
        while waiting or any(hand.index is not None for hand in hands):
            hands = [hand for hand in hands if not hand.ended]
            while len(hands) < min(processes, len(waiting) + _busy(hands)):
                hands.append(_start(prepare, arguments))
            for hand in hands:
                if hand.index is None and waiting:
                    _give(hand, waiting.popleft(), items)
            for hand in _ready(hands, deadline, len(items)):
                index, result = _take(hand)
                if index is not None:
                    results[index] = result
                    each(index, result)
    finally:
        for hand in hands:
            _end(hand)
    return results


def _busy(hands: Sequence[_Hand]) -> int:
    return sum(hand.index is not None for hand in hands)


def _start(prepare: Callable[..., Any], arguments: tuple[Any, ...]) -> _Hand:
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_serve, args=(theirs, prepare, arguments), daemon=True)
    process.start()
    theirs.close()
    return _Hand(process, ours)


def _give(hand: _Hand, index: int, items: Sequence[Any]) -> None:
    hand.index = index
    with suppress(BrokenPipeError, ConnectionError):  # it has died: _take tells
        hand.pipe.send(items[index])


def _ready(hands: Sequence[_Hand], deadline: float, total: int) -> list[_Hand]:
    by_pipe = {hand.pipe: hand for hand in hands if hand.index is not None}
    left = deadline - time.monotonic()
    found = wait(list(by_pipe), timeout=max(0.0, min(left, _LONGEST_WAIT_S)))
    if not found and left <= _LONGEST_WAIT_S:
        raise TimeLimitError(f"{len(by_pipe)} of {total} targets were still running when the time limit ended them.")
    return [by_pipe[pipe] for pipe in found if isinstance(pipe, Connection)]


def _take(hand: _Hand) -> tuple[int | None, Any]:
    index, hand.index = hand.index, None
    try:
        return index, hand.pipe.recv()
    except (EOFError, ConnectionError):
        hand.ended = True
        hand.process.join(_END_WAIT_S)
        hand.pipe.close()
        return index, Died(hand.process.exitcode)


def _end(hand: _Hand) -> None:
    hand.pipe.close()
    if hand.index is not None:
        hand.process.terminate()
    hand.process.join(_END_WAIT_S)
    if hand.process.is_alive():
        hand.process.kill()
        hand.process.join()


def _serve(pipe: Connection, prepare: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this process
    work: Callable[[Any], Any] | None = None
    while True:
        try:
            item = pipe.recv()
        except (EOFError, ConnectionError):
            return
        try:
            if work is None:
                work = prepare(*arguments)
            result = work(item)
        except BaseException as error:  # noqa: BLE001 - it is the parent that decides; NoWorkFound is not an Exception
            result = Raised(_that_travels(error))
        pipe.send_bytes(_pickled(result))


def _pickled(result: Any) -> bytes:
    try:
        return pickle.dumps(result)
    except Exception as error:  # noqa: BLE001 - pickling runs anybody's code
        return pickle.dumps(Raised(FatalError(f"A target's result cannot be pickled: {type(error).__name__}: {error}")))


def _that_travels(error: BaseException) -> BaseException:
    """Return the error if it survives pickling, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - pickling runs anybody's code
        return FatalError(f"{type(error).__name__}: {error}")
    return error
