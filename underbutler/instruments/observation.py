"""What a raw frame's header says, read through the instrument's map: the values of the Butler's dimension records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from underbutler.clock import tai_milliseconds
from underbutler.errors import UsageError

from .draft_words import BANDS, KINDS
from .extensions import detector_of
from .header_values import (
    FIRST_YEAR,
    LAST_YEAR,
    angle_deg,
    begin_of,
    filter_name,
    is_bare_date,
    keyword_of_seconds,
    next_second,
    text_of,
    utc_id,
    value_of,
)
from .instrument_map import ExposureRule, InstrumentMap
from .translation import translate

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["HeaderReader", "Observation", "next_second", "read_observation", "reader_of"]

_LARGEST_ID = 2**63 - 1

OTHER_BEGINS = ("DATE-BEG", "MJD-BEG", "MJD-OBS")
"""Keywords of the FITS standard that say the begin where the map's has no value."""

OTHER_TIMES = ("TIME-OBS", "UT", "UTC", "UTSTART")
"""Keywords of the UTC time of day that are read beside a bare date where the map names none."""

OTHER_KINDS = ("IMAGETYP", "FRAME", "FRAMETYP", "OBSTYPE")
"""Keywords of the kind of frame that are tried where the map's has no value."""

SCALES = {"TAI": "tai", "IAT": "tai", "TT": "tt", "TDT": "tt", "ET": "tt", "TDB": "tdb", "TCB": "tcb", "TCG": "tcg"}
"""Values of TIMESYS (FITS standard 4.0, table 30) that are not UTC, and what astropy calls them."""

GPS_BEHIND_TAI_S = 19.0


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


class HeaderReader(Protocol):
    """Reads what was observed out of a raw frame's header: through a map's keywords, or by a translator."""

    def observation(self, header: Mapping[str, Any], stem: str, extension: str = "") -> Observation:
        """Read a header.

        Parameters
        ----------
        header
            Header of the raw frame.
        stem
            File name without folder and extension.
        extension
            EXTNAME of the image, of a file that has several detectors.

        Raises
        ------
        UsageError
            If keywords are missing (all are named) or a value is not what it should be.
        """


@dataclass(frozen=True, slots=True)
class KeywordReader:
    """Reads the keywords that a map names."""

    instrument: InstrumentMap

    def observation(self, header: Mapping[str, Any], stem: str, extension: str = "") -> Observation:
        """Read a header through the map."""
        instrument = self.instrument
        _require(header, instrument)
        begin = _begin(header, instrument)
        exposure, is_counted = _exposure(header, stem, instrument, begin)
        whole_filter = text_of(header, instrument.observation.filter) or "unknown"
        physical_filter = filter_name(whole_filter)
        return Observation(
            instrument=instrument.name,
            detector=detector_of(header, instrument, extension),
            exposure=exposure,
            is_counted=is_counted,
            stem=stem,
            physical_filter=physical_filter,
            band=_band(instrument, whole_filter, physical_filter),
            day_obs=_day_obs(begin, instrument),
            begin=begin,
            seconds=_seconds(header, instrument),
            observation_type=_observation_type(header, instrument),
            target=text_of(header, instrument.observation.target)[:64] or None,
            ra=angle_deg(value_of(header, instrument.observation.ra), hours=True),
            dec=angle_deg(value_of(header, instrument.observation.dec), hours=False, largest=90.0),
        )


@dataclass(frozen=True, slots=True)
class TranslatorReader:
    """Asks the translator that a map names; the map says bands, and the observing day's begin."""

    instrument: InstrumentMap
    translator: str

    def observation(self, header: Mapping[str, Any], stem: str, extension: str = "") -> Observation:
        """Read a header as the translator does."""
        instrument, seen = self.instrument, translate(header, self.translator, extension)
        whole_filter = seen.physical_filter or "unknown"
        physical_filter = filter_name(whole_filter)
        band = _band(instrument, whole_filter, physical_filter)
        kind = seen.observation_type
        return Observation(
            instrument=instrument.name,
            detector=seen.detector,
            exposure=seen.exposure,
            is_counted=True,
            stem=stem,
            physical_filter=physical_filter,
            band=band if band != "unknown" else BANDS.get(whole_filter.split()[0].rpartition("-")[2], "unknown"),
            day_obs=_day_obs(seen.begin, instrument),
            begin=seen.begin,
            seconds=seen.seconds,
            observation_type=instrument.observation.types.get(kind) or KINDS.get(kind) or kind or "unknown",
            target=seen.target[:64] or None,
            ra=seen.ra,
            dec=seen.dec,
        )


def reader_of(instrument: InstrumentMap) -> HeaderReader:
    """Return what reads the headers of an instrument."""
    if instrument.translator is not None:
        return TranslatorReader(instrument, instrument.translator)
    return KeywordReader(instrument)


def read_observation(
    header: Mapping[str, Any], stem: str, instrument: InstrumentMap, extension: str = ""
) -> Observation:
    """Read a header as `HeaderReader.observation` does, through the reader of a map."""
    return reader_of(instrument).observation(header, stem, extension)


def _require(header: Mapping[str, Any], instrument: InstrumentMap) -> None:
    rule = instrument.exposure
    has_begin = any(value_of(header, word) is not None for word in OTHER_BEGINS)
    begin = [] if has_begin and value_of(header, rule.date) is None else [rule.date, rule.time]
    seconds = [] if _is_bias(header, instrument) else [keyword_of_seconds(header, rule.seconds)]
    needed = [*begin, *seconds, instrument.detector.keyword, *instrument.frame.required]
    missing = [one for one in dict.fromkeys(needed) if one is not None and value_of(header, one) is None]
    if missing:
        local = " DATE-LOC is the local time, and is not taken for it." if _is_local_only(header, missing) else ""
        raise UsageError(
            f"The header lacks {', '.join(missing)}, which the map of {instrument.name} needs.{local} Add the keywords "
            "to the file, or give a map that names others: --instrument-map FILE.",
            missing=missing,
        )
    pattern = text_of(header, instrument.observation.colour)
    if pattern and pattern.lower() != "none" and not instrument.observation.is_mono:
        raise UsageError(
            f"{instrument.observation.colour} says {pattern!r}: the pixels of a colour camera lie under filters of "
            "three colours, and its frame is not one of a CCD behind one filter. Ingest one colour, for example the "
            "green pixels as your software extracts them; or say in the map that there are none: [observation] "
            "is_mono = true.",
            keyword=instrument.observation.colour,
        )


def _is_bias(header: Mapping[str, Any], instrument: InstrumentMap) -> bool:
    """Tell whether a frame is a bias, whose exposure time need not be said."""
    return _known_kind(header, instrument)[1] == "bias"


def _is_local_only(header: Mapping[str, Any], missing: list[str]) -> bool:
    return "DATE-OBS" in missing and value_of(header, "DATE-LOC") is not None


def _begin(header: Mapping[str, Any], instrument: InstrumentMap) -> Time:
    keyword, day, clock = _begin_cards(header, instrument.exposure)
    system = text_of(header, "TIMESYS").upper().partition("(")[0].strip()  # UTC(NIST) is UTC as an institute keeps it
    if system == "LOCAL":
        raise UsageError(
            f"TIMESYS says LOCAL: {keyword} is not a time that others can tell. Write it in UTC into the file, or name "
            "the keyword that holds it in the map: [exposure] date."
        )
    try:
        begin = begin_of(day, clock, "tai" if system == "GPS" else SCALES.get(system, "utc"))
    except ValueError as error:
        said = " ".join(str(one) for one in (day, clock) if one is not None)
        raise UsageError(
            f"{keyword} say{'s' if ' and ' not in keyword else ''} {said!r}, which is not a UTC date and time "
            f"(2013-07-13T00:57:33) of {FIRST_YEAR} to {LAST_YEAR}. Correct it in the file, or name another keyword in "
            "the map: [exposure] date."
        ) from error
    return begin + timedelta(seconds=GPS_BEHIND_TAI_S) if system == "GPS" else begin


def _begin_cards(header: Mapping[str, Any], rule: ExposureRule) -> tuple[str, Any, Any]:
    """Return the keywords of the begin, for errors, and the values of its date and its time of day."""
    day = value_of(header, rule.date)
    if day is None:
        other = next((word for word in OTHER_BEGINS if value_of(header, word) is not None), rule.date)
        return other, value_of(header, other), None
    if rule.time is not None:
        return f"{rule.date} and {rule.time}", day, value_of(header, rule.time)
    if is_bare_date(day):
        word = next((word for word in OTHER_TIMES if value_of(header, word) is not None), None)
        if word is not None:
            return f"{rule.date} and {word}", day, value_of(header, word)
        begins = {word: value_of(header, word) for word in OTHER_BEGINS}
        whole = [word for word, said in begins.items() if said is not None and not is_bare_date(said)]
        if whole:
            return whole[0], begins[whole[0]], None
    return rule.date, day, None


def _exposure(header: Mapping[str, Any], stem: str, instrument: InstrumentMap, begin: Time) -> tuple[int, bool]:
    rule = instrument.exposure
    if rule.id is not None and value_of(header, rule.id) is not None:
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


def _seconds(header: Mapping[str, Any], instrument: InstrumentMap) -> float:
    keyword = keyword_of_seconds(header, instrument.exposure.seconds)
    if value_of(header, keyword) is None:
        return 0.0  # of a bias
    try:
        seconds = float(header[keyword])
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < 1e7:
        raise UsageError(
            f"{keyword} says {header[keyword]!r}, which is not an exposure time in seconds. Correct it in the file, or "
            "name another keyword in the map: [exposure] seconds."
        )
    return seconds


def _observation_type(header: Mapping[str, Any], instrument: InstrumentMap) -> str:
    rule = instrument.observation
    value, kind = _known_kind(header, instrument)
    if kind is None:
        raise UsageError(
            f"{rule.type} says {value!r}, which the map of {instrument.name} does not know. Known: "
            f"{', '.join(sorted(rule.types))}. Add it under [observation.types], or set other_types."
        )
    return kind


def _known_kind(header: Mapping[str, Any], instrument: InstrumentMap) -> tuple[str, str | None]:
    """Return what the header calls the kind of a frame, and the observation type that the map makes of it."""
    rule = instrument.observation
    words = (rule.type, *(word for word in OTHER_KINDS if value_of(header, rule.type) is None))
    value = next(
        (text for word in words if (text := text_of(header, word)).lower() in rule.types), text_of(header, rule.type)
    )
    return value, rule.types.get(value.lower(), rule.other_types)


def _band(instrument: InstrumentMap, whole_filter: str, physical_filter: str) -> str:
    """Return the band of a filter, which a map may name whole or shortened."""
    names = [name for name in (whole_filter, physical_filter) if name in instrument.observation.bands]
    return instrument.band(names[0] if names else physical_filter)


def _day_obs(begin: Time, instrument: InstrumentMap) -> int:
    return int((tai_milliseconds(begin) - timedelta(hours=instrument.site_offset_hours)).strftime("%Y%m%d"))
