"""Progress bars on stderr: of a known number of steps, and of a job's targets."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from underbutler.model.identity import short_id
from underbutler.model.job import Phase, TargetState

from .consoles import stderr_console

if TYPE_CHECKING:
    from underbutler.records import JobRow, JobStore

__all__ = ["follow_job", "steps"]


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=False,
    )


class Steps:
    """Tells a bar how far the work is: ``step()`` for one more, ``step(done)`` or ``step(done, total)`` for a count."""

    def __init__(self, progress: Progress, line: TaskID) -> None:
        self._progress, self._line = progress, line

    def __call__(self, done: int | None = None, total: int | None = None) -> None:
        self._progress.start()
        if done is None:
            self._progress.advance(self._line)
        else:
            self._progress.update(self._line, completed=done, total=total)


@contextmanager
def steps(label: str, total: int | None, console: Console | None = None) -> Iterator[Steps]:
    """Show a bar of `total` steps on stderr, from the first step on that the block tells of."""
    progress = _bar(console or stderr_console())
    try:
        yield Steps(progress, progress.add_task(label, total=total, note=""))
    finally:
        if progress.live.is_started:
            progress.stop()


def follow_job(
    jobs: JobStore,
    job: uuid.UUID,
    *,
    label: str = "",
    console: Console | None = None,
    meanwhile: Callable[[Console], None] | None = None,
    poll_s: float = 0.25,
    silence_s: float | None = None,
) -> JobRow:
    """Show a job's progress, counting targets, until it has ended.

    Parameters
    ----------
    jobs
        The records.
    job
        The job to follow.
    label
        Words in front of the bar; default the task's name.
    console
        Where the bar is drawn; default stderr.
    meanwhile
        Called between two looks, with the console that lines may be printed on above the bar.
    poll_s
        Seconds between two looks at the records.
    silence_s
        Give up following (not the job) when nothing has moved for so long, in seconds: no target runs, and none has
        come to another state. A job that moves may take as long as it likes.

    Raises
    ------
    TimeoutError
        If nothing moves any more.
    """
    console = console or stderr_console()
    row = jobs.read.job(job)
    moved_at, before = time.monotonic(), dict[TargetState, int]()
    with _bar(console) as progress:
        line = progress.add_task(label or row.task, total=row.n_targets, note="")
        while True:
            row = jobs.read.job(job)
            counts = jobs.read.counts(job)
            progress.update(line, completed=_ended(counts), note=_note(counts))
            if meanwhile is not None:
                meanwhile(progress.console)
            if Phase(row.phase).ended:
                return row
            if counts != before or any(counts.get(state) for state in _MOVING):
                moved_at, before = time.monotonic(), counts
            elif silence_s is not None and time.monotonic() - moved_at > silence_s:
                what = f"Nothing moves in job {short_id(job)} for {silence_s:.0f} s"
                raise TimeoutError(f"{what}: {_note(counts) or 'all targets wait'}. Look at `underbutler status`.")
            time.sleep(poll_s)


_MOVING: Final = (TargetState.RUNNING, TargetState.DELIVERING)
"""States of targets that somebody works on: a worker that has died loses them when its lease runs out."""


def _ended(counts: dict[TargetState, int]) -> int:
    return sum(number for state, number in counts.items() if TargetState(state).ended)


def _note(counts: dict[TargetState, int]) -> str:
    shown = (TargetState.RUNNING, TargetState.DELIVERING, TargetState.FAILED, TargetState.HELD, TargetState.ABORTED)
    return " ".join(f"{state.value} {counts[state]}" for state in shown if counts.get(state))
