"""Positions, shapes and fluxes of sources: sep's windowed centroids, aperture and Kron photometry; the source table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from lsst.pex.config import Config, RangeField
from lsst.pipe.base import Struct, Task

from tasks.planes import has
from tasks.psf import MAX_STARS, fwhm_of_stars

if TYPE_CHECKING:
    import numpy.typing as npt
    from astropy.table import Table

    from underbutler.butlers import CcdImage

    FloatArray: TypeAlias = npt.NDArray[np.float64]
    FlagArray: TypeAlias = npt.NDArray[np.bool_]

__all__ = ["MeasureConfig", "MeasureTask"]

GAUSSIAN_FWHM = 2.3548  # FWHM of a Gaussian over its standard deviation
KRON_SCALE = 2.5  # Kron 1980, ApJS 43, 305, as SExtractor's MAG_AUTO
KRON_MIN_RADIUS = 1.75
SEP_TRUNCATED, SEP_BLENDED = 0x2, 0x1


class MeasureConfig(Config):
    """Apertures, and which stars show the point-spread function."""

    aperture = RangeField[float]("Radius of the aperture, in FWHM.", default=1.5, min=0.2)
    wideAperture = RangeField[float](
        "Radius that holds all light, in FWHM: ends the curve of growth.", default=3.0, min=1
    )
    defaultFwhm = RangeField[float]("FWHM in px that apertures assume when no star shows it.", default=4.0, min=0.5)
    minSnr = RangeField[float]("Least S/N of a star that shows the point-spread function.", default=30.0, min=1.0)
    minStars = RangeField[int]("Least number of such stars for an aperture correction.", default=5, min=1)


class MeasureTask(Task):
    """Measure detected sources."""

    ConfigClass = MeasureConfig
    _DefaultName = "measure"

    def run(self, exposure: CcdImage, objects: Any, segments: npt.NDArray[np.int32]) -> Struct:
        """Measure sources on a background-subtracted image.

        Parameters
        ----------
        exposure
            Image in electrons, shape ``(ny, nx)``.
        objects
            What `DetectTask` found, length ``n``.
        segments
            Number of each pixel's source counted from 1, else 0.

        Returns
        -------
        struct
            ``sources``: table of ``n`` rows, brightest first, see `_table`; ``fwhm_px``, None when no star shows it;
            ``aperture_correction``, 1 when too few stars show it; ``n_stars``, how many showed it.
        """
        import sep

        flags = _flags(exposure, objects, segments)
        x, y = np.asarray(objects["x"], float), np.asarray(objects["y"], float)
        a, b = np.maximum(objects["a"], 0.3), np.maximum(objects["b"], 0.3)
        error = np.sqrt(exposure.variance)
        hidden = has(exposure.mask, "NO_DATA")
        guess = GAUSSIAN_FWHM * float(np.median(np.sqrt(a * b))) if len(x) else self.config.defaultFwhm
        guess = max(guess, 1.0)
        x, y = _windowed(exposure.image, x, y, guess, hidden)
        first, first_error, _ = sep.sum_circle(exposure.image, x, y, 1.5 * guess, err=error, mask=hidden)
        stars = self._stars(first, first_error, a, b, flags)
        fwhm = fwhm_of_stars(exposure.image, x[stars], y[stars], first[stars], guess)
        if fwhm is not None:
            x, y = _windowed(exposure.image, x, y, fwhm, hidden)
        width = fwhm or self.config.defaultFwhm
        radius = self.config.aperture * width
        flux, flux_error, _ = sep.sum_circle(exposure.image, x, y, radius, err=error, mask=hidden)
        wide, _, _ = sep.sum_circle(exposure.image, x, y, self.config.wideAperture * width, mask=hidden)
        correction = self._correction(wide[stars], flux[stars])
        kron = _kron(exposure.image, x, y, a, b, objects["theta"], error, hidden)
        columns = {
            "x": x,
            "y": y,
            "flux": flux * correction,
            "flux_error": flux_error * correction,
            "snr": np.divide(flux, flux_error, out=np.zeros_like(flux), where=flux_error > 0),
            "flux_aperture": flux,
            "aperture_radius": np.full(len(x), radius),
            **kron,
            "peak": np.asarray(objects["peak"], float),
            "a": a,
            "b": b,
            "theta": np.degrees(objects["theta"]),
            "n_pixels": np.asarray(objects["npix"], np.int32),
            **flags,
        }
        return Struct(
            sources=_table(columns, exposure.wcs),
            fwhm_px=fwhm,
            aperture_correction=correction,
            n_stars=len(stars),
        )

    def _stars(
        self, flux: FloatArray, error: FloatArray, a: FloatArray, b: FloatArray, flags: dict[str, FlagArray]
    ) -> npt.NDArray[np.intp]:
        """Return the numbers of bright, round, clean sources, the brightest first."""
        clean = ~np.logical_or.reduce(list(flags.values())) & (flux > self.config.minSnr * error) & (a < 1.5 * b)
        size = np.sqrt(a * b)
        if clean.any():
            clean &= size < 1.5 * np.median(size[clean])  # galaxies and blends are wider
        order: npt.NDArray[np.intp] = np.argsort(-flux)
        bright: npt.NDArray[np.intp] = order[clean[order]]
        return bright

    def _correction(self, wide: FloatArray, flux: FloatArray) -> float:
        wide, flux = wide[:MAX_STARS], flux[:MAX_STARS]  # the brightest: the least touched by neighbours and sky
        good = (wide > 0) & (flux > 0)
        if np.count_nonzero(good) < self.config.minStars:
            return 1.0
        return float(np.median(wide[good] / flux[good]))


def _windowed(
    image: npt.NDArray[np.float32], x: FloatArray, y: FloatArray, fwhm: float, hidden: FlagArray
) -> tuple[FloatArray, FloatArray]:
    """Return Gaussian-windowed centroids; where they wander off by more than a FWHM, what was given."""
    import sep

    if not len(x):
        return x, y
    wx, wy, _ = sep.winpos(image, x, y, fwhm / GAUSSIAN_FWHM, mask=hidden)
    near = np.hypot(wx - x, wy - y) < fwhm
    return np.where(near, wx, x), np.where(near, wy, y)


def _kron(
    image: npt.NDArray[np.float32],
    x: FloatArray,
    y: FloatArray,
    a: FloatArray,
    b: FloatArray,
    theta: FloatArray,
    error: npt.NDArray[np.float32],
    hidden: FlagArray,
) -> dict[str, FloatArray]:
    """Return Kron fluxes in an ellipse of 2.5 Kron radii, in a small circle where that is tiny."""
    import sep

    theta = np.clip(theta, -np.pi / 2, np.pi / 2)
    radius, _ = sep.kron_radius(image, x, y, a, b, theta, 6.0, mask=hidden)
    radius = np.clip(np.nan_to_num(radius, nan=0.0), 0.0, 6.0)
    flux, flux_error, _ = sep.sum_ellipse(
        image, x, y, a, b, theta, np.maximum(KRON_SCALE * radius, 0.1), err=error, mask=hidden, subpix=1
    )
    small = radius * np.sqrt(a * b) < KRON_MIN_RADIUS
    circle, circle_error, _ = sep.sum_circle(
        image, x[small], y[small], KRON_MIN_RADIUS, err=error, mask=hidden, subpix=1
    )
    flux[small], flux_error[small] = circle, circle_error
    return {"flux_kron": flux, "flux_kron_error": flux_error, "kron_radius": radius}


def _flags(exposure: CcdImage, objects: Any, segments: npt.NDArray[np.int32]) -> dict[str, FlagArray]:
    """Return for each plane whether a source has such a pixel, and what detection says; each of shape ``(n,)``."""
    n = len(objects)
    flags: dict[str, FlagArray] = {}
    for name, plane in (("bad", "BAD"), ("saturated", "SAT"), ("cosmic_ray", "CR"), ("edge", "EDGE")):
        owners = segments[has(exposure.mask, plane)]
        flags[f"flag_{name}"] = np.bincount(owners, minlength=n + 1)[1 : n + 1] > 0
    flags["flag_edge"] |= (objects["flag"] & SEP_TRUNCATED) != 0
    flags["flag_blended"] = (objects["flag"] & SEP_BLENDED) != 0
    return flags


DESCRIPTIONS: dict[str, tuple[str | None, str]] = {
    "id": (None, "Number of the source, from 1, the brightest first"),
    "x": ("pix", "Windowed centroid, column, 0-based"),
    "y": ("pix", "Windowed centroid, row, 0-based"),
    "ra": ("deg", "Right ascension"),
    "dec": ("deg", "Declination"),
    "flux": ("electron", "Aperture flux, corrected to all light"),
    "flux_error": ("electron", "Its standard deviation"),
    "snr": (None, "Aperture flux over its standard deviation"),
    "flux_aperture": ("electron", "Aperture flux"),
    "aperture_radius": ("pix", "Radius of the aperture"),
    "flux_kron": ("electron", "Flux in 2.5 Kron radii"),
    "flux_kron_error": ("electron", "Its standard deviation"),
    "kron_radius": (None, "Kron radius in units of a and b"),
    "peak": ("electron", "Highest pixel"),
    "a": ("pix", "Standard deviation along the major axis"),
    "b": ("pix", "Standard deviation along the minor axis"),
    "theta": ("deg", "Angle of the major axis from +x to +y"),
    "n_pixels": (None, "Pixels over the threshold"),
    "flag_bad": (None, "Has a pixel that a calibration calls bad"),
    "flag_saturated": (None, "Has a saturated pixel"),
    "flag_cosmic_ray": (None, "Has a pixel that a cosmic ray hit"),
    "flag_edge": (None, "Touches the border"),
    "flag_blended": (None, "Was deblended from a neighbour"),
}
"""Unit and description of the source table's columns."""


def _table(columns: dict[str, Any], wcs: Any) -> Table:
    """Return the source table, brightest first; with ``ra`` and ``dec`` when the frame has a celestial WCS."""
    from astropy.table import Table

    order = np.argsort(-columns["flux"], kind="stable")
    table = Table()
    table["id"] = np.arange(1, len(order) + 1, dtype=np.int32)
    for name, values in columns.items():
        table[name] = np.asarray(values)[order]
    if wcs is not None and wcs.has_celestial:
        ra, dec = wcs.celestial.all_pix2world(table["x"], table["y"], 0) if len(order) else (np.empty(0), np.empty(0))
        table.add_columns([ra, dec], names=["ra", "dec"], indexes=[3, 3])
    for name, (unit, description) in DESCRIPTIONS.items():
        if name in table.colnames:
            table[name].unit = unit
            table[name].description = description
    return table
