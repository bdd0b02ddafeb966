"""Tables of jobs, targets and notices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from underbutler.model.dataref import human_data_id
from underbutler.model.identity import short_id
from underbutler.model.job import Phase, TargetState
from underbutler.model.status import status_of
from underbutler.wording import size_text, when_text

from .reasons import told_once

if TYPE_CHECKING:
    from underbutler.butlers.outputs import WrittenFiles
    from underbutler.model.notice import LargeFileObjectAvailable
    from underbutler.pipe.running.target_ending import TargetEnding
    from underbutler.records import JobRow, StepRow, TargetRow

__all__ = ["files_table", "jobs_table", "notice_line", "notices_table", "steps_table", "targets_table"]

_STYLES: dict[str, str] = {
    Phase.COMPLETED: "green",
    Phase.ERROR: "red",
    Phase.ABORTED: "yellow",
    Phase.EXECUTING: "cyan",
    TargetState.DONE: "green",
    TargetState.NO_WORK: "green",
    TargetState.FAILED: "red",
    TargetState.HELD: "red",
    TargetState.ABORTED: "yellow",
    TargetState.RUNNING: "cyan",
    TargetState.DELIVERING: "cyan",
}

HEADINGS = {
    "n_sources": "sources",
    "fwhm_px": "FWHM\n(px)",
    "background_e": "background\n(e-)",
    "read_noise_e": "read noise\n(e-)",
}
"""Scalars of a task's metadata that tables show with a unit in the heading."""


def jobs_table(rows: Sequence[tuple[JobRow, dict[TargetState, int]]]) -> Table:
    """Return a table of jobs and how many of their targets are where."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("job", "task", "repo", "state", "targets", "submitted", "took"):
        table.add_column(heading, justify="right" if heading == "took" else "left")
    for row, counts in rows:
        cells = (short_id(row.id), row.task, row.repo, _styled(row.phase), _counted(counts), when_text(row.created_at))
        table.add_row(*cells, _took(row))
    return table


def steps_table(steps: Sequence[StepRow], counts: Mapping[int, Mapping[TargetState, int]]) -> Table:
    """Return a table of a job's steps and how many of their targets are where."""
    table = Table("step", "task", "targets", "config digest", box=None, header_style="bold", pad_edge=False)
    for step in steps:
        table.add_row(step.label, step.task, _counted(counts[step.ordinal]), step.config_digest[:16])
    return table


def targets_table(
    targets: Iterable[TargetRow | TargetEnding],
    *,
    scalars: Sequence[str] | None = None,
    title: str | None = None,
    ids: bool = False,
) -> Table:
    """Return a table of targets: data ID, state, what the task measured, seconds, and why it failed or waits.

    Parameters
    ----------
    targets
        Rows of one job or of several.
    scalars
        Names in the task's metadata to show as columns; default those of `HEADINGS` that occur.
    title
        Line above the table.
    ids
        Show the last characters of each target's id.
    """
    rows = list(targets)
    are_lists = [_is_of_several(row) for row in rows]
    keys = list(
        dict.fromkeys(
            key for row, of_several in zip(rows, are_lists, strict=True) for key in row.data_id if not of_several
        )
    )
    keys = [key for key in ("instrument", "exposure", "detector") if key in keys] + [
        key for key in keys if key not in {"instrument", "exposure", "detector"}
    ]
    if scalars is None:
        scalars = [name for name in HEADINGS if any(name in (row.scalars or {}) for row in rows)]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.title, table.title_justify = title, "left"
    for key in (*(["target"] if ids else []), *keys):
        table.add_column(key, no_wrap=True, overflow="fold")
    if any(are_lists):
        table.add_column("references", overflow="fold")
    table.add_column("state", no_wrap=True)
    for name in scalars:
        table.add_column(HEADINGS.get(name, name), justify="right")
    table.add_column("time\n(s)", justify="right")
    reasons = [_reason(row) for row in rows]
    if any(reasons):
        table.add_column("reason", overflow="fold")
    for row, reason, of_several in zip(rows, reasons, are_lists, strict=True):
        values = row.scalars or {}
        cells = ([short_id(row.id)] if ids else []) + [str(row.data_id.get(key, "")) for key in keys]
        if any(are_lists):
            cells.append(row.argsrepr if of_several else "")
        measured = [_number(values.get(name)) for name in scalars]
        told = [reason] if any(reasons) else []
        table.add_row(*cells, _styled(row.state), *measured, _number(row.seconds), *told)
    return table


def _is_of_several(row: TargetRow | TargetEnding) -> bool:
    """Tell whether a target is more than one reference: then what they share does not name it."""
    return bool(row.argsrepr) and sorted(row.argsrepr.split()) != sorted(human_data_id(row.data_id).split())


def _reason(row: TargetRow | TargetEnding) -> str:
    """Say why a target failed, or why it waits."""
    if row.error_text:
        return f"{row.error_type}: {told_once(row.error_text)}"
    if row.state.ended:
        return ""
    waits = f"waits until {when_text(row.not_before)[11:]}" if row.not_before is not None else ""
    return ": ".join(part for part in (waits, row.waiting_reason) if part)


def files_table(files: Iterable[WrittenFiles]) -> Table:
    """Return a table of the datasets that a RUN collection holds: how many of each type, and where."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("dataset type", no_wrap=True)
    table.add_column("number", justify="right")
    table.add_column("in", overflow="fold")
    for one in files:
        table.add_row(one.dataset_type, str(one.count), one.place)
    return table


def notices_table(notices: Iterable[LargeFileObjectAvailable]) -> Table:
    """Return a table of objects in the annex."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("generator")
    table.add_column("size", justify="right")
    table.add_column("sha256")
    table.add_column("url", overflow="fold")
    for notice in notices:
        table.add_row(notice.generator, size_text(notice.byteSize), notice.checkSum[:12], notice.url)
    return table


def notice_line(notice: LargeFileObjectAvailable) -> Text:
    """Return one line that tells of a notice."""
    words = " ".join(f"{key}={value}" for key, value in notice.data_id.items() if key != "instrument")
    return Text.assemble(
        ("notice ", "magenta"),
        (f"{notice.generator:<20} ", "bold"),
        f"{words}  {size_text(notice.byteSize)}  sha256 {notice.checkSum[:12]}",
        no_wrap=True,
        overflow="ellipsis",
    )


def _styled(word: str) -> Text:
    return Text(status_of(word), style=_STYLES.get(word, ""))


def _number(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool() | str():
            return str(value)
        case int():
            return str(value)
    return f"{value:.2f}"


def _counted(counts: Mapping[TargetState, int]) -> str:
    return " ".join(f"{status_of(state)} {number}" for state, number in counts.items() if number) or "none"


def _took(row: JobRow) -> str:
    if row.ended_at is None or row.created_at is None:
        return ""
    return f"{row.ended_at - row.created_at:.1f} s"
