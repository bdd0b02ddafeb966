"""Sections of an image as FITS headers write them: ``[17:528,1:520]``, columns first, counted from 1, ends included."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Box", "Section", "Window", "parse_section"]

_NUMBER = r"(\d+)(?:\.0*)?"
_AXIS = rf"\s*(?:{_NUMBER}\s*(?::\s*{_NUMBER}\s*(?::\s*1\s*)?)?|(:|\*|-\*))\s*"
_SECTION = re.compile(rf"\s*\[{_AXIS},{_AXIS}\]\s*")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels, counted from 0; ends are not included.

    Parameters
    ----------
    y0, y1
        First row, and the row after the last.
    x0, x1
        First column, and the column after the last.
    """

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle in an array of shape ``(ny, nx)``."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def moved(self, rows: int, columns: int) -> Box:
        """Return it so many rows and columns farther."""
        return Box(self.y0 + rows, self.y1 + rows, self.x0 + columns, self.x1 + columns)

    def holds(self, other: Box) -> bool:
        """Tell whether another rectangle lies inside."""
        return self.y0 <= other.y0 and other.y1 <= self.y1 and self.x0 <= other.x0 and other.x1 <= self.x1

    def overlaps(self, other: Box) -> bool:
        """Tell whether a pixel is in both."""
        return self.y0 < other.y1 and other.y0 < self.y1 and self.x0 < other.x1 and other.x0 < self.x1

    def covers(self, other: Box) -> float:
        """Return the part of another rectangle that lies inside, from 0 to 1."""
        rows = max(0, min(self.y1, other.y1) - max(self.y0, other.y0))
        columns = max(0, min(self.x1, other.x1) - max(self.x0, other.x0))
        return rows * columns / (other.shape[0] * other.shape[1])

    def __str__(self) -> str:
        return f"[{self.x0 + 1}:{self.x1},{self.y0 + 1}:{self.y1}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which pixels of a detector an image is.

    Parameters
    ----------
    box
        The pixels, counted in the image's binning.
    binning
        Rows and columns of the detector that make a pixel.
    """

    box: Box
    binning: tuple[int, int]

    @property
    def section(self) -> str:
        """The same as FITS writes it, in unbinned pixels."""
        down, across = self.binning
        return str(Box(self.box.y0 * down, self.box.y1 * down, self.box.x0 * across, self.box.x1 * across))


@dataclass(frozen=True, slots=True)
class Section:
    """A section as it was written: its rectangle, and whether an axis is counted backwards.

    Parameters
    ----------
    box
        The rectangle.
    flips_rows, flips_columns
        Whether the first number of the axis is the larger one.
    """

    box: Box
    flips_rows: bool = False
    flips_columns: bool = False

    def __str__(self) -> str:
        rows = [self.box.y0 + 1, self.box.y1]
        columns = [self.box.x0 + 1, self.box.x1]
        if self.flips_rows:
            rows.reverse()
        if self.flips_columns:
            columns.reverse()
        return f"[{columns[0]}:{columns[1]},{rows[0]}:{rows[1]}]"


def parse_section(text: str, shape: tuple[int, int] | None = None) -> Section | None:
    """Read a section.

    Parameters
    ----------
    text
        ``[x1:x2,y1:y2]``; ``:`` and ``*`` stand for a whole axis, one number for one column or row. A step of 1 may
        follow, as IRAF writes it; another one is refused.
    shape
        Rows and columns of the image, for whole axes; None refuses those.

    Returns
    -------
    section
        The section, or None if the text is none. Whether it lies inside an image is not looked at.
    """
    found = _SECTION.fullmatch(text)
    if found is None:
        return None
    first, last, whole_columns, bottom, top, whole_rows = found.groups()
    if shape is None and (whole_columns or whole_rows):
        return None
    ny, nx = shape or (0, 0)
    columns = (1, nx) if whole_columns else (int(first), int(last or first))
    rows = (1, ny) if whole_rows else (int(bottom), int(top or bottom))
    if min(*columns, *rows) < 1:
        return None
    box = Box(min(rows) - 1, max(rows), min(columns) - 1, max(columns))
    return Section(
        box,
        flips_rows=rows[0] > rows[1] or whole_rows == "-*",
        flips_columns=columns[0] > columns[1] or whole_columns == "-*",
    )
