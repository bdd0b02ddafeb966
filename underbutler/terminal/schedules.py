"""The schedule in a terminal: its entries, what comes, what was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from underbutler.model.identity import short_id
from underbutler.records import FiringState
from underbutler.wording import span_text, when_text

if TYPE_CHECKING:
    from underbutler.records import FiringRow, ScheduleRow

__all__ = ["ComingLike", "coming_table", "firings_table", "schedules_table"]

_STYLES: Final[Mapping[str, str]] = {
    FiringState.DONE: "green",
    FiringState.EMPTY: "green",
    FiringState.FAILED: "red",
    FiringState.SKIPPED: "yellow",
    FiringState.RUNNING: "cyan",
    FiringState.WAITING: "cyan",
}


class ComingLike(Protocol):
    """What a table of slots reads: `underbutler.schedules.preview.Coming` has it."""

    @property
    def name(self) -> str:
        """The entry."""

    @property
    def what(self) -> str:
        """What it does."""

    @property
    def at(self) -> float | None:
        """When."""

    @property
    def until(self) -> float | None:
        """The last of several."""

    @property
    def slots(self) -> int:
        """How many."""

    @property
    def zone(self) -> str:
        """Time zone of the site."""

    @property
    def why_not(self) -> str | None:
        """Why it is skipped."""


def schedules_table(rows: Iterable[tuple[ScheduleRow, FiringRow | None]], now: float) -> Table:
    """Return a table of entries: what each does, when it is next, what became of the last one."""
    table = _table("id", "schedule", "when", "does", "next (UTC)", "in", "last firing")
    for row, last in rows:
        table.add_row(
            short_id(row.id),
            row.name,
            _when(row.definition),
            _what(row.definition),
            Text("paused", "yellow") if row.paused else when_text(row.next_due),
            "" if row.paused or row.next_due is None else span_text(row.next_due - now),
            Text("never") if last is None else _state(last, now),
        )
    return table


def coming_table(slots: Iterable[ComingLike]) -> Table:
    """Return a table of slots to come, in UTC and in the site's time, and why one is skipped."""
    table = _table("UTC", "at the site", "schedule", "does", "")
    for one in slots:
        at = "" if one.at is None else when_text(one.at)
        local = "" if one.at is None else _local(one.at, one.zone)
        words = one.why_not or ""
        if one.slots > 1 and one.until is not None:
            words = f"{one.slots} slots until {when_text(one.until)}: {words}"
        table.add_row(at, local, one.name, one.what, words, style="dim" if one.why_not else None)
    return table


def firings_table(rows: Iterable[FiringRow], *, with_names: bool = False) -> Table:
    """Return a table of firings: when each was due, how late it was, its job and what became of it."""
    table = _table(*(["schedule"] if with_names else []), "due (UTC)", "late", "state", "job", "left out", "by", "")
    for row in rows:
        is_submission = row.definition.get("chore") is None
        has_job = is_submission and row.state is FiringState.DONE
        table.add_row(
            *([row.name] if with_names else []),
            when_text(row.due_at),
            span_text(row.fired_at - row.due_at),
            Text(row.state.value, _STYLES[row.state]),
            short_id(row.job_id) if has_job else "",
            str(row.missed) if row.missed else "",
            row.fired_by,
            Text(row.told or "", overflow="fold"),
        )
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading in ("id", "UTC", "job", "due (UTC)", "next (UTC)"))
    return table


def _state(row: FiringRow, now: float) -> Text:
    return Text(f"{row.state.value}, {span_text(now - row.due_at)} ago", _STYLES[row.state])


def _local(at: float, zone: str) -> str:
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%a %H:%M:%S %Z")


def _what(definition: Mapping[str, Any] | None) -> str:
    if definition is None:
        return ""
    if definition.get("chore"):
        return f"chore {definition['chore']}"
    return f"{definition['task']} {definition['repo']}"


def _when(definition: Mapping[str, Any] | None) -> str:
    """Return when an entry fires, for people."""
    if definition is None:
        return ""
    when = definition["when"]
    night = when.get("only_at_night")
    at_night = "" if not night else " at night" if night is True else f" at {night} night"
    if when.get("every"):
        return f"every {span_text(when['every'])}{at_night}"
    if when.get("crontab"):
        return f"{when['crontab']}{at_night}"
    if when.get("after_last_exposure"):
        return f"{span_text(when['after_last_exposure'])} after the last exposure"
    offset = when.get("offset", 0)
    shift = "" if not offset else f"{span_text(abs(offset))} {'after' if offset > 0 else 'before'} "
    return f"{shift}{when['sun']}{at_night}"
