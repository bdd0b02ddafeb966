"""Times of the observatory: TAI now, and the observing day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["DAY_ROLLOVER_HOURS", "observing_day", "stamp", "tai_milliseconds", "tai_now"]

DAY_ROLLOVER_HOURS = 12
"""An observing day ends at noon TAI, so that a night has one date."""


def tai_now() -> Time:
    """Return the present instant on the TAI scale."""
    from astropy.time import Time  # 0.3 s to import: only callers who need it pay

    return Time.now().tai


def tai_milliseconds(instant: Time) -> datetime:
    """Return an instant as a naive TAI datetime, rounded to milliseconds (half up).

    The rounding comes first in every rule that derives a day from an instant: see `observing_day`.
    """
    from astropy.time import TimeDelta

    half = TimeDelta(0.0005, format="sec")
    rounded: datetime = (instant.tai + half).datetime
    return rounded.replace(microsecond=rounded.microsecond // 1000 * 1000)


def observing_day(instant: Time) -> int:
    """Return the observing day ``yyyymmdd`` of an instant: TAI, rounded to milliseconds, minus 12 h."""
    from datetime import timedelta

    shifted = tai_milliseconds(instant) - timedelta(hours=DAY_ROLLOVER_HOURS)
    return int(shifted.strftime("%Y%m%d"))


def stamp() -> str:
    """Return the present instant as ``20261120T041502Z``: the time part of a RUN collection's name."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
