"""Where amplifiers lie in the assembled image, and where an image lies on its detector."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from .header_values import number_of, value_of
from .readout import AmplifierReadout
from .sections import Box, Section, Window, parse_section

__all__ = ["Placed", "assembled", "binning_of", "window_of"]

WINDOW_KEYWORDS = ("DETSEC", "CCDSEC")
"""Keywords that say a window where the map names none: sections of the detector in unbinned pixels."""

ORIGIN_KEYWORDS = (("XORGSUBF", "YORGSUBF"),)
"""Keywords of a window's first column and row, counted from 0 in pixels of its binning."""

MOST_EMPTY = 0.5
"""An assembled image of which amplifiers leave more than this part empty is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An amplifier, and the section of the detector that it reads, if that is known."""

    amplifier: AmplifierReadout
    place: Section | None


def assembled(
    placed: Sequence[Placed],
) -> tuple[tuple[AmplifierReadout, ...], tuple[int, int], Window | None, list[str]]:
    """Put amplifiers at their places.

    Parameters
    ----------
    placed
        The amplifiers; one alone needs no place, and is never turned over.

    Returns
    -------
    amplifiers, shape, window, problems
        The amplifiers with their places, the image's rows and columns, which pixels of the detector it is (None of
        one amplifier), and what does not fit.
    """
    if len(placed) == 1:
        one = placed[0].amplifier
        return (one,), one.data.shape, None, []
    problems: list[str] = []
    boxes: list[Box] = []
    binnings: list[tuple[int, int]] = []
    for each in placed:
        box, binning = _fitting(each.place, each.amplifier.data.shape)
        if box is None:
            problems.append(
                f"Amplifier {each.amplifier.name} has {_size(each.amplifier.data)}, which do not fit its place "
                f"{each.place}"
            )
            continue
        boxes.append(box)
        binnings.append(binning)
    if problems or not boxes:
        return (), (0, 0), None, problems
    whole = Box(min(b.y0 for b in boxes), max(b.y1 for b in boxes), min(b.x0 for b in boxes), max(b.x1 for b in boxes))
    if len(set(binnings)) > 1:
        problems.append(f"The amplifiers' places say different binnings: {sorted(set(binnings))}")
    for (first, box), (second, other) in combinations(zip(placed, boxes, strict=True), 2):
        if box.overlaps(other):
            problems.append(
                f"The amplifiers {first.amplifier.name} and {second.amplifier.name} lie over each other, at {box} and "
                f"{other}"
            )
    filled = sum(box.shape[0] * box.shape[1] for box in boxes)
    if filled < (1 - MOST_EMPTY) * whole.shape[0] * whole.shape[1]:
        problems.append(f"The amplifiers' places lie so far apart that most of the image {whole} would be empty")
    amplifiers = tuple(_at(each, box.moved(-whole.y0, -whole.x0)) for each, box in zip(placed, boxes, strict=True))
    return amplifiers, whole.shape, Window(box=whole, binning=binnings[0]), problems


def window_of(header: Mapping[str, Any], keyword: str | None, shape: tuple[int, int]) -> Window | None:
    """Return which pixels of the whole detector an image is, None if its header does not say.

    Parameters
    ----------
    header
        Header of the image.
    keyword
        Keyword of a section of the detector in unbinned pixels; None tries `WINDOW_KEYWORDS` and `ORIGIN_KEYWORDS`.
    shape
        Rows and columns of the image.
    """
    for word in WINDOW_KEYWORDS if keyword is None else (keyword,):
        said = value_of(header, word)
        box, ratio = _fitting(None if said is None else parse_section(str(said)), shape)
        told = binning_of(header)
        if box is not None and ratio in ((1, 1), told):  # else a card that no window changes
            return Window(box=box, binning=told or (1, 1))
    for column_word, row_word in ORIGIN_KEYWORDS if keyword is None else ():
        column, row = number_of(value_of(header, column_word)), number_of(value_of(header, row_word))
        if column >= 0 and row >= 0 and column.is_integer() and row.is_integer():
            box = Box(0, shape[0], 0, shape[1]).moved(int(row), int(column))
            return Window(box=box, binning=binning_of(header) or (1, 1))
    return None


def binning_of(header: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return how many rows and columns of the detector are summed into one pixel, None if the usual cards are missing.

    They are ``CCDSUM`` (columns first, as IRAF writes it), or ``YBINNING`` and ``XBINNING``.
    """
    words = str(value_of(header, "CCDSUM") or "").split()
    if len(words) != 2:
        words = [str(value_of(header, "XBINNING") or ""), str(value_of(header, "YBINNING") or "")]
    across, down = (number_of(word) for word in words)
    return (int(down), int(across)) if across >= 1 and down >= 1 else None


def _fitting(place: Section | None, shape: tuple[int, int]) -> tuple[Box | None, tuple[int, int]]:
    """Return a place in pixels of the image's binning, and the binning; None if it is not a whole number of them."""
    if place is None or 0 in shape:
        return None, (1, 1)
    rows, columns = place.box.shape
    if rows % shape[0] or columns % shape[1]:
        return None, (1, 1)
    down, across = rows // shape[0], columns // shape[1]
    if place.box.y0 % down or place.box.x0 % across:
        return None, (1, 1)
    y0, x0 = place.box.y0 // down, place.box.x0 // across
    return Box(y0, y0 + shape[0], x0, x0 + shape[1]), (down, across)


def _at(each: Placed, box: Box) -> AmplifierReadout:
    assert each.place is not None
    return dataclasses.replace(
        each.amplifier, place=box, flips_rows=each.place.flips_rows, flips_columns=each.place.flips_columns
    )


def _size(box: Box) -> str:
    return f"{box.shape[1]} columns and {box.shape[0]} rows"
