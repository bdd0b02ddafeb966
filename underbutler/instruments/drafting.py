"""A first map of a camera, drafted from headers of its frames: what was found, guessed, and is to be answered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from underbutler.errors import UsageError

from .draft_words import BANDS, CANDIDATES, KINDS, POSITIONS
from .extensions import detector_of
from .header_values import angle_deg, is_driver_setting, number_of, text_of, value_of
from .instrument_map import InstrumentMap, clean_name
from .readout import FramePart

__all__ = ["Draft", "draft_map"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A drafted map.

    Parameters
    ----------
    name
        Name of the instrument.
    text
        The map, as TOML. A guess has the comment ``guessed``; what is not known is a line ``# ? ``.
    questions
        What is to be answered in it.
    """

    name: str
    text: str
    questions: tuple[str, ...]


def draft_map(frames: Sequence[Sequence[FramePart]], base: InstrumentMap | None = None) -> Draft:
    """Draft a map of one camera.

    Parameters
    ----------
    frames
        The images of each file; the more kinds of frames, the less has to be asked.
    base
        Map for any camera of the software that wrote them, whose keywords are taken where a frame has them; or the map
        of a camera that a translator knows, which then says what is observed.

    Raises
    ------
    UsageError
        If there is no frame, or they are of several cameras.
    """
    return _Drafting([parts for parts in frames if parts], base).draft()


@dataclass(slots=True)
class _Drafting:
    """Headers on their way to a map."""

    frames: list[Sequence[FramePart]]
    base: InstrumentMap | None
    questions: list[str] = field(default_factory=list)

    def draft(self) -> Draft:
        """Return the draft."""
        if not self.frames:
            raise UsageError("None of the files holds a two-dimensional image: name frames of the camera.")
        camera, keyword = self._camera()
        translator = None if self.base is None else self.base.translator
        known = None if self.base is None or translator is None else self.base.name
        name = known or clean_name(camera) or "CAMERA"
        lines = [
            f"# Drafted from {len(self.frames)} frame(s). Check what is guessed, answer what begins with '# ?', then:",
            f"#   underbutler instrument check {name}.toml FRAME...",
            f"name = {_quoted(name)}",
            f"description = {_quoted(camera)}",
            *self._offset(),
            *([] if translator is None else self._translated(translator)),
            "",
            "[match]",
            f"{_key(keyword)} = {_quoted(camera)}",
            "",
            *(self._known_detectors() if translator is not None else self._detectors()),
            *([] if translator is not None else [*self._exposure(), *self._observation()]),
            *self._frame(),
            *self._setup(),
            *self._defaults(),
        ]
        return Draft(name=name, text="\n".join(lines).rstrip() + "\n", questions=tuple(self.questions))

    def _camera(self) -> tuple[str, str]:
        keyword = next((word for word in CANDIDATES["camera"] if self._has(word)), None)
        if keyword is None:
            raise UsageError(
                f"The headers do not name the camera: none of {', '.join(CANDIDATES['camera'])}. Write one of them "
                "into the frames, or copy a shipped map and match another keyword: underbutler instrument show SIMCAM."
            )
        names = sorted({text_of(parts[0].header, keyword) for parts in self.frames})
        if len(names) > 1:
            raise UsageError(
                f"The frames are of several cameras: {keyword} says {', '.join(names)}. Draft one at a time."
            )
        return names[0], keyword

    def _offset(self) -> Iterator[str]:
        for word in ("SITELONG", "LONG-OBS", "OBSGEO-L", "LONGITUD", "GEOLON"):
            longitude = angle_deg(self._value(word), hours=False, largest=360.0)
            if longitude is not None:
                east = longitude - 360 if longitude > 180 else longitude
                yield f"site_offset_hours = {round(12 - east / 15):.1f}    # guessed: noon at {word} {east:.1f}"
                return
        self._ask("site_offset_hours", "the UTC hour of noon at the site: 12 - longitude east of Greenwich / 15")
        yield "site_offset_hours = 12.0    # ? UTC hour of noon at the site: 12 at Greenwich, 18 or 19 in America"

    def _translated(self, translator: str) -> Iterator[str]:
        yield f"translator = {_quoted(translator)}    # says exposure, detector, begin, time, kind, filter and position"

    def _known_detectors(self) -> Iterator[str]:
        """Yield those detectors of the frames that the translator tells."""
        assert self.base is not None
        found = sorted({detector_of(part.header, self.base, part.name) for parts in self.frames for part in parts})
        for one in found:
            yield from ["[[detectors]]", f"id = {one}", f'name = "{one}"', ""]
        if max(len(parts) for parts in self.frames) > 1:
            yield from ["[extensions]    # the translator says of which detector each image is", 'images = ["*"]', ""]

    def _detectors(self) -> Iterator[str]:
        keyword = next((word for word in CANDIDATES["detector"] if len(self._values(word)) > 1), None)
        if keyword is None:
            yield from ["[[detectors]]", "id = 0", 'name = "0"', ""]
        else:
            yield from ["[detector]", f"keyword = {_quoted(keyword)}    # guessed: it differs between the frames", ""]
        images = max(len(parts) for parts in self.frames)
        if images > 1:
            self._ask("extensions", f"a file has {images} images: are they amplifiers or detectors of one exposure?")
            yield from ["[extensions]    # ? which images count, and of which detector they are", 'images = ["*"]', ""]

    def _exposure(self) -> Iterator[str]:
        yield "[exposure]"
        counter = next((word for word in CANDIDATES["counter"] if self._is_counter(word)), None)
        if counter is not None:
            yield f"id = {_quoted(counter)}    # guessed: a whole number, another one in each exposure"
        else:
            yield "# no counter in the header: the exposure id is the UTC begin, yyyymmddHHMMSS"
        date = self._named("date") or "DATE-OBS"
        if not self._has(date):
            self._ask("exposure.date", "which keyword says the UTC begin of an exposure?")
        yield f"date = {_quoted(date)}"
        said = self._value(date)
        if isinstance(said, str) and len(said.strip()) <= len("yyyy-mm-dd"):
            time = next((word for word in CANDIDATES["time"] if self._has(word)), None)
            if time is None:
                self._ask("exposure.time", f"{date} is only a date: which keyword says the UTC time of day?")
            else:
                yield f"time = {_quoted(time)}    # guessed: {date} is only a date"
        if self._has("DATE-LOC"):
            yield "# DATE-LOC is the local time, and is not read"
        seconds = self._named("seconds")
        if seconds is None:
            self._ask("exposure.seconds", "which keyword says the exposure time in seconds?")
        yield from [f"seconds = {_quoted(seconds or 'EXPTIME')}", ""]

    def _observation(self) -> Iterator[str]:
        yield "[observation]"
        kind = self._named("kind")
        if kind is None:
            self._ask("observation.type", "which keyword says whether a frame is a bias, dark, flat or of the sky?")
        yield f"type = {_quoted(kind or 'IMAGETYP')}"
        physical_filter = self._named("filter")
        yield from [] if physical_filter is None else [f"filter = {_quoted(physical_filter)}"]
        yield from [f'target = "{word}"' for word in ("OBJECT", "TARGNAME") if self._has(word)][:1]
        for ra, dec in POSITIONS:
            if self._is_position(ra, dec):
                yield from [f"ra = {_quoted(ra)}", f"dec = {_quoted(dec)}"]
                break
        yield from ['other_types = "unknown"', "", "[observation.types]"]
        said = [value.lower() for value in self._texts(kind)] if kind else []
        yield from self._types(said)
        yield ""
        if physical_filter is not None:
            yield from self._bands(physical_filter)

    def _types(self, said: Iterable[str]) -> Iterator[str]:
        for value in dict.fromkeys([*said, *(KINDS if self.base is None else self.base.observation.types)]):
            if value in KINDS:
                yield f"{_quoted(value)} = {_quoted(KINDS[value])}"
            elif value:
                self._ask("observation.types", f"what is a frame of the kind {value!r}: bias, dark, flat or science?")
                yield f'# ? {_quoted(value)} = "science"'

    def _bands(self, keyword: str) -> Iterator[str]:
        yield "[observation.bands]"
        for value in self._texts(keyword):
            if value in BANDS:
                yield f"{_quoted(value)} = {_quoted(BANDS[value])}    # guessed"
            elif value:
                self._ask("observation.bands", f"which band is the filter {value!r}? (without an answer: unknown)")
                yield f'# ? {_quoted(value)} = "r"'
        yield ""

    def _frame(self) -> Iterator[str]:
        yield "[frame]"
        constants: list[str] = []
        for name, meaning in (("gain", "gain in e-/ADU"), ("read_noise", "read noise in e-")):
            keyword = self._gain() if name == "gain" else self._named(name)
            if keyword is not None:
                yield f"{name} = {_quoted(keyword)}"
            else:
                self._ask(f"constants.{name}", f"the {meaning} (two flats and two biases tell: instrument measure)")
                constants.append(f"# ? {name} = 1.0    # {meaning}; `underbutler instrument measure` finds it")
        for name, meaning in (("overscan", "overscan region"), ("trim", "light-sensitive region")):
            keyword = self._named(name)
            if keyword is not None:
                yield f"{name} = {_quoted(keyword)}"
            else:
                constants.append(f'{name} = "none"    # guessed: no keyword names the {meaning}')
        saturation = self._named("saturation")
        if saturation is not None:
            yield f"saturation = {_quoted(saturation)}    # guessed: in ADU"
        else:
            constants.append("# saturation = 65535.0    # ADU, at and over which a pixel is saturated")
        if self._has("PEDESTAL"):
            yield 'pedestal = "PEDESTAL"'
        yield from ["", "[constants]", *constants, ""]

    def _gain(self) -> str | None:
        """Return the keyword of the gain in e-/ADU; a GAIN that looks like a driver's setting is asked about."""
        if self._has("EGAIN"):
            return "EGAIN"
        keyword = self._named("gain")
        if keyword != "GAIN":
            return keyword
        values = [number_of(value) for value in self._values("GAIN")]
        from_driver = self.base is not None and self.base.translator is None
        if from_driver or any(is_driver_setting(value) for value in values):
            self._ask("frame.gain", f"GAIN = {values[0]:g} looks like the driver's setting, not e-/ADU")
            return None
        return "GAIN"

    def _setup(self) -> Iterator[str]:
        yield "[setup]    # by these a master is chosen"
        if self._has("XBINNING"):
            yield 'binning = ["XBINNING", "YBINNING"]'
        elif self._has("CCDSUM"):
            yield 'binning = ["CCDSUM"]'
        offset = next((word for word in ("OFFSET", "BLKLEVEL", "BRIGHTNS") if self._has(word)), None)
        yield from [] if offset is None else [f"offset = {_quoted(offset)}"]
        temperature = self._named("temperature")
        if temperature is not None:
            guess = "    # guessed: of the detector, not of the air" if temperature == "TEMPERAT" else ""
            yield from [f"temperature = {_quoted(temperature)}{guess}", "temperature_tolerance = 1.0"]
        yield ""

    def _defaults(self) -> Iterator[str]:
        """Yield what processCcd does without masters: only if no frame that could become one was named."""
        keyword = self._named("kind")
        kinds = {KINDS.get(value.lower(), "") for value in self._texts(keyword)} if keyword else set()
        lacking = [name for name in ("bias", "flat") if name not in kinds]
        if lacking:
            words = " and ".join(lacking)
            self._ask("defaults", f"are there {words} frames? If not, take the comment signs off [defaults.processCcd]")
            yield f"# ? no {words} frame was named: without any, processCcd has to do without"
            yield from ["# [defaults.processCcd]", *(f"# do{name.capitalize()} = false" for name in lacking)]

    def _ask(self, place: str, words: str) -> None:
        self.questions.append(f"{place}: {words}")

    def _named(self, what: str) -> str | None:
        return next((word for word in self._own_words(what) if self._has(word)), None)

    def _own_words(self, what: str) -> list[str]:
        """Return the candidates for a keyword, that of the base first."""
        if self.base is None or self.base.translator is not None:
            return list(CANDIDATES[what])
        rules = {"kind": self.base.observation.type, "filter": self.base.observation.filter}
        rules |= {"date": self.base.exposure.date, "seconds": self.base.exposure.seconds}
        first = rules.get(what)
        return [*([first] if first else []), *CANDIDATES[what]]

    def _has(self, keyword: str) -> bool:
        return self._value(keyword) is not None

    def _value(self, keyword: str) -> Any:
        return next(iter(self._values(keyword)), None)

    def _values(self, keyword: str) -> list[Any]:
        found = [value_of(part.header, keyword) for parts in self.frames for part in parts]
        return list(dict.fromkeys(value for value in found if value is not None))

    def _texts(self, keyword: str) -> list[str]:
        return sorted({" ".join(str(value).split()) for value in self._values(keyword)})

    def _is_counter(self, keyword: str) -> bool:
        values = self._values(keyword)
        whole = all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in values)
        return bool(values) and whole and len(values) == len(self.frames) and len(self.frames) > 1

    def _is_position(self, ra: str, dec: str) -> bool:
        here = angle_deg(self._value(ra), hours=True), angle_deg(self._value(dec), hours=False, largest=90.0)
        return None not in here


_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def _key(keyword: str) -> str:
    return keyword if _BARE.fullmatch(keyword) else _quoted(keyword)


def _quoted(text: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
