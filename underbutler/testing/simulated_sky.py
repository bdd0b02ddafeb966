"""What a simulated detector looks at: stars of known place and flux, and what falls on it besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["EDGE_MARGIN", "SKY_E", "StarField", "add_cosmic_rays", "add_stars"]

FloatArray: TypeAlias = npt.NDArray[np.float64]

SKY_E = 130.0
"""Sky in electrons per pixel and exposure."""

EDGE_MARGIN = 20
"""Stars of an undithered frame keep this distance from the border, in px."""

FWHM_PX = 3.0
MOFFAT_BETA = 4.765  # Trujillo et al. 2001, MNRAS 328, 977: turbulence in the atmosphere
STARS_PER_MEGAPIXEL = 260
COSMIC_RAYS_PER_MEGAPIXEL = 60
FAINTEST_SNR, BRIGHTEST_SNR = 3.0, 500.0
STAMP_RADIUS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class StarField:
    """The stars before one detector.

    Parameters
    ----------
    x, y
        0-based px of an undithered frame.
    flux
        Electrons per exposure.
    n_effective
        Noise pixels of the point-spread function: an optimal measurement of a faint star has the sky noise of so many.
    """

    x: FloatArray
    y: FloatArray
    flux: FloatArray
    n_effective: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: tuple[int, int], pixel_variance: float) -> StarField:
        """Draw stars whose optimal S/N is log-uniform from 3 to 500, none nearer to another than 3 FWHM.

        Parameters
        ----------
        rng
            Where the numbers come from.
        shape
            Rows and columns of the detector.
        pixel_variance
            Variance of a pixel without star, in electrons squared.
        """
        wanted = max(12, round(STARS_PER_MEGAPIXEL * shape[0] * shape[1] / 1024**2))
        places = np.empty((0, 2))
        for candidate in rng.uniform(EDGE_MARGIN, np.array(shape) - EDGE_MARGIN, size=(20 * wanted, 2)):
            if not len(places) or np.min(np.sum((places - candidate) ** 2, axis=1)) > (3 * FWHM_PX) ** 2:
                places = np.vstack([places, candidate])
            if len(places) == wanted:
                break
        snr = np.exp(rng.uniform(np.log(FAINTEST_SNR), np.log(BRIGHTEST_SNR), size=len(places)))
        n_effective = float(1.0 / np.sum(_stamps(np.zeros(1), np.zeros(1))[0] ** 2))
        flux = (snr**2 + np.sqrt(snr**4 + 4 * snr**2 * n_effective * pixel_variance)) / 2
        return cls(x=places[:, 1], y=places[:, 0], flux=flux, n_effective=n_effective)


def add_stars(scene: FloatArray, x: FloatArray, y: FloatArray, flux: FloatArray) -> None:
    """Add stars to a scene of shape ``(ny, nx)``, in place, each in a stamp of its own."""
    ix, iy = np.rint(x).astype(int), np.rint(y).astype(int)
    r = STAMP_RADIUS
    padded = np.pad(scene, r)
    for i, j, stamp in zip(iy, ix, _stamps(x - ix, y - iy) * flux[:, np.newaxis, np.newaxis], strict=True):
        padded[i : i + 2 * r + 1, j : j + 2 * r + 1] += stamp
    scene[...] = padded[r:-r, r:-r]


def add_cosmic_rays(electrons: FloatArray, rng: np.random.Generator) -> None:
    """Add straight tracks, one pixel wide and 1 to 14 pixels long, in place."""
    ny, nx = electrons.shape
    for _ in range(max(3, rng.poisson(COSMIC_RAYS_PER_MEGAPIXEL * ny * nx / 1024**2))):
        x, y, angle = rng.uniform(0, nx), rng.uniform(0, ny), rng.uniform(0, 2 * np.pi)
        length = min(1 + rng.geometric(0.3), 14)
        steps = np.arange(0.0, length, 0.25)
        tx = np.clip((x + steps * np.cos(angle)).astype(int), 0, nx - 1)
        ty = np.clip((y + steps * np.sin(angle)).astype(int), 0, ny - 1)
        pixels = np.unique(np.stack([ty, tx]), axis=1)
        electrons[pixels[0], pixels[1]] += rng.uniform(600.0, 3500.0) * rng.uniform(0.7, 1.3, size=pixels.shape[1])


def _stamps(dx: FloatArray, dy: FloatArray) -> FloatArray:
    """Return Moffat stamps of unit sum, shape ``(n, 2r+1, 2r+1)``, centred at a fraction of a pixel."""
    alpha = FWHM_PX / (2.0 * np.sqrt(2.0 ** (1.0 / MOFFAT_BETA) - 1.0))
    axis = np.arange(-STAMP_RADIUS, STAMP_RADIUS + 1, dtype=float)
    r2 = (axis[np.newaxis, :, np.newaxis] - dy[:, np.newaxis, np.newaxis]) ** 2
    r2 = r2 + (axis[np.newaxis, np.newaxis, :] - dx[:, np.newaxis, np.newaxis]) ** 2
    stamps: FloatArray = (1.0 + r2 / alpha**2) ** -MOFFAT_BETA
    stamps /= stamps.sum(axis=(1, 2), keepdims=True)
    return stamps
