"""How much of a star's light an aperture misses: the curve of growth of a frame's own stars, carried to infinity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from underbutler.butlers import CcdImage

__all__ = ["Growth", "Stars", "growth_of_stars"]

FloatArray: TypeAlias = npt.NDArray[np.float64]

EDGES = (0.0, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)
"""Radii of the rings of the curve, in FWHM."""

EASED = (1.0, 0.7, 0.5)
"""Shares of the reach to which a star must be alone, tried in turn: the first one that enough stars pass is taken."""

MOST_ERROR = 0.03
"""Standard deviation up to which a correction is taken that fewer stars than enough show."""

NEIGHBOURS_SHARE = 0.03  # of a star's light: with more of it around, a star is not alone
MODEL_ERROR = 2e-4  # of the light in a ring: what a Moffat profile is good for
SKY_ERROR = 0.02  # of the sky's rms: how well the background is known under stars


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What a fit to the curve of growth says.

    Parameters
    ----------
    correction
        All light over the light in the aperture.
    error
        Its standard deviation, as the fit tells it.
    fwhm
        Full width at half maximum of the profile, the pixels' own width taken out, in px.
    beta
        Its exponent: 2.5 with strong wings, over 10 nearly a Gaussian.
    n_stars
        How many stars were alone enough.
    """

    correction: float
    error: float
    fwhm: float
    beta: float
    n_stars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stars:
    """Stars of a frame among all its sources.

    Parameters
    ----------
    exposure
        Background-subtracted image with its variance, shape ``(ny, nx)``.
    segments
        Number of each pixel's source counted from 1, else 0: pixels of neighbours are left out.
    x, y, flux
        Centres in 0-based px, and fluxes in the aperture, of all sources, shape ``(n,)``.
    chosen
        Which of them show the point-spread function, the brightest first.
    fwhm
        Their full width at half maximum in px.
    hidden
        Pixels without data; None if there are none.
    """

    exposure: CcdImage
    segments: npt.NDArray[np.int32]
    x: FloatArray
    y: FloatArray
    flux: FloatArray
    chosen: npt.NDArray[np.intp]
    fwhm: float
    hidden: npt.NDArray[np.bool_] | None


def growth_of_stars(stars: Stars, *, radius: float, reach: float, rms: float, least: int) -> Growth | None:
    """Fit a Moffat profile to the curve of growth of stars that stand alone.

    Parameters
    ----------
    stars
        Those that may be taken.
    radius
        Radius of the aperture in px.
    reach
        Radius in FWHM to which the curve is measured; less where too few stars are alone so far out.
    rms
        Standard deviation of the sky in the image's unit.
    least
        Least number of stars.

    Returns
    -------
    growth
        None if the fit does not converge, or fewer stars stand alone and do not show it well.

    Notes
    -----
    A Moffat profile (Moffat 1969, A&A 3, 455) holds the share 1 - (1 + r²/alpha²)^(1 - beta) of its light within r. An
    average over square pixels of unit width adds 2 pi r I'(r) / 24 to it, I being the profile: once, because an
    aperture takes a pixel for evenly lit, and up to a second time, because the detector has averaged. How often is
    fitted too, and a constant that the background may be off by, so that wings which it took away are given back.
    """
    fwhm = stars.fwhm
    reaches = [max(share * reach, 1.4 * radius / fwhm) for share in EASED]
    rings = [np.unique([radius, *(edge * fwhm for edge in EDGES if edge <= farthest)]) for farthest in reaches]
    found = [_alone(stars, edges[-1]) for edges in rings]
    enough = next((place for place, alone in enumerate(found) if len(alone) >= least), None)
    chosen = enough if enough is not None else max(range(len(found)), key=lambda place: len(found[place]))
    alone, edges = found[chosen], rings[chosen]
    if not len(alone):
        return None
    light, error = _rings(stars, alone, edges)
    growth = _fitted(light, error, edges, fwhm, radius, rms / float(np.median(stars.flux[alone])))
    return growth if growth is None or enough is not None or growth.error <= MOST_ERROR else None


def _alone(stars: Stars, reach: float) -> npt.NDArray[np.intp]:
    """Return those stars around which the frame goes on, and little other light is, within a reach in px."""
    from scipy.spatial import KDTree

    (ny, nx), flux = stars.exposure.image.shape, stars.flux
    x, y = stars.x[stars.chosen], stars.y[stars.chosen]
    chosen = stars.chosen[(x > reach) & (x < nx - 1 - reach) & (y > reach) & (y < ny - 1 - reach)]
    places = np.column_stack([stars.x, stars.y])
    around = KDTree(places).query_ball_point(places[chosen], 1.2 * reach)
    others = np.array([np.sum(np.maximum(flux[near], 0.0)) for near in around]) - flux[chosen]
    alone: npt.NDArray[np.intp] = chosen[others < NEIGHBOURS_SHARE * flux[chosen]]
    return alone


def _rings(stars: Stars, ids: npt.NDArray[np.intp], edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return light and its standard deviation in rings around some, both of shape ``(n_stars, n_rings)``."""
    import sep

    n_stars, n_rings = len(ids), len(edges) - 1
    light, error, _ = sep.sum_circann(
        stars.exposure.image,
        np.repeat(stars.x[ids], n_rings),
        np.repeat(stars.y[ids], n_rings),
        np.tile(edges[:-1], n_stars),
        np.tile(edges[1:], n_stars),
        var=stars.exposure.variance,
        mask=stars.hidden,
        segmap=stars.segments,
        seg_id=np.repeat(ids + 1, n_rings).astype(np.int32),
        subpix=0,
    )
    return light.reshape(n_stars, n_rings), error.reshape(n_stars, n_rings)


def _fitted(
    light: FloatArray, error: FloatArray, edges: FloatArray, fwhm: float, radius: float, noise: float
) -> Growth | None:
    from scipy.optimize import least_squares

    share, share_error = _stacked(light, error, light[:, edges[1:] <= radius].sum(axis=1))
    areas = np.pi * np.diff(edges**2)
    sky_error = SKY_ERROR * noise

    def residuals(parameters: FloatArray) -> FloatArray:
        """Return deviations of the rings, and of the sky, in units of their errors."""
        total, width, inverse_beta, pixels, sky = parameters
        model = total * np.diff(_held(edges, width, 1.0 / inverse_beta, pixels)) + sky * areas
        return np.append((share - model) / share_error, sky / sky_error)

    start = np.array([1.08, fwhm, 0.3, 1.5, 0.0])
    bounds = ([0.9, 0.3 * fwhm, 0.002, 1.0, -np.inf], [2.0, 2.0 * fwhm, 0.8, 2.0, np.inf])
    best = least_squares(residuals, start, bounds=bounds, x_scale=[0.1, fwhm, 0.1, 0.5, sky_error])
    if not best.success:
        return None
    total, width, inverse_beta = best.x[:3]
    covariance = np.linalg.pinv(best.jac.T @ best.jac)
    return Growth(
        correction=float(total),
        error=float(np.sqrt(max(covariance[0, 0], 0.0))),
        fwhm=float(width),
        beta=float(1.0 / inverse_beta),
        n_stars=len(light),
    )


def _stacked(light: FloatArray, error: FloatArray, reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each ring's share of the aperture's light and its standard deviation, leaving out what stands out."""
    shares, errors = light / reference[:, np.newaxis], error / reference[:, np.newaxis]
    middle = np.median(shares, axis=0)
    spread = 1.4826 * np.median(np.abs(shares - middle), axis=0)
    good = np.abs(shares - middle) < 4.0 * np.maximum(spread, errors)
    weight = np.where(good, reference[:, np.newaxis], 0.0)
    together = weight.sum(axis=0)
    share = (weight * shares).sum(axis=0) / together
    deviation = np.sqrt(((weight * errors) ** 2).sum(axis=0)) / together
    return share, np.hypot(deviation, MODEL_ERROR)


def _held(radii: FloatArray, fwhm: float, beta: float, pixels: float) -> FloatArray:
    """Return the share of a Moffat profile's light within radii, as square pixels of unit width record it."""
    alpha2 = fwhm**2 / (4.0 * (2.0 ** (1.0 / beta) - 1.0))
    stretched = 1.0 + radii**2 / alpha2
    slope = -2.0 * beta * radii * (beta - 1.0) / (np.pi * alpha2**2) * stretched ** (-beta - 1.0)
    held: FloatArray = 1.0 - stretched ** (1.0 - beta) + pixels * 2.0 * np.pi * radii / 24.0 * slope
    return held
