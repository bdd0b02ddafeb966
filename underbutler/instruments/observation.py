"""What a raw frame's header says, read through the instrument's map: the values of the Butler's dimension records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from underbutler.clock import tai_milliseconds
from underbutler.errors import UsageError

from .instrument_map import InstrumentMap

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["Observation", "read_observation"]

_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One raw frame, as the registry will know it.

    Parameters
    ----------
    instrument, detector, exposure
        Its data ID.
    is_counted
        Whether the exposure id comes from a counter (header or file name) and not from the UTC begin.
    stem
        The file's stem, for the exposure's ``obs_id``.
    physical_filter, band
        Filter and band; never null.
    day_obs
        Observing day ``yyyymmdd``.
    begin
        Begin of the exposure.
    seconds
        Exposure time in seconds.
    observation_type
        ``bias``, ``dark``, ``flat``, ``science`` or what the map says of others.
    target
        Name of the object, or None.
    ra, dec
        ICRS position in degrees, or None.
    """

    instrument: str
    detector: int
    exposure: int
    is_counted: bool
    stem: str
    physical_filter: str
    band: str
    day_obs: int
    begin: Time
    seconds: float
    observation_type: str
    target: str | None
    ra: float | None
    dec: float | None


def read_observation(header: Mapping[str, Any], stem: str, instrument: InstrumentMap) -> Observation:
    """Read a header through a map.

    Parameters
    ----------
    header
        Header of the raw frame.
    stem
        File name without folder and extension.
    instrument
        The map.

    Raises
    ------
    UsageError
        If keywords are missing (all are named) or a value is not what it should be.
    """
    _require(header, instrument)
    begin = _begin(header, instrument)
    exposure, is_counted = _exposure(header, stem, instrument, begin)
    physical_filter = _text(header, instrument.observation.filter, 32) or "unknown"
    return Observation(
        instrument=instrument.name,
        detector=_detector(header, instrument),
        exposure=exposure,
        is_counted=is_counted,
        stem=stem,
        physical_filter=physical_filter,
        band=instrument.band(physical_filter),
        day_obs=_day_obs(begin, instrument),
        begin=begin,
        seconds=_seconds(header, instrument),
        observation_type=_observation_type(header, instrument),
        target=_text(header, instrument.observation.target, 64) or None,
        ra=_angle(header, instrument.observation.ra, "hourangle"),
        dec=_angle(header, instrument.observation.dec, "deg"),
    )


def utc_id(begin: Time) -> int:
    """Return the UTC begin as ``yyyymmddHHMMSS``, the second it falls into."""
    return int(begin.utc.strftime("%Y%m%d%H%M%S"))


def next_second(exposure: int) -> int:
    """Return the id one second after a UTC id."""
    instant = datetime.strptime(str(exposure), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return int((instant + timedelta(seconds=1)).strftime("%Y%m%d%H%M%S"))


def _require(header: Mapping[str, Any], instrument: InstrumentMap) -> None:
    rule = instrument.exposure
    needed = [rule.date, rule.time, rule.seconds, instrument.detector.keyword, *instrument.frame.required]
    missing = [keyword for keyword in dict.fromkeys(needed) if keyword is not None and keyword not in header]
    if missing:
        raise UsageError(
            f"The header lacks {', '.join(missing)}, which the map of {instrument.name} needs. Add the keywords to the "
            "file, or give a map that names others: --instrument-map FILE.",
            missing=missing,
        )


def _begin(header: Mapping[str, Any], instrument: InstrumentMap) -> Time:
    from astropy.time import Time

    rule = instrument.exposure
    date = str(header[rule.date]).strip()
    text = f"{date[:10]}T{str(header[rule.time]).strip()}" if rule.time else date
    try:
        return Time(text.rstrip("Z"), format="isot", scale="utc")
    except ValueError as error:
        names = rule.date if rule.time is None else f"{rule.date} and {rule.time}"
        raise UsageError(f"{names} say {text!r}, which is not a UTC date and time (2013-07-13T00:57:33).") from error


def _exposure(header: Mapping[str, Any], stem: str, instrument: InstrumentMap, begin: Time) -> tuple[int, bool]:
    rule = instrument.exposure
    if rule.id is not None and rule.id in header:
        return _identity(header[rule.id], rule.id), True
    if rule.file_name is not None:
        found = re.search(rule.file_name, stem)
        if found:
            return _identity(found[1], f"the file name {stem!r}"), True
    return utc_id(begin), False


def _identity(value: object, source: str) -> int:
    try:
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else -1
    except ValueError:
        number = -1
    if not 0 <= number <= _LARGEST_ID:
        raise UsageError(f"{source} says {value!r}, which is not an exposure id: give an integer from 0 to 2^63-1.")
    return number


def _detector(header: Mapping[str, Any], instrument: InstrumentMap) -> int:
    keyword = instrument.detector.keyword
    if keyword is None:
        return instrument.detectors[0].id
    value = header[keyword]
    by_name = {one.name: one.id for one in instrument.detectors}
    if isinstance(value, str) and value.strip() in by_name:
        return by_name[value.strip()]
    try:
        number = int(value) if not isinstance(value, bool) else -1
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise UsageError(f"{keyword} says {value!r}, which is not a detector. Known: {by_name}, or a number from 0.")
    return number


def _seconds(header: Mapping[str, Any], instrument: InstrumentMap) -> float:
    keyword = instrument.exposure.seconds
    try:
        seconds = float(header[keyword])
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < 1e7:
        raise UsageError(f"{keyword} says {header[keyword]!r}, which is not an exposure time in seconds.")
    return seconds


def _observation_type(header: Mapping[str, Any], instrument: InstrumentMap) -> str:
    rule = instrument.observation
    value = str(header.get(rule.type, "")).strip()
    kind = rule.types.get(value.lower(), rule.other_types)
    if kind is None:
        raise UsageError(
            f"{rule.type} says {value!r}, which the map of {instrument.name} does not know. Known: "
            f"{', '.join(sorted(rule.types))}. Add it under [observation.types], or set other_types."
        )
    return kind


def _day_obs(begin: Time, instrument: InstrumentMap) -> int:
    return int((tai_milliseconds(begin) - timedelta(hours=instrument.site_offset_hours)).strftime("%Y%m%d"))


def _text(header: Mapping[str, Any], keyword: str | None, longest: int) -> str:
    return "" if keyword is None else str(header.get(keyword, "")).strip()[:longest]


def _angle(header: Mapping[str, Any], keyword: str | None, unit_of_text: str) -> float | None:
    """Return an angle in degrees: numbers are degrees, texts are sexagesimal."""
    from astropy.coordinates import Angle

    value = None if keyword is None else header.get(keyword)
    if value is None or isinstance(value, bool) or str(value).strip() == "":
        return None
    try:
        return float(Angle(str(value), unit_of_text).deg) if isinstance(value, str) else float(value)
    except ValueError:
        return None
