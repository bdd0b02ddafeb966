"""The bit planes of a mask: what is wrong with a pixel, or known of it."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["MASK_TYPE", "PLANES", "Mask", "grown_border", "has", "mark"]

Mask: TypeAlias = npt.NDArray[np.integer[Any]]
Where: TypeAlias = npt.NDArray[np.bool_]

MASK_TYPE = np.int16
"""Type of the masks that the tasks make: every plane fits, and a file of them is half as large as with 32 bits."""

PLANES: dict[str, int] = {
    "BAD": 0,  # a calibration says that the pixel is defective
    "SAT": 1,  # at or over the saturation level
    "INTRP": 2,  # its value was bridged from its neighbours
    "CR": 3,  # hit by a cosmic ray
    "EDGE": 4,  # too near the border to be trusted in detection
    "DETECTED": 5,  # part of a source
    "NO_DATA": 8,  # no finite value was read
}
"""Bit numbers by plane name: those that Rubin's images use."""


def mark(mask: Mask, plane: str, where: Where) -> None:
    """Set a plane at some pixels of a mask, in place."""
    mask[where] |= 1 << PLANES[plane]


def has(mask: Mask, *planes: str) -> Where:
    """Return where any of some planes is set, shape ``(ny, nx)``."""
    bits = sum(1 << PLANES[plane] for plane in planes)
    found: Where = (mask & bits) != 0
    return found


def grown_border(shape: tuple[int, ...], width: int) -> Where:
    """Return a frame of `width` pixels along the border, shape ``(ny, nx)``."""
    border = np.ones(shape, dtype=bool)
    if width < min(shape) // 2:
        border[width : shape[0] - width, width : shape[1] - width] = False
    if width == 0:
        border[...] = False
    return border
