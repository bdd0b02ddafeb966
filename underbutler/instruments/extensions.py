"""Which images of a raw file are which detector's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from underbutler.errors import UsageError

from .frame_rules import is_named
from .header_values import value_of
from .instrument_map import InstrumentMap
from .readout import FramePart
from .translation import translate

__all__ = ["detector_of", "parts_by_detector", "parts_of_detector"]


def detector_of(header: Mapping[str, Any], instrument: InstrumentMap, extension: str = "") -> int:
    """Return the detector that a header is of.

    Parameters
    ----------
    header
        Header of one image, over the primary one.
    instrument
        The map.
    extension
        EXTNAME of the image.

    Raises
    ------
    UsageError
        If the keyword's value is not a detector.
    """
    if instrument.extensions is not None and extension in instrument.extensions.detectors:
        return instrument.extensions.detectors[extension]
    keyword = instrument.detector.keyword
    if keyword is None and instrument.translator is not None:
        return translate(header, instrument.translator, extension).detector
    if keyword is None:
        return instrument.detectors[0].id
    value = value_of(header, keyword)
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


def parts_by_detector(parts: Sequence[FramePart], instrument: InstrumentMap) -> dict[int, tuple[FramePart, ...]]:
    """Return the images of a file by the detector that they are of.

    Raises
    ------
    UsageError
        If the file has several images and the map does not say what they are, or none that the map names: the text
        lists them.
    """
    found: dict[int, list[FramePart]] = {}
    for part in _counted(parts, instrument):
        found.setdefault(detector_of(part.header, instrument, part.name), []).append(part)
    return {detector: tuple(members) for detector, members in sorted(found.items())}


def parts_of_detector(
    parts: Sequence[FramePart], instrument: InstrumentMap | None, detector: int | None
) -> tuple[FramePart, ...]:
    """Return the images of one detector; without a map or a detector, all that there are.

    Raises
    ------
    UsageError
        If there is none.
    """
    if instrument is None or detector is None or len(parts) == 1:
        return tuple(parts)
    found = parts_by_detector(parts, instrument)
    if detector not in found:
        raise UsageError(
            f"The file has no image of detector {detector} of {instrument.name}: it has {_listed(parts)}, which are of "
            f"detector {', '.join(str(one) for one in found)}. Correct [extensions] of the map."
        )
    return found[detector]


def _counted(parts: Sequence[FramePart], instrument: InstrumentMap) -> list[FramePart]:
    rule, named = instrument.extensions, [one.extension for one in instrument.amplifiers if one.extension is not None]
    if rule is None and not named:
        if len(parts) == 1:
            return list(parts)
        raise UsageError(
            f"The file has {len(parts)} images, and the map of {instrument.name} does not say what they are: "
            f"{_listed(parts)}. If they are amplifiers or detectors of one exposure, say [extensions] in the map "
            '(images = ["*"], or the EXTNAMEs or numbers of those that count), and give it: --instrument-map FILE.',
            extensions=[str(part) for part in parts],
        )
    patterns = list(rule.images) if rule is not None else named
    counted = [part for part in parts if any(is_named(one, part.number, part.name) for one in patterns)]
    if not counted:
        raise UsageError(
            f"The file has no image that the map of {instrument.name} names ({', '.join(map(str, patterns))}): it has "
            f"{_listed(parts)}. Correct [extensions] or [[amplifiers]] of the map, and give it: --instrument-map FILE.",
            extensions=[str(part) for part in parts],
        )
    return counted


def _listed(parts: Sequence[FramePart]) -> str:
    return ", ".join(str(part) for part in parts)
