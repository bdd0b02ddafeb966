"""A bar in the terminal that follows a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from .documents import Job

__all__ = ["shown"]


@contextmanager
def shown() -> Iterator[Callable[[Job], None]]:
    """Show a bar on stderr, and yield what it is told by."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task("job", total=None, said="")

        def show(job: Job) -> None:
            said = f"{job.phase.lower()}{f', {job.n_failed} failed' if job.n_failed else ''}"
            bar.update(
                row, description=job.task, total=job.n_targets or None, completed=job.n_targets - job.n_open, said=said
            )

        yield show
