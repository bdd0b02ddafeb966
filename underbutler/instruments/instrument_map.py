"""The header map of an instrument: which keyword of a raw frame says what. TOML, one file per instrument.

Maps of some instruments ship with the package (`shipped_maps`); a repository keeps the maps it was made with, and those
that were given to an ingest.
"""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from underbutler.errors import UsageError

__all__ = ["InstrumentMap", "choose_map", "load_instrument_map", "parse_instrument_map", "shipped_maps"]

Keyword = Annotated[str, Field(min_length=1, max_length=80)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Detector(_Table):
    """One detector of the instrument."""

    id: int = Field(ge=0)
    name: str = Field(min_length=1, max_length=32)
    purpose: str = Field("SCIENCE", max_length=32)


class DetectorRule(_Table):
    """Where a frame says its detector; without a keyword there is only the first."""

    keyword: Keyword | None = None


class ExposureRule(_Table):
    """How a frame's exposure is identified; the first rule that gives an id wins."""

    id: Keyword | None = None
    """Keyword of an integer."""
    file_name: str | None = None
    """Regular expression on the file's stem, whose first group is an integer."""
    date: Keyword = "DATE-OBS"
    """Keyword of the UTC begin: a date, or date and time in ISO 8601."""
    time: Keyword | None = None
    """Keyword of the UTC time of day, if `date` is only a date."""
    seconds: Keyword = "EXPTIME"
    """Keyword of the exposure time in seconds."""

    @field_validator("file_name")
    @classmethod
    def _one_group(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                groups = re.compile(value).groups
            except re.error as error:
                raise ValueError(f"is not a regular expression: {error}") from error
            if groups < 1:
                raise ValueError("needs a group around the integer, for example a(\\d+)")
        return value


class ObservationRule(_Table):
    """What was observed, and how."""

    type: Keyword = "IMAGETYP"
    types: dict[str, str] = Field(default_factory=dict)
    """Header value, in lower case, to ``bias``, ``dark``, ``flat`` or ``science``."""
    other_types: str | None = None
    """Observation type of values that are not in `types`; without it such a frame is refused."""
    filter: Keyword | None = None
    bands: dict[str, str] = Field(default_factory=dict)
    """Filter to band; others get ``unknown``."""
    target: Keyword | None = None
    ra: Keyword | None = None
    dec: Keyword | None = None

    @field_validator("types")
    @classmethod
    def _lower(cls, value: dict[str, str]) -> dict[str, str]:
        return {key.lower(): kind for key, kind in value.items()}


class FrameRule(_Table):
    """Keywords that a reduction needs."""

    gain: Keyword | None = None
    read_noise: Keyword | None = None
    overscan: Keyword | None = None
    trim: Keyword | None = None
    saturation: Keyword | None = None
    required: tuple[Keyword, ...] = ()
    """Keywords without which a frame is not ingested."""


class InstrumentMap(_Table):
    """One instrument, as its raw frames describe it."""

    name: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    description: str = ""
    site_offset_hours: float = Field(12.0, ge=-24, le=24)
    """The observing day is the date of the TAI begin minus this."""
    match: dict[Keyword, str] = Field(min_length=1)
    """Keywords and patterns (``*`` and ``?``, case is ignored) that all hold for a frame of this instrument."""
    detectors: tuple[Detector, ...] = (Detector(id=0, name="0"),)
    detector: DetectorRule = DetectorRule()
    exposure: ExposureRule = ExposureRule()
    observation: ObservationRule = ObservationRule()
    frame: FrameRule = FrameRule()

    @property
    def raw_collection(self) -> str:
        """RUN collection of the raw frames."""
        return f"{self.name}/raw"

    @property
    def calib_collection(self) -> str:
        """CALIBRATION collection of the certified calibrations."""
        return f"{self.name}/calib"

    def matches(self, header: Mapping[str, Any]) -> bool:
        """Tell whether a header is of this instrument."""
        return all(
            keyword in header and fnmatch.fnmatchcase(str(header[keyword]).strip().lower(), pattern.lower())
            for keyword, pattern in self.match.items()
        )

    def detector_name(self, identity: int) -> str:
        """Return the name of a detector; one that the map does not list is named by its number."""
        return next((one.name for one in self.detectors if one.id == identity), str(identity))

    def band(self, filter_name: str) -> str:
        """Return the band of a filter, ``unknown`` if the map has none: the Butler takes no null."""
        return self.observation.bands.get(filter_name, "unknown")

    def to_json(self) -> dict[str, Any]:
        """Return the map as plain values."""
        return self.model_dump(mode="json", exclude_defaults=True)


def load_instrument_map(path: Path | str) -> InstrumentMap:
    """Read an instrument map from a TOML file.

    Raises
    ------
    UsageError
        If it cannot be read or is none, naming file, place and what is wrong there.
    """
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The instrument map {path} cannot be read: {error}", path=str(path)) from error
    return parse_instrument_map(text, str(path))


def parse_instrument_map(text: str, source: str) -> InstrumentMap:
    """Build an instrument map from TOML text.

    Parameters
    ----------
    text
        The TOML.
    source
        Where it comes from, for errors.

    Raises
    ------
    UsageError
        If it is not a map, naming the place and what is wrong there.
    """
    try:
        return InstrumentMap.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The instrument map {source} is not TOML: {error}", path=source) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
        raise UsageError(
            f"The instrument map {source} is not valid: {faults}. Compare the shipped ones: "
            f"{', '.join(one.name for one in shipped_maps())}.",
            path=source,
        ) from error


def shipped_maps() -> list[InstrumentMap]:
    """Return the maps that come with the package, sorted by name."""
    folder = resources.files(__package__) / "maps"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".toml")]
    maps = [parse_instrument_map(entry.read_text(), entry.name) for entry in found]
    return sorted(maps, key=lambda one: one.name)


def choose_map(header: Mapping[str, Any], maps: Iterable[InstrumentMap]) -> InstrumentMap:
    """Return the map of the instrument that a header is of.

    Raises
    ------
    UsageError
        If no map matches: what the header says, what the maps expect, and how to give one.
    """
    known = list(maps)
    for one in known:
        if one.matches(header):
            return one
    said = ", ".join(f"{key}={header[key]!r}" for key in ("INSTRUME", "TELESCOP", "DETECTOR") if key in header)
    expected = "; ".join(f"{one.name} ({_pattern(one)})" for one in known) or "none"
    raise UsageError(
        f"No instrument map is for this frame ({said or 'it has no INSTRUME'}). Known: {expected}. Describe the "
        "instrument in a TOML file and give it: --instrument-map FILE."
    )


def _pattern(one: InstrumentMap) -> str:
    return ", ".join(f"{keyword}={pattern!r}" for keyword, pattern in one.match.items())
