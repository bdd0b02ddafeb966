"""What is wrong with a source: flags by the mask's planes, by detection and by photometry; which were one blend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tasks.planes import has

if TYPE_CHECKING:
    from underbutler.butlers import CcdImage

__all__ = ["blends_of", "source_flags", "with_aperture"]

FlagArray: TypeAlias = npt.NDArray[np.bool_]
Segments: TypeAlias = npt.NDArray[np.int32]

PLANES_OF_FLAGS = (
    ("bad", "BAD"),
    ("saturated", "SAT"),
    ("cosmic_ray", "CR"),
    ("interpolated", "INTRP"),
    ("edge", "EDGE"),
)
SEP_BLENDED, SEP_TRUNCATED = 0x1, 0x2  # of a detection
SEP_APERTURE_TRUNCATED, SEP_APERTURE_MASKED = 0x10, 0x20  # of an aperture


def source_flags(exposure: CcdImage, objects: Any, segments: Segments) -> dict[str, FlagArray]:
    """Return the flags of each source's own pixels by column name, each of shape ``(n,)``.

    Parameters
    ----------
    exposure
        Image with its mask, shape ``(ny, nx)``.
    objects
        What detection found, length ``n``.
    segments
        Number of each pixel's source counted from 1, else 0.

    Notes
    -----
    Pixels without data belong to no source, for detection leaves them out. A source over such a hole is one that
    touches it, or whose aperture does (`with_aperture`).
    """
    n = len(objects)
    flags = {f"flag_{name}": _owners(segments[has(exposure.mask, plane)], n) for name, plane in PLANES_OF_FLAGS}
    flags["flag_edge"] |= (objects["flag"] & SEP_TRUNCATED) != 0
    flags["flag_no_data"] = _touched(segments, has(exposure.mask, "NO_DATA"), n)
    flags["flag_blended"] = (objects["flag"] & SEP_BLENDED) != 0
    return flags


def with_aperture(flags: Mapping[str, FlagArray], aperture: npt.NDArray[Any]) -> dict[str, FlagArray]:
    """Return flags with what sep's photometry says of each source's aperture, shape ``(n,)``."""
    return {
        **flags,
        "flag_edge": flags["flag_edge"] | ((aperture & SEP_APERTURE_TRUNCATED) != 0),
        "flag_no_data": flags["flag_no_data"] | ((aperture & SEP_APERTURE_MASKED) != 0),
    }


def blends_of(segments: Segments, n_sources: int) -> npt.NDArray[np.int32]:
    """Return the number of the blend that each source is a part of, shape ``(n,)``; 0 if it stands alone.

    A blend is a group of sources whose pixels over the threshold touch each other: before deblending it was one.
    """
    from scipy import ndimage

    labels, n_groups = ndimage.label(segments > 0, structure=np.ones((3, 3)))
    group = np.zeros(n_sources + 1, dtype=np.int32)
    group[segments] = labels  # any pixel of a source tells its group
    members = np.bincount(group[1:], minlength=n_groups + 1)
    blends: npt.NDArray[np.int32] = np.where(members[group[1:]] > 1, group[1:], 0).astype(np.int32)
    return blends


def _owners(numbers: Segments, n: int) -> FlagArray:
    found: FlagArray = np.bincount(numbers, minlength=n + 1)[1 : n + 1] > 0
    return found


def _touched(segments: Segments, hole: FlagArray, n: int) -> FlagArray:
    """Return which sources have a pixel beside a hole."""
    from scipy import ndimage

    if not hole.any():
        return np.zeros(n, dtype=bool)
    return _owners(segments[ndimage.binary_dilation(hole, structure=np.ones((3, 3)))], n)
