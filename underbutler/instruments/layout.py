"""The layout of a raw frame, read from its headers through the instrument's map and a task's configuration.

Everything that is missing or does not fit is found in one go. For each value the order is: the configuration, the
keyword that the map names, the map's constant; a map that says neither leaves it to the usual keyword.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from .frame_rules import NO_SECTION, Amplifier, Constants, FrameRule, is_named
from .header_values import is_driver_setting, keyword_of_seconds, number_of, value_of
from .instrument_map import InstrumentMap
from .placement import Placed, assembled, window_of
from .readout import (
    AmplifierReadout,
    FramePart,
    IncompleteReadoutError,
    Overscan,
    Readout,
    ReadoutFault,
    ReadoutOverrides,
)
from .sections import Box, Section, parse_section

__all__ = ["USUAL_KEYWORDS", "readout_faults", "readout_of"]

USUAL_KEYWORDS = {
    "gain": "GAIN",
    "read_noise": "RDNOISE",
    "overscan": "BIASSEC",
    "trim": "TRIMSEC",
    "saturation": "SATURATE",
    "place": "DETSEC",
    "seconds": "EXPTIME",
}
"""Keywords of a frame whose map, or whose missing map, names no other."""

ELECTRONIC_GAIN = "EGAIN"

SIXTEEN_BITS_FULL = 65535.0

MOST_LIGHT = 0.5
"""An overscan that is more than this part of the light is called so."""

_MEANINGS = {
    "gain": ("gain in e-/ADU", "isr.gain=…"),
    "read_noise": ("read noise in e-", "isr.readNoise=…"),
    "overscan": ("overscan region", "doOverscan=false"),
    "trim": ("light-sensitive region", "isr.doTrim=false"),
    "saturation": ("saturation in ADU", "isr.saturation=…"),
    "place": ("section of the detector", ""),
    "seconds": ("exposure time in s", "isr.exposureTime=…"),
}


def readout_of(
    parts: Sequence[FramePart],
    instrument: InstrumentMap | None = None,
    detector: int | None = None,
    overrides: ReadoutOverrides | None = None,
) -> Readout:
    """Return how a detector was read out.

    Parameters
    ----------
    parts
        The images of the detector, as `underbutler.instruments.extensions.parts_of_detector` gives them.
    instrument
        The map; None leaves everything to the usual keywords.
    detector
        Detector, for amplifiers that are one detector's.
    overrides
        What a task's configuration says.

    Raises
    ------
    IncompleteReadoutError
        If something is missing or does not fit: everything is named at once.
    """
    readout, faults = _read(parts, instrument, detector, overrides or ReadoutOverrides())
    if readout is None:
        raise IncompleteReadoutError(faults)
    return readout


def readout_faults(
    parts: Sequence[FramePart],
    instrument: InstrumentMap | None = None,
    detector: int | None = None,
    overrides: ReadoutOverrides | None = None,
) -> list[ReadoutFault]:
    """Return everything that is missing or does not fit, for which `readout_of` would refuse; empty if nothing is."""
    return _read(parts, instrument, detector, overrides or ReadoutOverrides())[1]


def _read(
    parts: Sequence[FramePart], instrument: InstrumentMap | None, detector: int | None, overrides: ReadoutOverrides
) -> tuple[Readout | None, list[ReadoutFault]]:
    faults: list[ReadoutFault] = []
    pairs = list(_amplifiers(parts, instrument, detector))
    placed: list[Placed] = []
    keywords: dict[str, str] = {}
    for part, rule in pairs:
        values = _Values(part, rule, instrument, overrides, faults, words=_words(part, rule, len(pairs)))
        one = _amplifier(values, several=len(pairs) > 1)
        keywords = values.keywords | keywords
        if one is not None:
            placed.append(one)
    first = _Values(parts[0], None, instrument, overrides, [])
    seconds = first.number("seconds", positive=False)
    keywords |= first.keywords
    constants = Constants() if instrument is None else instrument.constants
    if faults:
        return None, list({str(fault): fault for fault in faults}.values())
    amplifiers, shape, window, problems = assembled(placed)
    if problems:
        return None, [_placing(problem, keywords.get("place", "DETSEC")) for problem in problems]
    if window is None:
        window = window_of(parts[0].header, None if instrument is None else instrument.frame.place, shape)
    return (
        Readout(
            amplifiers=amplifiers,
            shape=shape,
            window=window,
            seconds=seconds,
            seconds_fault=first.faults[0] if first.faults else None,
            keywords=keywords,
            pixel_scale=constants.pixel_scale,
            rotation=constants.rotation,
            mirrored=constants.mirrored,
        ),
        [],
    )


def _amplifiers(
    parts: Sequence[FramePart], instrument: InstrumentMap | None, detector: int | None
) -> Iterator[tuple[FramePart, Amplifier | None]]:
    """Yield each amplifier: the image that holds it and what the map says of it."""
    rules = () if instrument is None else instrument.amplifiers
    own = [one for one in rules if one.detector is None or detector is None or one.detector == detector]
    for part in parts:
        here: list[Amplifier | None] = [
            one for one in own if one.extension is None or is_named(one.extension, part.number, part.name)
        ]
        yield from ((part, rule) for rule in here or [None])


def _words(part: FramePart, rule: Amplifier | None, number: int) -> str:
    if number == 1:
        return "The raw frame's header"
    return f"The header of amplifier {rule.name if rule is not None else part.name or part.number}"


def _amplifier(values: _Values, *, several: bool) -> Placed | None:
    """Return one amplifier, not yet placed; None if something of it is missing."""
    gain, noise = values.number("gain"), values.number("read_noise", positive=False)
    saturation = values.number("saturation", fallback=SIXTEEN_BITS_FULL)
    whole = Box(0, values.part.shape[0], 0, values.part.shape[1])
    overrides = values.overrides
    strip = values.section("overscan") if overrides.do_overscan else None
    trims = overrides.do_trim or several
    bare = values.constant("overscan") == NO_SECTION and overrides.trim is None and not values.says("trim")
    light = values.section("trim") if trims and not bare else Section(whole)
    place = values.place(needed=several)
    if strip is not None and light is not None:
        values.refuse_light(strip, light, whole)
    if gain is None or noise is None or saturation is None or light is None:
        return None
    overscan = None if strip is None else Overscan(box=strip.box, of_rows=_is_beside(strip.box, light.box, whole))
    rule = values.rule
    amplifier = AmplifierReadout(
        name=rule.name if rule is not None else values.part.name,
        part=values.part.number,
        data=light.box,
        overscan=overscan,
        place=Box(0, light.box.shape[0], 0, light.box.shape[1]),
        gain=gain,
        read_noise=noise,
        saturation=saturation,
        pedestal=values.pedestal(),
    )
    return Placed(amplifier=amplifier, place=place)


def _is_beside(strip: Box, light: Box, whole: Box) -> bool:
    """Tell whether a strip gives a level to each row: it lies beside the light, and not above or below.

    Where the sections do not tell (the strip lies in the light, or in its corner), it is read along its longer side.
    """
    beside = strip.x1 <= light.x0 or light.x1 <= strip.x0
    above = strip.y1 <= light.y0 or light.y1 <= strip.y0
    if beside != above:
        return beside
    rows, columns = strip.shape
    of_rows, of_columns = rows / whole.shape[0], columns / whole.shape[1]
    return rows >= columns if of_rows == of_columns else of_rows > of_columns


def _placing(problem: str, keyword: str) -> ReadoutFault:
    return ReadoutFault(
        keyword=keyword,
        meaning=_MEANINGS["place"][0],
        problem=problem,
        override="",
        cure=f"Correct {keyword}, or give each amplifier's place in the map: [[amplifiers]] constants.place.",
    )


class _Values:
    """What one amplifier's header, map and configuration say, and which faults that has."""

    def __init__(
        self,
        part: FramePart,
        rule: Amplifier | None,
        instrument: InstrumentMap | None,
        overrides: ReadoutOverrides,
        faults: list[ReadoutFault],
        words: str = "The raw frame's header",
    ) -> None:
        self.part = part
        self.rule = rule
        self.instrument = instrument
        self.overrides = overrides
        self.faults = faults
        self.words = words
        self.keywords: dict[str, str] = {}

    def constant(self, name: str) -> Any:
        """Return what the map says for good."""
        tables = [] if self.rule is None else [self.rule.constants]
        tables += [] if self.instrument is None else [self.instrument.constants]
        return next((value for value in (getattr(one, name, None) for one in tables) if value is not None), None)

    def keyword(self, name: str) -> str | None:
        """Return the keyword that says a value; None if the map has a constant and names none."""
        if name in self.overrides.keywords:
            return self.overrides.keywords[name]
        if name == "seconds":
            usual = USUAL_KEYWORDS[name] if self.instrument is None else self.instrument.exposure.seconds
            return keyword_of_seconds(self.part.header, usual)
        named = self._named(name)
        if named is None and self.constant(name) is None:
            # Where software writes both, GAIN is the driver's setting, and EGAIN is in e-/ADU.
            is_electronic = name == "gain" and value_of(self.part.header, ELECTRONIC_GAIN) is not None
            return ELECTRONIC_GAIN if is_electronic else USUAL_KEYWORDS[name]
        return named

    def _named(self, name: str) -> str | None:
        """Return the keyword that the map names."""
        rules = [] if self.rule is None else [self.rule.frame]
        rules += [FrameRule()] if self.instrument is None else [self.instrument.frame]
        return next((word for word in (getattr(one, name) for one in rules) if word is not None), None)

    def says(self, name: str) -> bool:
        """Tell whether the header or the map says a value."""
        return self._said(name) is not None

    def number(self, name: str, *, positive: bool = True, fallback: float | None = None) -> float | None:
        """Return a number; None, and a fault, if it is missing or none."""
        given = getattr(self.overrides, name)
        if given is not None:
            return float(given)
        said = self._said(name)
        if said is None:
            if fallback is None:
                self._missing(name)
            return fallback
        value = number_of(said)
        if not math.isfinite(value) or (positive and value <= 0) or value < 0:
            self._fault(
                name,
                f"says {self.keyword(name)}={said!r} ({_MEANINGS[name][0]}), which is not a "
                f"{'positive number' if positive else 'number of 0 or more'}",
            )
            return None
        if name == "gain" and self._is_anyones_gain() and is_driver_setting(value):
            self._fault(
                name,
                f"says {self.keyword(name)}={said!r}, which looks like the driver's setting and not like e-/ADU; if it "
                'is the gain in e-/ADU, the map has to say so ([frame] gain = "GAIN")',
            )
            return None
        return value

    def _is_anyones_gain(self) -> bool:
        """Tell whether the gain comes from the usual GAIN, which nobody has named."""
        is_named = self._named("gain") is not None or "gain" in self.overrides.keywords
        return not is_named and self.keywords.get("gain") == USUAL_KEYWORDS["gain"]

    def pedestal(self) -> float:
        """Return what is added to every pixel in ADU; 0 where no number says it."""
        rules = [] if self.rule is None else [self.rule.frame]
        rules += [] if self.instrument is None else [self.instrument.frame]
        said = [number_of(value_of(self.part.header, one.pedestal)) for one in rules if one.pedestal is not None]
        return next((value for value in said if math.isfinite(value)), 0.0)

    def section(self, name: str) -> Section | None:
        """Return a section inside of the image; None if there is none, with a fault if there should be one."""
        given = getattr(self.overrides, name)
        said = self._said(name) if given is None else given
        if said is None:
            self._missing(name)
            return None
        if str(said).strip().lower() == NO_SECTION:
            return Section(Box(0, self.part.shape[0], 0, self.part.shape[1])) if name == "trim" else None
        section = parse_section(str(said), self.part.shape)
        source = f"{self.keyword(name) or name}={str(said).strip()}"
        if section is None:
            self._fault(
                name, f"says {source} ({_MEANINGS[name][0]}), which is not a FITS section such as [1:1024,1:1024]"
            )
        elif not Box(0, self.part.shape[0], 0, self.part.shape[1]).holds(section.box):
            ny, nx = self.part.shape
            self._fault(name, f"says {source}, which reaches out of the raw frame of {nx} columns and {ny} rows")
            return None
        return section

    def refuse_light(self, strip: Section, light: Section, whole: Box) -> None:
        """Note that an overscan holds pixels of the light, for stars are not a bias level.

        Of an image that is not trimmed the overscan is a part: only one that is most of it is refused.
        """
        is_most = strip.box.covers(light.box) > MOST_LIGHT
        if is_most or (light.box != whole and strip.box.overlaps(light.box)):
            how = "which is most of the light" if is_most else "which reaches into the light"
            self._fault("overscan", f"says {self.keyword('overscan')}={strip}, {how}, {light}")

    def place(self, *, needed: bool) -> Section | None:
        """Return the section of the detector that the amplifier reads."""
        said = self._said("place")
        section = None if said is None else parse_section(str(said))
        if section is None and needed:
            if said is None:
                self._missing("place")
            else:
                self._fault("place", f"says {self.keyword('place')}={said!r}, which is not a FITS section")
        return section

    def _said(self, name: str) -> Any:
        keyword = self.keyword(name)
        value = value_of(self.part.header, keyword)
        if value is not None and keyword is not None:
            self.keywords[name] = keyword
            return value
        return self.constant(name)

    def _missing(self, name: str) -> None:
        self._fault(name, f"has no {self.keyword(name) or name} ({_MEANINGS[name][0]})")

    def _fault(self, name: str, problem: str) -> None:
        meaning, override = _MEANINGS[name]
        setting = {"overscan": "isr.overscanSection=…", "trim": "isr.trimSection=…"}.get(name, override)
        without = f", or do without: -c {override}" if setting != override else ""
        field = f"[constants] {name}" if name != "seconds" else "[exposure] seconds"
        give = f"Correct it, say it in the instrument's map ({field}), or give it with -c {setting}{without}."
        if not setting:
            give = "Correct it, or say it in the instrument's map: [[amplifiers]] constants.place."
        self.faults.append(
            ReadoutFault(
                keyword=self.keyword(name) or name,
                meaning=meaning,
                problem=f"{self.words} {problem}",
                override=override,
                cure=give,
            )
        )
