"""From electrons to shades: a frame is binned to the size of its picture, and its sky's own noise sets the stretch."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["binned", "coarse_enough", "shades"]

Pixels: TypeAlias = npt.NDArray[np.float32]

DARKEST = -1.0
"""Black, in standard deviations of the sky."""
LEAST_WHITE = 8.0
"""White at the least, in standard deviations of the sky: noise alone is never drawn as light."""
BRIGHT_PIXELS = 20
"""So many pixels that are white are light, and no accident of the noise."""


def binned(image: Pixels, unusable: npt.NDArray[np.bool_], size: int) -> Pixels:
    """Return an image whose longer side is `size` pixels: each the mean of those under it, or a copy of the nearest.

    Parameters
    ----------
    image
        Shape ``(ny, nx)``.
    unusable
        Pixels that no mean should hold, same shape; where there is nothing else, the result is NaN.
    size
        Longer side of the result, in px.
    """
    from PIL import Image

    ny, nx = image.shape
    scale = size / max(ny, nx)
    shape = (max(1, round(nx * scale)), max(1, round(ny * scale)))
    way = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    if not unusable.any():
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(shape, way))
    light = Image.fromarray(np.where(unusable, np.float32(0.0), image)).resize(shape, way)
    share = np.asarray(Image.fromarray((~unusable).astype(np.float32)).resize(shape, way))
    return np.where(share > 0, np.asarray(light) / np.maximum(share, 1e-6), np.float32(np.nan)).astype(np.float32)


def coarse_enough(image: Pixels, unusable: npt.NDArray[np.bool_], size: int) -> Pixels:
    """Return a binned image, in coarser bins as long as it shows little but noise: faint light needs them.

    Parameters
    ----------
    image, unusable
        As `binned` takes them.
    size
        Longer side of the result at the most, in px; each step halves it, as far as to a quarter.
    """
    small = binned(image, unusable, size)
    for part in (2, 4):
        level, noise = _sky(small)
        stands_out = not noise or np.count_nonzero(small - level > LEAST_WHITE * noise) >= BRIGHT_PIXELS
        if stands_out or size // part < 1 or size // part >= max(image.shape):
            break
        small = binned(image, unusable, size // part)
    return small


def shades(image: Pixels, *, softening: float, brightest: float) -> Pixels:
    """Return values from 0, just under the sky, to 1, the brightest percentile; NaN stays NaN.

    Parameters
    ----------
    image
        A binned image, shape ``(ny, nx)``. Its sky and the noise of that are taken from it: binning makes both others
        than those of the frame.
    softening
        Where the stretch turns from linear to logarithmic, in standard deviations of the sky.
    brightest
        Percentile of the pixels that is white.

    Notes
    -----
    The stretch is asinh: Lupton et al. 1999, AJ 118, 1406.
    """
    level, noise = _sky(image)
    if not np.isfinite(level):
        return image
    soft = np.float32(max(softening * noise, 1e-6))
    white = max(float(np.nanpercentile(image, brightest)) - level, LEAST_WHITE * noise, 2e-6)
    floor, ceiling = np.arcsinh(DARKEST * noise / soft), np.arcsinh(white / soft)
    stretched: Pixels = ((np.arcsinh((image - np.float32(level)) / soft) - floor) / (ceiling - floor)).astype(
        np.float32
    )
    return stretched


def _sky(image: Pixels) -> tuple[float, float]:
    """Return the level of the sky and its standard deviation, from the darker half: stars are in the brighter one."""
    values = image[np.isfinite(image)]
    if not values.size:
        return float("nan"), 0.0
    level = float(np.median(values))
    for _ in range(5):
        low, level = np.percentile(values[values <= level + (level - values.min())], [15.87, 50.0])
        values = values[values <= level + 3.0 * max(level - low, 1e-12)]
    return float(level), float(max(level - low, 0.0))
