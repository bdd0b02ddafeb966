"""Whether two raw files are the same frame: by what they say of themselves, and by pixels and keywords."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from underbutler.butlers.raw_frames import RawFrame
from underbutler.instruments.frame_rules import FrameRule
from underbutler.instruments.header_values import value_of
from underbutler.instruments.instrument_map import InstrumentMap
from underbutler.instruments.layout import USUAL_KEYWORDS

__all__ = ["OwnIdentity", "frame_differences", "own_identity"]

OWN_KEYWORDS = ("OBSID", "OBS_ID", "OBS-ID", "FRAMENO", "FRAMENUM", "FILENUM", "EXPNUM", "SEQNUM", "IMAGENUM")
"""Keywords by which a camera tells one of its frames from another."""

_LONGEST_LIST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnIdentity:
    """What a file says of which frame it is.

    Parameters
    ----------
    cards
        Values of `OWN_KEYWORDS` that its header has.
    numbers
        Numbers in its name.
    """

    cards: Mapping[str, str]
    numbers: tuple[int, ...]

    def differs_from(self, other: OwnIdentity) -> bool:
        """Tell whether both say which frame they are, and not the same.

        A copy's name may have a number more (``frame_0012 (2)``): that is not another frame.
        """
        common = self.cards.keys() & other.cards.keys()
        if common:
            return any(self.cards[key] != other.cards[key] for key in common)
        shorter = min(len(self.numbers), len(other.numbers))
        return shorter > 0 and self.numbers[:shorter] != other.numbers[:shorter]


def own_identity(header: Mapping[str, Any], stem: str) -> OwnIdentity:
    """Return what a file says of which frame it is.

    Parameters
    ----------
    header
        Its header; empty, if it is not known.
    stem
        Its name without folder and extension.
    """
    values = {keyword: value_of(header, keyword) for keyword in OWN_KEYWORDS}
    return OwnIdentity(
        cards={keyword: str(value).strip() for keyword, value in values.items() if value is not None},
        numbers=tuple(int(digits) for digits in re.findall(r"\d+", stem)),
    )


def frame_differences(old: RawFrame, new: RawFrame, instrument: InstrumentMap) -> list[str]:
    """Return what differs in the images of two frames of one detector: pixels, and the keywords that the map reads."""
    if len(old.parts) != len(new.parts):
        return [f"{len(old.parts)} images, now {len(new.parts)}"]
    found = []
    for number, (before, after) in enumerate(zip(old.parts, new.parts, strict=True)):
        where = f" of image {after.name or after.number}" if len(new.parts) > 1 else ""
        if before.shape != after.shape:
            found.append(f"shape{where} {before.shape}, now {after.shape}")
        else:
            count = _unlike(old.pixels[number], new.pixels[number])
            found += [f"{count} of {old.pixels[number].size} pixels{where}"] if count else []
        for keyword in _keywords(instrument):
            was, is_now = value_of(before.header, keyword), value_of(after.header, keyword)
            if not _alike(was, is_now):
                found.append(f"{keyword}{where} {was!r}, now {is_now!r}")
    return _shortened(found)


def _unlike(one: Any, other: Any) -> int:
    return int(np.count_nonzero((one != other) & ~(np.isnan(one) & np.isnan(other))))


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    return bool(one == other)


def _keywords(instrument: InstrumentMap) -> list[str]:
    """Return the keywords that the map reads of an image, and the usual ones that it leaves to the frames."""
    rules: list[FrameRule] = [instrument.frame, *(one.frame for one in instrument.amplifiers)]
    named = [word for rule in rules for word in _named(rule)]
    observed = [*_texts(instrument.exposure), *_texts(instrument.observation)]
    return list(
        dict.fromkeys([*named, *(word for name, word in USUAL_KEYWORDS.items() if name != "seconds"), *observed])
    )


def _named(rule: FrameRule) -> Iterator[str]:
    for name in USUAL_KEYWORDS:
        word = getattr(rule, name, None)
        if word is not None:
            yield word
    yield from rule.required


def _texts(table: Any) -> list[str]:
    """Return the keywords of a table of the map: its fields that are one text, but a rule on file names is none."""
    values = {name: getattr(table, name) for name in type(table).model_fields}
    return [
        value for name, value in values.items() if isinstance(value, str) and name not in {"file_name", "other_types"}
    ]


def _shortened(words: Sequence[str]) -> list[str]:
    if len(words) <= _LONGEST_LIST:
        return list(words)
    return [*words[:_LONGEST_LIST], f"{len(words) - _LONGEST_LIST} more"]
