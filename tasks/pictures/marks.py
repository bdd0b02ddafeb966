"""What is written and drawn on a picture: lines of text, rings around sources, north and east, a scale, a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from astropy.table import Table
    from PIL.ImageDraw import ImageDraw

__all__ = [
    "DEFECT",
    "FAINT_INK",
    "FLAGGED",
    "HIT",
    "INK",
    "STAR",
    "Colour",
    "compass",
    "font",
    "is_flagged",
    "legend",
    "ring_sources",
    "ruler",
]

Colour: TypeAlias = tuple[int, int, int]
Direction: TypeAlias = tuple[float, float]

INK: Colour = (232, 234, 240)
FAINT_INK: Colour = (140, 148, 165)
STAR: Colour = (255, 186, 73)
FLAGGED: Colour = (255, 92, 92)
DEFECT: Colour = (64, 156, 255)
HIT: Colour = (214, 84, 222)
SHADOW: Colour = (0, 0, 0)

LEAST_RADIUS = 6.0  # of a ring, in px of the picture
ARROW = 34.0  # px
LENGTHS_ARCMIN = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
LENGTHS_PX = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
FLAGS = ("flag_bad", "flag_saturated", "flag_edge", "flag_cosmic_ray", "flag_no_data")
"""Flags of sources that are ringed in another colour."""


def font(size: int) -> Any:
    """Return the font of all that is written."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def ring_sources(draw: ImageDraw, sources: Table, scale: float, ny: int, *, sharpness: int) -> None:
    """Draw an ellipse of three Gaussian widths around each source.

    Parameters
    ----------
    draw
        Draws on a picture that is `sharpness` times as large as the one that is shown: smooth thin lines.
    sources
        The source table.
    scale
        Pixels of the shown picture for each of the frame.
    ny
        Rows of the frame: its first one is at the bottom.
    sharpness
        How much larger that picture is.
    """
    flagged = is_flagged(sources)
    scale *= sharpness
    least, turn = sharpness * LEAST_RADIUS, np.linspace(0.0, 2.0 * np.pi, 49)
    for x, y, a, b, theta, flag in zip(
        *(np.asarray(sources[name], float) for name in ("x", "y", "a", "b", "theta")), flagged, strict=True
    ):
        along = np.maximum(3.0 * a * scale, least) * np.cos(turn)
        across = np.maximum(3.0 * b * scale, least) * np.sin(turn)
        angle = np.radians(theta)
        px = (x + 0.5) * scale + along * np.cos(angle) - across * np.sin(angle)
        py = (ny - y - 0.5) * scale - along * np.sin(angle) - across * np.cos(angle)
        colour = (*(FLAGGED if flag else STAR), 235)
        draw.line(list(zip(px.tolist(), py.tolist(), strict=True)), fill=colour, width=sharpness, joint="curve")


def is_flagged(sources: Table) -> Any:
    """Return which sources are not to be trusted, shape ``(n,)``."""
    return np.logical_or.reduce([np.asarray(sources[name], bool) for name in FLAGS])


def compass(draw: ImageDraw, corner: tuple[float, float], north: Direction, east: Direction) -> None:
    """Draw arrows to north and east.

    Parameters
    ----------
    draw
        Draws on the page.
    corner
        Lower right corner of the picture, in px of the page.
    north, east
        Unit vectors in the frame, x to the right and y upwards.
    """
    ends = [(ARROW * x, -ARROW * y) for x, y in (north, east)]
    reach = ARROW + 16.0
    cx = corner[0] - reach + min(0.0, -max(0.0, *(x for x, _ in ends)) + ARROW)
    cy = corner[1] - reach
    for (dx, dy), name in zip(ends, "NE", strict=True):
        _arrow(draw, (cx, cy), (cx + dx, cy + dy))
        place = (cx + 1.3 * dx, cy + 1.3 * dy)
        draw.text(place, name, font=font(13), fill=INK, anchor="mm", stroke_width=1, stroke_fill=SHADOW)


def ruler(
    draw: ImageDraw, corner: tuple[float, float], width: int, scale: float, arcsec_per_pixel: float | None
) -> None:
    """Draw a line whose length is written on it: in arcmin, or in pixels of the frame where the scale is unknown.

    Parameters
    ----------
    draw
        Draws on the page.
    corner
        Lower left corner of the picture, in px of the page.
    width
        Width of the picture in px.
    scale
        Pixels of the picture for each of the frame.
    arcsec_per_pixel
        Of the frame, or None.
    """
    if arcsec_per_pixel is None:
        per_unit, lengths, unit = scale, tuple(map(float, LENGTHS_PX)), "px"
    else:
        per_unit, lengths, unit = 60.0 * scale / arcsec_per_pixel, LENGTHS_ARCMIN, "arcmin"
    length = max((one for one in lengths if one * per_unit <= 0.3 * width), default=lengths[0])
    x0, y0 = corner[0] + 14.0, corner[1] - 14.0
    x1 = x0 + length * per_unit
    for colour, thick in ((SHADOW, 4), (INK, 2)):
        draw.line([(x0, y0), (x1, y0)], fill=colour, width=thick)
        for x in (x0, x1):
            draw.line([(x, y0 - 4), (x, y0 + 4)], fill=colour, width=thick)
    text = f"{length:g} {unit}"
    place = ((x0 + x1) / 2.0, y0 - 7.0)
    draw.text(place, text, font=font(13), fill=INK, anchor="mb", stroke_width=1, stroke_fill=SHADOW)


def legend(draw: ImageDraw, x: float, y: float, entries: Sequence[tuple[Colour, bool, str]]) -> None:
    """Write what the colours mean, from left to right: colour, whether as a ring, words."""
    own = font(13)
    for colour, ring, text in entries:
        box = (x, y - 5, x + 10, y + 5)
        if ring:
            draw.ellipse(box, outline=colour, width=1)
        else:
            draw.rectangle(box, fill=colour)
        draw.text((x + 16, y), text, font=own, fill=FAINT_INK, anchor="lm")
        x += 16 + draw.textlength(text, font=own) + 18


def _arrow(draw: ImageDraw, begin: tuple[float, float], end: tuple[float, float]) -> None:
    angle = math.atan2(end[1] - begin[1], end[0] - begin[0])
    for colour, thick in ((SHADOW, 4), (INK, 2)):
        draw.line([begin, end], fill=colour, width=thick)
        for side in (-2.7, 2.7):
            tip = (end[0] + 8.0 * math.cos(angle + side), end[1] + 8.0 * math.sin(angle + side))
            draw.line([end, tip], fill=colour, width=thick)
