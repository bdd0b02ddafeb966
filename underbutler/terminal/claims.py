"""Claims in a terminal: who tried which target when, and how and why each try ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from underbutler.model.identity import short_id
from underbutler.wording import when_text

if TYPE_CHECKING:
    from underbutler.records import ClaimRow

__all__ = ["ClaimsView"]

WIDE: Final = 140
"""From so many columns on a claim is one row of a table; below, its worker and reason stand under it."""

_STYLES: Final = {
    "live": "cyan",
    "done": "green",
    "no_work": "green",
    "failed": "red",
    "died": "red",
    "worker_died": "red",
    "expired": "red",
    "timed_out": "red",
    "fenced_out": "red",
    "aborted": "yellow",
    "transient": "yellow",
    "given_back": "yellow",
}


class ClaimsView:
    """A table of claims, as wide as there is room; times are UTC.

    Parameters
    ----------
    claims
        In the order in which they are shown.
    """

    def __init__(self, claims: Sequence[ClaimRow]) -> None:
        self._claims = claims

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as one table, or as a block per claim."""
        if options.max_width >= WIDE:
            yield self._table()
            return
        yield Text(f"{'target':<8}  attempt  sent  {'start':<14}  {'end':<14}  how", style="bold")
        for claim in self._claims:
            start, end = _span(claim)
            how = claim.end or "live"
            head = f"{short_id(claim.target_id)}  {claim.claim_no:>7}  {claim.send_no:>4}  {start:<14}  {end:<14}  "
            yield Text.assemble(head, (how, _STYLES.get(how, "")), overflow="fold")
            reason = f": {claim.reason}" if claim.reason else ""
            yield Padding(Text(f"{claim.worker} pid {claim.pid}{reason}"), (0, 0, 0, 4))

    def _table(self) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("target", "attempt", "sent", "worker", "pid", "start", "end", "how"):
            right = heading in {"attempt", "sent", "pid"}
            table.add_column(heading, justify="right" if right else "left", no_wrap=True)
        table.add_column("reason", overflow="fold", ratio=1)
        for claim in self._claims:
            how = claim.end or "live"
            numbers = str(claim.claim_no), str(claim.send_no)
            who = claim.worker, str(claim.pid)
            style = Text(how, style=_STYLES.get(how, ""))
            table.add_row(short_id(claim.target_id), *numbers, *who, *_span(claim), style, claim.reason or "")
        return table


def _span(claim: ClaimRow) -> tuple[str, str]:
    """Return start and end, without the year; the end without the day if it is the same."""
    start, end = when_text(claim.started_at)[5:-1], when_text(claim.ended_at)[5:-1]
    return start, end[6:] if end[:5] == start[:5] else end
