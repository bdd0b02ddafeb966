"""Moments of sources under a Gaussian window: how well a centre is known, how wide and how round a source is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from underbutler.butlers import CcdImage

__all__ = ["GAUSSIAN_FWHM", "concentration", "windowed_shapes"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

GAUSSIAN_FWHM = 2.3548
"""FWHM of a Gaussian over its standard deviation."""

CHUNK_PIXELS = 2_000_000  # of stamps at a time
SMALL_RADIUS = 0.5  # FWHM: the core of a star


def windowed_shapes(
    exposure: CcdImage,
    segments: npt.NDArray[np.int32],
    x: FloatArray,
    y: FloatArray,
    fwhm: float,
    hidden: BoolArray | None,
) -> dict[str, FloatArray]:
    """Return ``x_error``, ``y_error``, ``fwhm`` in px and ``ellipticity`` of each source, each of shape ``(n,)``.

    Parameters
    ----------
    exposure
        Background-subtracted image with its variance, shape ``(ny, nx)``.
    segments
        Number of each pixel's source counted from 1, else 0: pixels of neighbours are left out. Source ``i`` has the
        number ``i + 1``.
    x, y
        Windowed centroids in 0-based px.
    fwhm
        Of the window, in px.
    hidden
        Pixels without data; None if there are none.

    Notes
    -----
    With weights w = exp(-r²/2s²) the variance of a windowed centroid is 4 sum(w² var (x - x0)²) / sum(w I)², as in
    SExtractor (its manual, windowed positional parameters). Second moments M under the window belong to a Gaussian of
    covariance C with M⁻¹ = C⁻¹ + 1/s²; where noise leaves no such C, width and ellipticity are NaN.
    """
    sigma = fwhm / GAUSSIAN_FWHM
    half = int(np.ceil(4.0 * sigma))
    per_chunk = max(1, CHUNK_PIXELS // (2 * half + 1) ** 2)
    parts = [
        _moments(exposure, segments, np.arange(first, min(first + per_chunk, len(x))), x, y, sigma, half, hidden)
        for first in range(0, len(x), per_chunk)
    ]
    x_error, y_error, mxx, myy, mxy = np.concatenate([np.empty((5, 0)), *parts], axis=1)
    width, ellipticity = _deconvolved(mxx, myy, mxy, sigma)
    return {"x_error": x_error, "y_error": y_error, "fwhm": width, "ellipticity": ellipticity}


def _moments(
    exposure: CcdImage,
    segments: npt.NDArray[np.int32],
    rows: npt.NDArray[np.intp],
    x: FloatArray,
    y: FloatArray,
    sigma: float,
    half: int,
    hidden: BoolArray | None,
) -> FloatArray:
    """Return errors of the centroid and second moments of some sources, shape ``(5, n)``."""
    ny, nx = exposure.image.shape
    steps = np.arange(-half, half + 1)
    i = np.rint(y[rows]).astype(int)[:, np.newaxis, np.newaxis] + steps[np.newaxis, :, np.newaxis]
    j = np.rint(x[rows]).astype(int)[:, np.newaxis, np.newaxis] + steps[np.newaxis, np.newaxis, :]
    inside = (i >= 0) & (i < ny) & (j >= 0) & (j < nx)
    place = (np.clip(i, 0, ny - 1), np.clip(j, 0, nx - 1))
    owner = segments[place]
    inside &= (owner == 0) | (owner == rows[:, np.newaxis, np.newaxis] + 1)
    if hidden is not None:
        inside &= ~hidden[place]
    dx, dy = j - x[rows][:, np.newaxis, np.newaxis], i - y[rows][:, np.newaxis, np.newaxis]
    weight = np.where(inside, np.exp(-(dx**2 + dy**2) / (2.0 * sigma**2)), 0.0)
    light = weight * exposure.image[place]
    noise = weight**2 * exposure.variance[place]
    axes = (1, 2)
    total = light.sum(axis=axes)
    total = np.where(total > 0, total, np.nan)
    return np.stack(
        [
            2.0 * np.sqrt((noise * dx**2).sum(axis=axes)) / total,
            2.0 * np.sqrt((noise * dy**2).sum(axis=axes)) / total,
            (light * dx**2).sum(axis=axes) / total,
            (light * dy**2).sum(axis=axes) / total,
            (light * dx * dy).sum(axis=axes) / total,
        ]
    )


def _deconvolved(mxx: FloatArray, myy: FloatArray, mxy: FloatArray, sigma: float) -> tuple[FloatArray, FloatArray]:
    """Return the FWHM and the ellipticity of the Gaussians that have these moments under the window."""
    with np.errstate(invalid="ignore", divide="ignore"):
        determinant = mxx * myy - mxy**2
        axx, ayy, axy = myy / determinant - sigma**-2, mxx / determinant - sigma**-2, -mxy / determinant
        middle, spread = (axx + ayy) / 2.0, np.hypot((axx - ayy) / 2.0, axy)
        least, most = middle - spread, middle + spread  # eigenvalues of the inverse covariance
        real = (determinant > 0) & (least > 0)
        width = np.where(real, GAUSSIAN_FWHM * (least * most) ** -0.25, np.nan)
        ellipticity = np.where(real, 1.0 - np.sqrt(least / most), np.nan)
    return width, ellipticity


def concentration(
    exposure: CcdImage,
    x: FloatArray,
    y: FloatArray,
    flux: FloatArray,
    flux_error: FloatArray,
    stars: npt.NDArray[np.intp],
    fwhm: float,
    hidden: BoolArray | None,
) -> FloatArray:
    """Return by how many standard deviations each source is less concentrated than the frame's stars, shape ``(n,)``.

    Parameters
    ----------
    exposure, x, y, fwhm, hidden
        As in `windowed_shapes`.
    flux, flux_error
        In the aperture.
    stars
        Which sources show the point-spread function; without one the answer is NaN.

    Notes
    -----
    What is compared is the share of the aperture's light within half a FWHM. The scatter of bright stars themselves,
    whose centres lie differently on their pixels, is added to each source's own error.
    """
    import sep

    if not len(stars):
        return np.full(len(x), np.nan)
    error = np.sqrt(exposure.variance)
    core, core_error, _ = sep.sum_circle(exposure.image, x, y, SMALL_RADIUS * fwhm, err=error, mask=hidden, subpix=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(flux > 0, core / flux, np.nan)
        outer_error = np.sqrt(np.maximum(flux_error**2 - core_error**2, 0.0))
        noise = np.hypot((1.0 - share) * core_error, share * outer_error) / flux
    typical = float(np.median(share[stars]))
    scatter = 1.4826 * float(np.median(np.abs(share[stars] - typical)))
    deviation: FloatArray = (typical - share) / np.hypot(noise, max(scatter, 1e-3))
    return deviation
