"""The header map of an instrument: which keyword of a raw frame says what. TOML, one file per instrument.

Maps of some instruments ship with the package (`shipped_maps`); a repository keeps the maps it was made with, and those
that were given to an ingest.
"""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, JsonValue, ValidationError, field_validator

from underbutler.errors import UsageError, suggest

from .frame_rules import Amplifier, Constants, Extensions, FrameRule
from .header_values import filter_name
from .keywords import Keyword, Table
from .translation import translate, translator_of

__all__ = [
    "InstrumentMap",
    "choose_map",
    "clean_name",
    "load_instrument_map",
    "parse_instrument_map",
    "shipped_dialects",
    "shipped_maps",
    "translated_map",
    "translator_map",
]


class Detector(Table):
    """One detector of the instrument."""

    id: int = Field(ge=0)
    """Its number in data IDs, from 0."""
    name: str = Field(min_length=1, max_length=32)
    """Its name."""
    purpose: str = Field("SCIENCE", max_length=32)
    """What it is for."""


class DetectorRule(Table):
    """Where a frame says its detector; without a keyword there is only the first."""

    keyword: Keyword | None = None
    """Keyword of its number or name."""


class ExposureRule(Table):
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


class ObservationRule(Table):
    """What was observed, and how."""

    type: Keyword = "IMAGETYP"
    """Keyword of the kind of frame."""
    types: dict[str, str] = Field(default_factory=dict)
    """Header value, in lower case, to ``bias``, ``dark``, ``flat`` or ``science``."""
    other_types: str | None = None
    """Observation type of values that are not in `types`; without it such a frame is refused."""
    filter: Keyword | None = None
    """Keyword of the filter; without it every frame has the filter ``unknown``."""
    bands: dict[str, str] = Field(default_factory=dict)
    """Filter, as the header writes it, to band; others get ``unknown``."""
    target: Keyword | None = None
    """Keyword of the object's name."""
    ra: Keyword | None = None
    """Keyword of the right ascension: a number is in degrees, text is sexagesimal in hours."""
    dec: Keyword | None = None
    """Keyword of the declination: a number is in degrees, text is sexagesimal in degrees."""
    colour: Keyword = "BAYERPAT"
    """Keyword of the pattern of colour filters over the pixels; a frame that has one is refused."""
    is_mono: bool = False
    """Whether the camera has no colour filters, whatever its driver writes under `colour`."""

    @field_validator("types")
    @classmethod
    def _lower(cls, value: dict[str, str]) -> dict[str, str]:
        return {key.lower(): kind for key, kind in value.items()}


class SetupRule(Table):
    """Keywords of what a master has to share with a frame. A card that a frame lacks is not compared."""

    binning: tuple[Keyword, ...] = Field(("XBINNING", "YBINNING"), max_length=2)
    """Keywords of the binning: of columns and rows, or one that holds both."""
    read_mode: Keyword | None = "READOUTM"
    """Keyword of the read mode."""
    gain: Keyword | None = "GAIN"
    """Keyword of the gain, be it the driver's setting or e-/ADU."""
    offset: Keyword | None = "OFFSET"
    """Keyword of the driver's offset setting."""
    temperature: Keyword | None = "CCD-TEMP"
    """Keyword of the detector's temperature."""
    row_order: Keyword | None = "ROWORDER"
    """Keyword that says whether the first row is the top or the bottom one."""
    temperature_tolerance: float = Field(1.0, ge=0)
    """By how much the temperatures of a frame and of its bias and dark may differ, in the unit of the header."""


class InstrumentMap(Table):
    """One instrument, as its raw frames describe it."""

    name: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    """Name of the instrument in data IDs and collections."""
    description: str = ""
    """What it is, for people."""
    site_offset_hours: float = Field(12.0, ge=-24, le=24)
    """The observing day is the date of the TAI begin minus this."""
    match: dict[Keyword, str] = Field(min_length=1)
    """Keywords and patterns (``*`` and ``?``, case is ignored) that all hold for a frame of this instrument."""
    match_also: tuple[dict[Keyword, str], ...] = ()
    """Other sets of such patterns: it is enough if all of one hold."""
    name_from: Keyword | None = None
    """Keyword that names the instrument, in a map for any camera of one software; `name` is then the software's."""
    translator: str | None = None
    """Translator of astro_metadata_translator that says what is observed, instead of `exposure` and `observation`."""
    detectors: tuple[Detector, ...] = Field((Detector(id=0, name="0"),), min_length=1)
    """The detectors that are known."""
    detector: DetectorRule = DetectorRule()
    """Where a frame says its detector."""
    exposure: ExposureRule = ExposureRule()
    """How an exposure is identified, when it began and how long it took."""
    observation: ObservationRule = ObservationRule()
    """What was observed, and how."""
    frame: FrameRule = FrameRule()
    """Keywords that a reduction needs."""
    setup: SetupRule = SetupRule()
    """Keywords by which masters are chosen."""
    defaults: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """Configuration of tasks for this instrument, by the task's name: ``[defaults.processCcd]``, ``doBias = false``."""
    constants: Constants = Constants()
    """What headers do not say."""
    amplifiers: tuple[Amplifier, ...] = ()
    """Amplifiers of a detector that has several."""
    extensions: Extensions | None = None
    """What the images of a file are that has several."""

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
        return any(self._holds(patterns, header) for patterns in (self.match, *self.match_also))

    def of_frame(self, header: Mapping[str, Any]) -> InstrumentMap:
        """Return the map itself, or, of one for any camera, the map of the camera that a header names.

        Raises
        ------
        UsageError
            If the header does not name it.
        """
        if self.name_from is None:
            return self
        said = "" if header.get(self.name_from) is None else str(header[self.name_from]).strip()
        name = clean_name(said)
        if not name:
            raise UsageError(
                f"The frame is {self.name}'s, and its {self.name_from} does not name the camera. Write it into the "
                "header, or give a map with a name: underbutler instrument new FRAME."
            )
        escaped = re.sub(r"([*?\[])", r"[\1]", said)
        changes = {"name": name, "name_from": None, "match": {self.name_from: escaped}, "match_also": ()}
        return self.model_copy(update=changes | {"description": f"{said}. {self.description}"})

    @staticmethod
    def _holds(patterns: Mapping[str, str], header: Mapping[str, Any]) -> bool:
        return all(
            keyword in header and fnmatch.fnmatchcase(str(header[keyword]).strip().lower(), pattern.lower())
            for keyword, pattern in patterns.items()
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


def clean_name(text: str) -> str:
    """Return a camera's own name as the name of an instrument: other characters become ``_``; empty if none is left."""
    return filter_name(re.sub(r"[^A-Za-z0-9.+-]+", "_", text).strip("_.+-"))


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
        faults = "; ".join(_faults(error))
        raise UsageError(
            f"The instrument map {source} is not valid: {faults}. Compare the shipped ones: "
            f"{', '.join(one.name for one in shipped_maps())}.",
            path=source,
        ) from error


def _faults(error: ValidationError) -> Iterator[str]:
    """Yield each fault: where it is, what that field takes, and what is wrong with what is there."""
    found = [(one["loc"], one["type"], str(one["msg"]).removeprefix("Value error, ")) for one in error.errors()]
    for place, kind, words in found:
        if any(len(other) > len(place) and other[: len(place)] == place for other, _, _ in found):
            continue  # a table is at fault only because of what is in it
        where = ".".join(str(part) for part in place)
        if kind == "extra_forbidden":
            known = sorted(_table_at(place[:-1]).model_fields)
            yield f"{where}: there is no such field.{suggest(str(place[-1]), known)} Known there: {', '.join(known)}"
        elif kind in ("float_type", "float_parsing") and place[0] in ("constants", "amplifiers"):
            yield f"{where}: takes a value, as a number. The header keyword that holds it goes under [frame]"
        else:
            yield f"{where}: {words[:1].lower()}{words[1:]}"


def _table_at(place: tuple[int | str, ...]) -> type[Table]:
    """Return the model of the table that a place leads to."""
    table: type[Table] = InstrumentMap
    for part in place:
        if isinstance(part, str) and part in table.model_fields:
            parts = _flat(table.model_fields[part].annotation)
            table = next((one for one in parts if isinstance(one, type) and issubclass(one, Table)), table)
    return table


def _flat(annotation: Any) -> list[Any]:
    """Return an annotation and all that it is made of."""
    return [annotation, *(inner for one in get_args(annotation) for inner in _flat(one))]


def shipped_maps() -> list[InstrumentMap]:
    """Return the maps of instruments that come with the package, sorted by name."""
    return _shipped("maps")


def shipped_dialects() -> list[InstrumentMap]:
    """Return the maps for any camera of one software that come with the package, sorted by name."""
    return _shipped("dialects")


def _shipped(folder: str) -> list[InstrumentMap]:
    found = [entry for entry in (resources.files(__package__) / folder).iterdir() if entry.name.endswith(".toml")]
    maps = [parse_instrument_map(entry.read_text(encoding="utf-8"), entry.name) for entry in found]
    return sorted(maps, key=lambda one: one.name)


def choose_map(header: Mapping[str, Any], maps: Iterable[InstrumentMap]) -> InstrumentMap:
    """Return the map of the instrument that a header is of.

    A map for any camera of one software is returned as that of the camera, unless a map of that name is among `maps`.

    Raises
    ------
    UsageError
        If no map matches: what the header says, what the maps expect, and how to give one.
    """
    known = list(maps)
    for one in known:
        if one.matches(header):
            found = one.of_frame(header)
            given = [other for other in known if other.name == found.name and other.name_from is None]
            return given[0] if given else found
    translated = translated_map(header)
    if translated is not None:
        return translated
    said = ", ".join(f"{key}={header[key]!r}" for key in ("INSTRUME", "TELESCOP", "DETECTOR") if key in header)
    expected = "; ".join(f"{one.name} ({_pattern(one)})" for one in known) or "none"
    raise UsageError(
        f"No instrument map is for this frame ({said or 'it has no INSTRUME'}). Known: {expected}. Draft one with "
        "`underbutler instrument new FRAME`, and give it: --instrument-map FILE."
    )


def translated_map(header: Mapping[str, Any]) -> InstrumentMap | None:
    """Return a map for a camera that only a translator knows, None if none does.

    It says what is observed, and of which detector each image of a file is. Gain, read noise and sections are read from
    the usual keywords.
    """
    translator = translator_of(header)
    if translator is None:
        return None
    seen = translate(header, translator)
    match = {"INSTRUME": str(header["INSTRUME"]).strip()} if "INSTRUME" in header else {"TELESCOP": "*"}
    return InstrumentMap(
        name=clean_name(seen.instrument),
        description=f"{seen.instrument}, as its translator reads it",
        match=match,
        translator=translator,
        detectors=(Detector(id=seen.detector, name=str(seen.detector)),),
        extensions=Extensions(),
    )


def translator_map(translator: str) -> InstrumentMap:
    """Return a map for the frames of a camera that a translator knows, whichever its detectors are."""
    return InstrumentMap(name=translator, match={"INSTRUME": "*"}, translator=translator, extensions=Extensions())


def _pattern(one: InstrumentMap) -> str:
    return ", ".join(f"{keyword}={pattern!r}" for keyword, pattern in one.match.items())
