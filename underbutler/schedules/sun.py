"""The sun over a site: events of a day, and the nights. Computed by ephem, with Celery's horizons.

A day of the sun is from one transit to the next: in it the sun sets at most once, and then rises at most once, also
where it does not set for months. So events have one time each, whoever asks and whenever.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final, NamedTuple

from underbutler.errors import UsageError

from .entries import Site, SunEvent, Twilight

__all__ = ["Night", "Sun"]

DAY_S: Final = 86400
_EPHEM_ZERO: Final = -2209032000.0
"""Day 0 of ephem, 1899-12-31 12:00 UTC, in seconds since 1970."""
_BORDERS: Final[dict[Twilight, tuple[SunEvent, SunEvent]]] = {
    "sunset": ("sunset", "sunrise"),
    "civil": ("dusk_civil", "dawn_civil"),
    "nautical": ("dusk_nautical", "dawn_nautical"),
    "astronomical": ("dusk_astronomical", "dawn_astronomical"),
}
LOOK_AHEAD_DAYS: Final = 400
"""What does not happen in so many days does not happen."""


class Night(NamedTuple):
    """A night: seconds since 1970 UTC, the end excluded."""

    begin: float
    end: float

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, int | float) and self.begin <= moment < self.end


class Sun:
    """The sun over one site.

    Parameters
    ----------
    site
        Where.

    Raises
    ------
    UsageError
        If ephem is not installed.
    """

    def __init__(self, site: Site) -> None:
        try:
            import ephem
        except ImportError as error:
            raise UsageError(
                "Dusk, dawn and only_at_night need the package ephem. Install it: pip install 'underbutler[beat]'."
            ) from error
        self._ephem: Any = ephem
        self._site = site
        self._of_day = lru_cache(maxsize=1024)(self._compute)
        self._transits = lru_cache(maxsize=1024)(self._transit)

    def day_of(self, moment: float) -> int:
        """Return the number of the sun's day that holds a moment."""
        number = math.floor((moment + self._site.longitude * 240.0 - DAY_S / 2) / DAY_S)
        while moment < self._transits(number):
            number -= 1
        while moment >= self._transits(number + 1):
            number += 1
        return number

    def event(self, event: SunEvent, day: int) -> int | None:
        """Return when something happens in a day of the sun, to the second; None if it does not."""
        return self._of_day(event, day)

    def night(self, twilight: Twilight, day: int) -> Night | None:
        """Return the night of a day of the sun; None where the sun stays up.

        Where it stays down the night is the whole day.
        """
        dusk, dawn = (self._of_day(event, day) for event in _BORDERS[twilight])
        begin, end = self._transits(day), self._transits(day + 1)
        if dusk is None and dawn is None and not self._is_down(twilight, (begin + end) / 2):
            return None
        return Night(begin if dusk is None else dusk, end if dawn is None else dawn)

    def next_night(self, twilight: Twilight, moment: float) -> Night | None:
        """Return the night that holds a moment, or the next one; None if there is none for more than a year."""
        first = self.day_of(moment)
        for day in range(first, first + LOOK_AHEAD_DAYS):
            night = self.night(twilight, day)
            if night is not None and moment < night.end:
                return night
        return None

    def _kind(self, event: SunEvent) -> Any:
        """Return Celery's view of an event: its horizon, and what of ephem finds it."""
        from celery.schedules import solar

        return solar(event, self._site.latitude, self._site.longitude)

    def _observer(self, event: SunEvent, moment: float) -> Any:
        observer = self._kind(event).cal
        observer.date = self._date(moment)
        return observer

    def _compute(self, event: SunEvent, day: int) -> int | None:
        begin, end = self._transits(day), self._transits(day + 1)
        if event == "solar_noon":
            return begin
        kind = self._kind(event)
        centre = {"use_center": True} if kind.use_center else {}
        try:
            found = getattr(kind.cal, kind.method)(self._ephem.Sun(), start=self._date(begin), **centre)
        except self._ephem.CircumpolarError:
            return None
        moment = self._seconds(found)
        return moment if begin <= moment < end else None

    def _transit(self, day: int) -> int:
        """Return when the day's noon is: the sun's transit, at most 17 minutes from the mean sun's."""
        mean = day * DAY_S + DAY_S / 2 - self._site.longitude * 240.0
        observer = self._observer("solar_noon", mean - 3 * 3600)
        return self._seconds(observer.next_transit(self._ephem.Sun()))

    def _is_down(self, twilight: Twilight, moment: float) -> bool:
        observer = self._observer(_BORDERS[twilight][0], moment)
        return bool(self._ephem.Sun(observer).alt < observer.horizon)

    def _date(self, moment: float) -> Any:
        return self._ephem.Date((moment - _EPHEM_ZERO) / DAY_S)

    def _seconds(self, date: Any) -> int:
        return round(float(date) * DAY_S + _EPHEM_ZERO)
