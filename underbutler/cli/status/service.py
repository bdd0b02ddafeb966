"""The service in a terminal: first what is wrong, then each part in a line, then jobs and the last failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from underbutler.model.identity import short_id
from underbutler.redaction import redacted_text
from underbutler.terminal.reasons import told_once
from underbutler.terminal.tables import jobs_table
from underbutler.wording import counted, span_text, when_text

if TYPE_CHECKING:
    from underbutler.status.failures import FailureGroup
    from underbutler.status.findings import Finding, PartState
    from underbutler.status.service import ServiceState

__all__ = ["findings_view", "service_view"]

_STATES: Final = {"answers": "green", "away": "red", "never seen": "red", "unknown": "yellow"}


def service_view(found: ServiceState) -> RenderableType:
    """Return the service as people look at it."""
    return Group(*_blocks(found))


def findings_view(heading: str, findings: Sequence[Finding], style: str) -> RenderableType:
    """Return findings under a heading: what, why, and what to do."""
    lines: list[RenderableType] = [Text(heading, style=f"bold {style}")]
    for finding in findings:
        since = f" Since {when_text(finding.since)}." if finding.since is not None and finding.code > 1 else ""
        lines.append(Padding(Text(_clean(f"- {finding.what}{since}"), style=style), (0, 0, 0, 2), expand=False))
        lines += [
            Padding(Text(_clean(words)), (0, 0, 0, 4), expand=False) for words in (finding.why, finding.cure) if words
        ]
    return Group(*lines)


def _blocks(found: ServiceState) -> Iterator[RenderableType]:
    noted = found.findings[len(found.wrong) :]
    if found.wrong:
        yield findings_view("Wrong:", found.wrong, "red")
    else:
        yield Text("Nothing is wrong.", style="green")
    if noted:
        yield Text()
        yield findings_view("To be known:", noted, "yellow")
    yield Text()
    yield _parts_table(found.parts)
    yield Text()
    if found.jobs:
        yield jobs_table(found.jobs)
    elif any(part.name == "records" and part.state.value == "answers" for part in found.parts):
        yield Text("No jobs yet. Submit one: `underbutler submit --help`.")
    if found.failures:
        yield Text()
        yield from _failures(found.failures, found.looked_at, found.at)


def _parts_table(parts: Iterable[PartState]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, show_header=False)
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for part in parts:
        since = f" since {when_text(part.since)}" if part.state.value == "away" and part.since is not None else ""
        state = Text(part.state.value + since, style=_STATES[part.state.value])
        table.add_row(Text(part.name), state, Text(_clean(part.told)))
    return table


def _failures(failures: Sequence[FailureGroup], looked_at: float | None, now: float) -> Iterator[RenderableType]:
    new = sum(failure.new for failure in failures)
    before = "" if looked_at is None else f" {span_text(now - looked_at)} ago"
    told = f"{new} new since you looked{before}" if looked_at is not None else "all of them new to you"
    yield Text(f"Last failures ({told}):" if new else f"Last failures (none is new since you looked{before}):")
    for failure in failures:
        mark = "new" if failure.new else "   "
        word = "held" if failure.held else "failed"
        number = f", {counted(failure.count, 'target')}" if failure.count > 1 else ""
        head = f"{mark} {when_text(failure.ended_at)}  {failure.task} {word}{number}  job {short_id(failure.job)}"
        yield Padding(Text(_clean(head), style="red" if failure.new else ""), (0, 0, 0, 2), expand=False)
        yield Padding(Text(_clean(failure.data)), (0, 0, 0, 6), expand=False)
        yield Padding(Text(_clean(told_once(failure.reason))), (0, 0, 0, 6), expand=False)


def _clean(text: str) -> str:
    return redacted_text(text)
