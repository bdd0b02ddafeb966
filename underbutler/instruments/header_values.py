"""Values of header cards as cameras write them: numbers, texts, dates and angles in their many forms."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = [
    "angle_deg",
    "begin_of",
    "filter_name",
    "is_bare_date",
    "is_driver_setting",
    "keyword_of_seconds",
    "next_second",
    "number_of",
    "text_of",
    "utc_id",
    "value_of",
]

USUAL_SECONDS = ("EXPTIME", "EXPOSURE")
"""Keywords of the exposure time that software writes, one or both."""

MOST_WHOLE_GAIN = 10
"""A gain that is a whole number of e-/ADU, and larger, is not known of a CCD; drivers count to several hundred."""

LONGEST_FILTER = 32
"""Longest name of a filter that the Butler's registry takes, in characters."""

FIRST_CCD_YEAR = 70
"""Two digits of a year that are fewer are of this century: CCDs take pictures since the 1970s."""

_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})")
_CLOCK = re.compile(r"(\d{1,2})[:\sh](\d{1,2})(?:[:\sm](\d{1,2}(?:\.\d*)?)s?)?")
_DIGITS_CLOCK = re.compile(r"(\d{2})(\d{2})(\d{2}(?:\.\d*)?)")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?=T|$)")
_MONTH_NAME = re.compile(r"(\d{1,2}|\d{4})[ -]([A-Za-z]{3})[A-Za-z]*[ -](\d{1,2}|\d{4})(?!\d)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONE = re.compile(r"(.*\d\.?)\s*(?:Z|UTC?|GMT)", re.IGNORECASE)
_OFFSET = re.compile(r"(.*\d)\s*([+-])(\d{2}):?(\d{2})")
_PLAIN_NUMBER = re.compile(r"[+-]?\d*\.?\d*(?:[eE][+-]?\d+)?")

_MJD_ZERO = 2400000.5

FIRST_YEAR, LAST_YEAR = 1971, 2098
"""The Butler's registry knows times from 1970 to 2099, and an observing day may begin a day earlier."""

FIRST_MJD, LAST_MJD = 40952.0, 87703.0
"""1 January of the first year, and of the one after the last."""


def value_of(header: Mapping[str, Any], keyword: str | None) -> Any:
    """Return the value of a card; None if it is missing, has no value, or a text of blanks."""
    value = None if keyword is None else header.get(keyword)
    if value is None or type(value).__name__ == "Undefined":  # astropy's mark of a card without a value
        return None
    return None if isinstance(value, str) and not value.strip() else value


def text_of(header: Mapping[str, Any], keyword: str | None) -> str:
    """Return the value of a card as text without blanks around it; empty if it has none."""
    value = value_of(header, keyword)
    return "" if value is None else " ".join(str(value).split())


def number_of(value: Any) -> float:
    """Return a value as a number, NaN if it is none."""
    if isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def is_driver_setting(gain: float) -> bool:
    """Tell whether a GAIN of which nobody says the unit can hardly be in e-/ADU: 0, or a whole number over 10."""
    return gain == 0 or (gain.is_integer() and gain > MOST_WHOLE_GAIN)


def keyword_of_seconds(header: Mapping[str, Any], named: str) -> str:
    """Return the keyword of the exposure time: the one that a map names, or the usual other one if that is missing."""
    words = (named, *(word for word in USUAL_SECONDS if word != named))
    return next((word for word in words if value_of(header, word) is not None), named)


def filter_name(name: str) -> str:
    """Return the name under which the Butler knows a filter.

    One of more than 32 characters keeps its beginning, and ends with 8 hexadecimal digits of the SHA-256 of the whole
    name: two long names that begin alike stay two filters. So does one with a ``%`` or ``$``, which the names of files
    cannot hold: they would be read as the code of a character, or as a variable.
    """
    clean = re.sub(r"[%$]", "_", name)
    if clean == name and len(name) <= LONGEST_FILTER:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{clean[: LONGEST_FILTER - 9].rstrip()}~{digest}"


def angle_deg(value: Any, *, hours: bool, largest: float = 360.0) -> float | None:
    """Return an angle in degrees, None if the value is not an angle or larger than `largest`.

    Numbers are degrees, also when they are written as text; what is sexagesimal is hours if `hours`, else degrees,
    unless it says its unit. A right ascension, which is one in `hours`, is never negative.
    """
    from astropy.coordinates import Angle

    if value is None or isinstance(value, bool):
        return None
    try:
        if not isinstance(value, str) or _PLAIN_NUMBER.fullmatch(value.strip()):
            degrees = float(value)
        else:
            degrees = float(Angle(value.strip(), "hourangle" if hours else "deg").deg)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(degrees) or abs(degrees) > largest:
        return None
    return degrees % 360.0 if hours and degrees < 0 else degrees


def begin_of(day: Any, clock: Any = None, scale: str = "utc") -> Time:
    """Return an instant from the values of one card or of two.

    Parameters
    ----------
    day
        ``2013-07-13T00:57:33.5`` (also with a blank, ``Z``, ``UTC`` or an offset such as ``+00:00``), ``2013-07-13``,
        ``20130713T005733``, ``13/07/13``, ``13-Jul-2013``, or a number: a (modified) Julian date.
    clock
        Time of day beside a date: ``00:57:33.5``, ``005733``, or a number: hours below 24, else seconds of the day.
    scale
        Time scale.

    Raises
    ------
    ValueError
        If it is none of these, or not of `FIRST_YEAR` to `LAST_YEAR`.
    """
    from astropy.time import Time

    is_number = not isinstance(day, str) or _PLAIN_NUMBER.fullmatch(day.strip())
    if is_number and not (isinstance(day, str) and _COMPACT.fullmatch(day.strip())):
        return _of_julian_date(number_of(day), scale)
    text, offset_s = _without_offset(day.strip())
    the_date, rest = _date(text)
    if not FIRST_YEAR <= the_date.year <= LAST_YEAR:
        raise ValueError(f"{the_date.isoformat()} is not of {FIRST_YEAR} to {LAST_YEAR}")
    seconds_text = _clock(clock) if clock is not None else _clock(rest) if rest else "00:00:00"
    began = Time(f"{the_date.isoformat()}T{seconds_text}", format="isot", scale=scale)
    return began - timedelta(seconds=offset_s) if offset_s else began


def is_bare_date(value: Any) -> bool:
    """Tell whether the value of a card is a date without a time of day."""
    text = value.strip() if isinstance(value, str) else ""
    try:
        return bool(text) and not _date(text)[1]
    except ValueError:
        return False


def utc_id(begin: Time) -> int:
    """Return the UTC begin as ``yyyymmddHHMMSS``, the second it falls into."""
    return int(begin.utc.strftime("%Y%m%d%H%M%S"))


def next_second(exposure: int) -> int:
    """Return the id one second after a UTC id; after a leap second comes midnight."""
    text = str(exposure)
    leap = text.endswith("60")
    instant = datetime.strptime(f"{text[:-2]}59" if leap else text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return int((instant + timedelta(seconds=1)).strftime("%Y%m%d%H%M%S"))


def _of_julian_date(number: float, scale: str) -> Time:
    from astropy.time import Time

    if FIRST_MJD <= number - _MJD_ZERO < LAST_MJD:
        return Time(number, format="jd", scale=scale)
    if not FIRST_MJD <= number < LAST_MJD:
        raise ValueError(f"{number} is not a (modified) Julian date of {FIRST_YEAR} to {LAST_YEAR}")
    return Time(number, format="mjd", scale=scale)


def _without_offset(text: str) -> tuple[str, float]:
    """Return a time without its offset from UTC, and the offset in seconds."""
    zone = _ZONE.fullmatch(text)
    if zone is not None:
        return zone[1], 0.0
    found = _OFFSET.fullmatch(text) if ":" in text else None
    if found is None:
        return text, 0.0
    seconds = 3600.0 * int(found[3]) + 60.0 * int(found[4])
    return found[1], -seconds if found[2] == "-" else seconds


def _date(text: str) -> tuple[date, str]:
    """Return the date that a text begins with, and what follows."""
    iso = _ISO.match(text) or _COMPACT.match(text)
    if iso is not None:
        return date(int(iso[1]), int(iso[2]), int(iso[3])), text[iso.end() :].lstrip("Tt ")
    named = _MONTH_NAME.match(text)
    if named is not None:
        return _of_month_name(*named.groups()), text[named.end() :].lstrip("Tt ")
    found = _DAY_FIRST.match(text)
    if found is None:
        raise ValueError(f"{text!r} does not begin with a date")
    year = int(found[3])
    if len(found[3]) == 2:
        year += 1900 if year >= FIRST_CCD_YEAR else 2000
    return date(year, int(found[2]), int(found[1])), text[found.end() :].lstrip("Tt ")


def _of_month_name(first: str, name: str, last: str) -> date:
    """Return the date of ``13-Jul-2013`` or ``2013-Jul-13``."""
    if name.lower() not in _MONTHS or {len(first) == 4, len(last) == 4} != {True, False}:
        raise ValueError(f"{first}-{name}-{last} is not a date")
    year, day = (first, last) if len(first) == 4 else (last, first)
    return date(int(year), _MONTHS.index(name.lower()) + 1, int(day))


def _clock(value: Any) -> str:
    """Return a time of day as ``HH:MM:SS.ssssss``."""
    if isinstance(value, str):
        text = value.strip().rstrip("Zz")
        text = text.split("T")[-1]
        found = _CLOCK.fullmatch(text) or _DIGITS_CLOCK.fullmatch(text)
        if found is not None:
            return f"{int(found[1]):02d}:{int(found[2]):02d}:{float(found[3] or 0.0):09.6f}"
    number = number_of(value)
    seconds = number * 3600.0 if number < 24 else number
    if not 0 <= seconds < 86401:
        raise ValueError(f"{value!r} is not a time of day")
    minutes, rest = divmod(round(seconds, 6), 60.0)
    return f"{int(minutes) // 60:02d}:{int(minutes) % 60:02d}:{rest:09.6f}"
