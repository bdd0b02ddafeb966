"""Positions, shapes and fluxes of sources: sep's windowed centroids, aperture and Kron photometry; the source table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from lsst.pex.config import Config, RangeField
from lsst.pipe.base import Struct, Task

from tasks.flags import blends_of, source_flags, with_aperture
from tasks.growth import Growth, Stars, growth_of_stars
from tasks.planes import has
from tasks.psf import MAX_STARS, fwhm_in_a_crowd, fwhm_of_stars
from tasks.shapes import GAUSSIAN_FWHM, concentration, windowed_shapes
from tasks.source_table import source_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from tasks.detect import Background
    from underbutler.butlers import CcdImage

    FloatArray: TypeAlias = npt.NDArray[np.float64]
    FlagArray: TypeAlias = npt.NDArray[np.bool_]

__all__ = ["MeasureConfig", "MeasureTask"]

KRON_SCALE = 2.5  # Kron 1980, ApJS 43, 305, as SExtractor's MAG_AUTO
KRON_MIN_RADIUS = 1.75


class MeasureConfig(Config):
    """Apertures, and which stars show the point-spread function."""

    aperture = RangeField[float]("Radius of the aperture, in FWHM.", default=1.5, min=0.2)
    wideAperture = RangeField[float](
        "Radius to which the curve of growth is measured, in FWHM; a profile carries it on.", default=5.0, min=1
    )
    defaultFwhm = RangeField[float]("FWHM in px that apertures assume when no star shows it.", default=4.0, min=0.5)
    minSnr = RangeField[float]("Least S/N of a star that shows the point-spread function.", default=30.0, min=1.0)
    minStars = RangeField[int]("Least number of such stars for an aperture correction.", default=5, min=1)


class MeasureTask(Task):
    """Measure detected sources."""

    ConfigClass = MeasureConfig
    _DefaultName = "measure"

    def run(
        self,
        exposure: CcdImage,
        objects: Any,
        segments: npt.NDArray[np.int32],
        background: Background | None = None,
        *,
        seconds: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Struct:
        """Measure sources on a background-subtracted image.

        Parameters
        ----------
        exposure
            Image in electrons, shape ``(ny, nx)``.
        objects
            What `DetectTask` found, length ``n``.
        segments
            Number of each pixel's source counted from 1, else 0.
        background
            What was subtracted, for the sky under each source.
        seconds
            Exposure time, for magnitudes; None if it is unknown.
        meta
            What the table's metadata say of the frame.

        Returns
        -------
        struct
            ``sources``: table of ``n`` rows, brightest first, with the columns of `tasks.source_table.DESCRIPTIONS`;
            ``fwhm_px``, None when no star shows it; ``aperture_correction``, 1 when too few stars show it; ``growth``,
            the fit behind it, or None; ``n_stars``, how many showed the point-spread function; ``notes``, what could
            not be measured as usual, a sentence each.
        """
        import sep

        x, y = np.asarray(objects["x"], float), np.asarray(objects["y"], float)
        a, b = np.maximum(objects["a"], 0.3), np.maximum(objects["b"], 0.3)
        error = np.sqrt(exposure.variance)
        holes = has(exposure.mask, "NO_DATA")
        hidden = holes if holes.any() else None
        guess = GAUSSIAN_FWHM * float(np.median(np.sqrt(a * b))) if len(x) else self.config.defaultFwhm
        guess = max(guess, 1.0)
        x, y = _windowed(exposure.image, x, y, guess, hidden)
        first, first_error, state = sep.sum_circle(exposure.image, x, y, 1.5 * guess, err=error, mask=hidden)
        flags = source_flags(exposure, objects, segments)
        stars = self._stars(first, first_error, a, b, with_aperture(flags, state))
        fwhm = fwhm_of_stars(exposure.image, x[stars], y[stars], first[stars], guess)
        crowd = stars[:0]
        if fwhm is None:
            tolerated = with_aperture(flags, state) | {"flag_blended": np.zeros(len(x), dtype=bool)}
            crowd = self._stars(first, first_error, a, b, tolerated)
            crowd = crowd if len(crowd) >= self.config.minStars else crowd[:0]
            fwhm = fwhm_in_a_crowd(exposure.image, x[crowd], y[crowd], first[crowd], guess)
        if fwhm is not None:
            x, y = _windowed(exposure.image, x, y, fwhm, hidden)
        width = fwhm or self.config.defaultFwhm
        radius = self.config.aperture * width
        flux, flux_error, state = sep.sum_circle(exposure.image, x, y, radius, err=error, mask=hidden)
        growth = None
        if fwhm is not None:
            shown = Stars(
                exposure=exposure,
                segments=segments,
                x=x,
                y=y,
                flux=flux,
                chosen=stars[:MAX_STARS],
                fwhm=fwhm,
                hidden=hidden,
            )
            growth = self._growth(shown, background)
        correction = growth.correction if growth is not None else 1.0
        columns = {
            "x": x,
            "y": y,
            "flux": flux * correction,
            "flux_error": flux_error * correction,
            "snr": np.divide(flux, flux_error, out=np.zeros_like(flux), where=flux_error > 0),
            "flux_aperture": flux,
            "aperture_radius": np.full(len(x), radius),
            **_kron(exposure.image, x, y, a, b, objects["theta"], error, hidden),
            **windowed_shapes(exposure, segments, x, y, width, hidden),
            "extendedness": concentration(exposure, x, y, flux, flux_error, stars, width, hidden),
            "peak": np.asarray(objects["peak"], float),
            "a": a,
            "b": b,
            "theta": np.degrees(objects["theta"]),
            "n_pixels": np.asarray(objects["npix"], np.int32),
            **with_aperture(flags, state),
        }
        if background is not None:
            columns["background"] = _under(background.model, x, y)
        sources = source_table(
            columns, blends=blends_of(segments, len(x)), wcs=exposure.wcs, seconds=seconds, meta=meta or {}
        )
        notes = self._notes(fwhm, growth, len(stars), len(crowd)) if len(sources) else []
        for note in notes:
            self.log.warning("%s", note)
        if growth is None:
            sources[
                "flux"
            ].description = "Aperture flux, not corrected to all light: no growth curve of stars was found"
        return Struct(
            sources=sources,
            fwhm_px=fwhm,
            aperture_correction=correction,
            growth=growth,
            n_stars=len(stars) or len(crowd),
            notes=notes,
        )

    def _notes(self, fwhm: float | None, growth: Growth | None, n_stars: int, n_crowd: int) -> list[str]:
        """Return what could not be measured as usual."""
        if growth is not None:
            return []
        if fwhm is None:
            why = f"No star shows the point-spread function: apertures assume a FWHM of {self.config.defaultFwhm:g} px"
        elif n_crowd:
            why = f"No star stands alone: the FWHM is that of the cores of {n_crowd} blended stars"
        else:
            why = f"{n_stars} stars show the FWHM, and too few of them stand alone to show all of a star's light"
        return [f"{why}. Fluxes are those of the aperture, not corrected to all light."]

    def _growth(self, stars: Stars, background: Background | None) -> Growth | None:
        """Return the curve of growth of the brightest stars, which neighbours and sky touch the least."""
        variance = stars.exposure.variance
        return growth_of_stars(
            stars,
            radius=self.config.aperture * stars.fwhm,
            reach=self.config.wideAperture,
            rms=float(np.sqrt(np.median(variance[::8, ::8]))) if background is None else background.rms,
            least=self.config.minStars,
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


def _windowed(
    image: npt.NDArray[np.float32], x: FloatArray, y: FloatArray, fwhm: float, hidden: FlagArray | None
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
    hidden: FlagArray | None,
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


def _under(model: npt.NDArray[np.float32], x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the sky's model at the sources' pixels, shape ``(n,)``."""
    ny, nx = model.shape
    rows, columns = np.clip(np.rint(y), 0, ny - 1).astype(int), np.clip(np.rint(x), 0, nx - 1).astype(int)
    under: FloatArray = model[rows, columns].astype(float)
    return under
