"""What the schedule is going to do: the slots to come, and why some of them are skipped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from .clocks import clock_of, zone_of
from .entries import Definition

__all__ = ["Coming", "coming", "local_time"]

SHOWN: Final = 1000
"""So many lines of one entry are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """One slot to come, or several in a row that are skipped for the same reason.

    Parameters
    ----------
    name, what
        The entry, and what it does.
    at
        When, in seconds since 1970 UTC; None for one that waits for something else than a time.
    until
        The last of several slots; else `at`.
    slots
        How many.
    zone
        Time zone of the site.
    why_not
        Why it will not fire; None if it will.
    """

    name: str
    what: str
    at: float | None
    until: float | None
    slots: int
    zone: str
    why_not: str | None


def local_time(at: float, zone: str) -> str:
    """Return a moment as date and time of day of a time zone, with its offset: ``2026-11-21 17:00 -0300``."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %z")


def coming(definition: Definition, begin: float, end: float, *, next_due: float | None, paused: bool) -> list[Coming]:
    """Return the slots of an entry in a span of time, in their order.

    Parameters
    ----------
    definition
        The entry.
    begin, end
        The span, in seconds since 1970 UTC.
    next_due
        What the records say: a slot that is overdue, or the one that follows the latest exposure.
    paused
        Whether it is paused.

    Raises
    ------
    UsageError
        If it needs the sun, and ephem is not installed.
    """
    if definition.when.after_last_exposure is not None:
        return [_after_exposure(definition, next_due, paused=paused)]
    clock = clock_of(definition)
    found: list[Coming] = []
    slot: float | None = next_due if next_due is not None and next_due <= begin else clock.slots.after(begin)
    while slot is not None and slot <= end and len(found) < SHOWN:
        one = _coming(definition, slot, "paused" if paused else clock.why_not(slot))
        if one.why_not and found and found[-1].why_not == one.why_not:
            found[-1] = _joined(found[-1], slot)
        else:
            found.append(one)
        slot = clock.slots.after(slot)
    return found


def _coming(definition: Definition, at: float | None, why_not: str | None) -> Coming:
    zone = zone_of(definition).key
    return Coming(name=definition.name, what=definition.what, at=at, until=at, slots=1, zone=zone, why_not=why_not)


def _after_exposure(definition: Definition, next_due: float | None, *, paused: bool) -> Coming:
    minutes = (definition.when.after_last_exposure or 0) / 60
    waits = f"{minutes:g} min after the next exposure, if none follows it"
    return _coming(definition, next_due, "paused" if paused else waits if next_due is None else None)


def _joined(before: Coming, slot: float) -> Coming:
    return replace(before, until=slot, slots=before.slots + 1)
