"""When an entry is due: its slots, one after the other, the same whoever counts them.

A slot is a whole second since 1970 UTC that follows from the entry alone: not from when a beat was started, ticked or
stopped. So any number of beats agree on what was fired and on what is next.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from .entries import Definition, SunEvent, When
from .sun import LOOK_AHEAD_DAYS, Night, Sun

__all__ = ["Clock", "Slots", "clock_of", "zone_of"]

CRONTAB_DAYS: Final = 8 * 366 + 2
"""So many days hold every date that there is: between two 29ths of February are up to eight years."""


class Slots(Protocol):
    """The slots of one entry."""

    def after(self, moment: float) -> int | None:
        """Return the first slot after a moment; None if there is none."""


@dataclass(frozen=True)
class Never:
    """No slots: the entry fires when something is seen."""

    def after(self, moment: float) -> int | None:  # noqa: ARG002 - the protocol's signature
        """Return None."""
        return None


@dataclass(frozen=True)
class Every:
    """Slots at whole multiples of a span since 1970 UTC."""

    seconds: int

    def after(self, moment: float) -> int | None:
        """Return the first slot after a moment."""
        return (math.floor(moment / self.seconds) + 1) * self.seconds


@dataclass(frozen=True)
class Crontab:
    """Slots at times of day of a time zone.

    Where clocks are changed, an entry for each hour (``*``) goes by what the clock shows: twice through an hour that is
    repeated, and never in one that is left out. An entry for certain hours fires once a day: at the first of two, and
    as much later as the clock was put forward.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days_of_month: frozenset[int]
    months: frozenset[int]
    days_of_week: frozenset[int]
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> Crontab:
        """Return the slots of five fields, as Celery reads them."""
        from celery.schedules import crontab

        fields: Any = crontab.from_string(text)
        return cls(
            tuple(sorted(fields.minute)),
            tuple(sorted(fields.hour)),
            frozenset(fields.day_of_month),
            frozenset(fields.month_of_year),
            frozenset(fields.day_of_week),
            zone,
        )

    def after(self, moment: float) -> int | None:
        """Return the first slot after a moment."""
        # What is put forward at midnight lies in the next day: two days of slots are always looked at together.
        first = datetime.fromtimestamp(moment, self.zone).date() - timedelta(days=1)
        days = (first + timedelta(days=number) for number in range(CRONTAB_DAYS))
        for one, other in pairwise(days):
            later = [slot for day in (one, other) for slot in self._of_day(day) if slot > moment]
            if later:
                return min(later)
        return None

    def _of_day(self, day: date) -> Iterator[int]:
        if day.month not in self.months or day.day not in self.days_of_month:
            return
        if day.isoweekday() % 7 not in self.days_of_week:
            return
        each_hour = len(self.hours) == 24
        for hour in self.hours:
            for minute in self.minutes:
                wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                first, second = (round(wall.replace(fold=fold).timestamp()) for fold in (0, 1))
                is_left_out = datetime.fromtimestamp(first, self.zone).hour != hour or (
                    datetime.fromtimestamp(first, self.zone).minute != minute
                )
                if each_hour and is_left_out:
                    continue
                yield first
                if each_hour and second > first:
                    yield second


@dataclass(frozen=True)
class SunSlots:
    """Slots at, before or after what the sun does."""

    sun: Sun
    event: SunEvent
    offset: int

    def after(self, moment: float) -> int | None:
        """Return the first slot after a moment."""
        first = self.sun.day_of(moment - self.offset)
        for day in range(first, first + LOOK_AHEAD_DAYS):
            at = self.sun.event(self.event, day)
            if at is not None and at + self.offset > moment:
                return at + self.offset
        return None


@dataclass
class Clock:
    """The slots of an entry, and whether it fires at them."""

    slots: Slots
    when: When
    sun: Sun | None
    _night: Night | None = field(default=None, init=False)

    def due_after(self, moment: float) -> int | None:
        """Return the first slot after a moment at which the entry fires."""
        slot = self.slots.after(moment)
        twilight = self.when.twilight
        if twilight is None or self.sun is None:
            return slot
        while slot is not None:
            if self._night is None or slot not in self._night:
                self._night = self.sun.next_night(twilight, slot)
            if self._night is None:
                return None
            if slot in self._night:
                return slot
            slot = self.slots.after(self._night.begin - 1)
        return None

    def why_not(self, slot: float) -> str | None:
        """Return why the entry skips one of its slots."""
        twilight = self.when.twilight
        if twilight is None or self.sun is None:
            return None
        night = self.sun.next_night(twilight, slot)
        if night is not None and slot in night:
            return None
        return "the sun is up" if twilight == "sunset" else f"no {twilight} night"


def zone_of(definition: Definition) -> ZoneInfo:
    """Return the time zone in which an entry's times are meant."""
    site = definition.site
    return ZoneInfo(definition.when.time_zone or (site.time_zone if site else "UTC"))


def clock_of(definition: Definition) -> Clock:
    """Return the clock of an entry.

    Raises
    ------
    UsageError
        If it needs the sun, and ephem is not installed.
    """
    when, site = definition.when, definition.site
    sun = Sun(site) if when.needs_sun and site is not None else None
    return Clock(_slots(when, sun, zone_of(definition)), when, sun)


def _slots(when: When, sun: Sun | None, zone: ZoneInfo) -> Slots:
    if when.every is not None:
        return Every(when.every)
    if when.crontab is not None:
        return Crontab.parse(when.crontab, zone)
    if when.sun is not None and sun is not None:
        return SunSlots(sun, when.sun, when.offset)
    return Never()
