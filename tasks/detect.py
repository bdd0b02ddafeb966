"""The sky's background, and the sources over it: sep's background, detection and deblending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from lsst.pex.config import Config, ListField, RangeField
from lsst.pipe.base import Struct, Task

from tasks.extraction import NoRoomError, extract_with_room
from tasks.planes import has, mark
from underbutler.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from underbutler.butlers import CcdImage

    Objects: TypeAlias = npt.NDArray[np.void]

__all__ = ["Background", "DetectConfig", "DetectTask"]


LEAST_CELLS = 0.5  # of the mesh must show more sky than sources
SAMPLES = 1_000_000  # pixels that show where the sky's mean is


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A model of the sky.

    Parameters
    ----------
    model
        The sky in electrons, shape ``(ny, nx)``.
    level
        Its global value, in electrons.
    rms
        Global standard deviation of the sky, in electrons.
    """

    model: npt.NDArray[np.float32]
    level: float
    rms: float


class DetectConfig(Config):
    """What counts as a source."""

    threshold = RangeField[float](
        "Least height over the background, in units of the sky's global standard deviation, after a 3 by 3 smoothing.",
        default=1.5,
        min=0.0,
        inclusiveMin=False,
    )
    minarea = RangeField[int]("Least number of touching pixels over the threshold.", default=5, min=1)
    deblendLevels = RangeField[int]("Number of thresholds of deblending.", default=32, min=1)
    deblendContrast = RangeField[float](
        "Least share of a blend's flux that a deblended part has. In a crowd a blend is half a frame, and none of its "
        "stars has the 0.5 % that are usual elsewhere; below 1e-5 noise divides galaxies.",
        default=1e-4,
        min=0.0,
        max=1.0,
    )
    wings = ListField[float](
        "How much wider than its isophote a source is left out of the background, the first that leaves enough sky.",
        default=[3.0, 2.0, 1.5],
    )
    mesh = RangeField[int]("Width of a background mesh cell, in px.", default=64, min=8)
    meshFilter = RangeField[int]("Width of the median filter over mesh cells.", default=3, min=1)
    maxDefective = RangeField[float](
        "Fraction of defective pixels over which a detection is not a source.", default=0.5, min=0.0, max=1.0
    )
    maxPixels = RangeField[int](
        "Most pixels over the threshold that sep may hold; as many as memory allows, unless given.",
        optional=True,
        min=10_000,
    )


class DetectTask(Task):
    """Model the background twice, the second time without the sources that the first one showed, and detect."""

    ConfigClass = DetectConfig
    _DefaultName = "detect"

    def run(self, exposure: CcdImage) -> Struct:
        """Detect sources, and subtract the background in place.

        Parameters
        ----------
        exposure
            Image in electrons, shape ``(ny, nx)``. On return its background is subtracted and the pixels of sources
            carry the plane DETECTED.

        Returns
        -------
        struct
            ``objects`` (sep's structured array, one row per source), ``segments`` (number of each pixel's source
            counted from 1, else 0, shape ``(ny, nx)``), ``background``.

        Raises
        ------
        UsageError
            If no pixel is usable, or more are over the threshold than memory holds.
        """
        unusable = has(exposure.mask, "NO_DATA")
        background = self._background(exposure.image, unusable)
        objects, segments = self._extract(exposure.image - background.model, background.rms, unusable)
        sky = self._sky(objects, segments, unusable)
        background = self._background(exposure.image, unusable if sky is None else ~sky)
        if sky is not None:
            background = _centred(background, exposure.image, sky)
        exposure.image -= background.model
        exposure.image[unusable] = 0.0
        objects, segments = self._extract(exposure.image, background.rms, unusable)
        objects, segments = self._without_defects(objects, segments, has(exposure.mask, "BAD", "NO_DATA"))
        mark(exposure.mask, "DETECTED", segments > 0)
        return Struct(objects=objects, segments=segments, background=background)

    def _background(self, image: npt.NDArray[np.float32], ignored: npt.NDArray[np.bool_]) -> Background:
        import sep

        if ignored.all():
            raise UsageError("No pixel of the frame is free of sources and defects: there is no sky to model.")
        ny, nx = image.shape
        mesh, width = self.config.mesh, self.config.meshFilter
        model = sep.Background(
            np.ascontiguousarray(image), mask=ignored, bw=min(mesh, nx), bh=min(mesh, ny), fw=width, fh=width
        )
        return Background(model=model.back(dtype=np.float32), level=float(model.globalback), rms=float(model.globalrms))

    def _sky(
        self, objects: Objects, segments: npt.NDArray[np.int32], unusable: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_] | None:
        """Return the pixels that show sky: outside of sources and, as far as enough are left, of their wings.

        None if sources cover so much that the mesh would have nothing to go by.
        """
        import sep

        if not len(objects):
            return ~unusable
        x, y, theta = (np.asarray(objects[name], float) for name in ("x", "y", "theta"))
        a, b = (np.maximum(objects[name], 0.3).astype(float) for name in ("a", "b"))
        isophote = np.sqrt(objects["npix"] / (np.pi * a * b))
        for growth in (*self.config.wings, 0.0):
            covered = segments > 0
            if growth:
                sep.mask_ellipse(covered, x, y, a, b, theta, r=growth * isophote)
            sky = ~(unusable | covered)
            if _filled_cells(sky, self.config.mesh) >= LEAST_CELLS:
                return sky
        return None

    def _extract(
        self, image: npt.NDArray[np.float32], rms: float, unusable: npt.NDArray[np.bool_]
    ) -> tuple[Objects, npt.NDArray[np.int32]]:
        config = self.config
        try:
            objects, segments = extract_with_room(
                image,
                config.threshold,
                max_pixels=config.maxPixels,
                err=rms,
                mask=unusable if unusable.any() else None,
                minarea=config.minarea,
                deblend_nthresh=config.deblendLevels,
                deblend_cont=config.deblendContrast,
            )
        except NoRoomError as error:
            raise UsageError(
                f"Detection at {config.threshold} sigma (sky rms {rms:.3g} e-) failed: {error}. The frame has too much "
                "over the threshold: raise -c detect.threshold=…, or detect.maxPixels=… where it is given.",
                threshold=config.threshold,
            ) from error
        return objects, segments

    def _without_defects(
        self, objects: Objects, segments: npt.NDArray[np.int32], defective: npt.NDArray[np.bool_]
    ) -> tuple[Objects, npt.NDArray[np.int32]]:
        """Drop detections that consist of defects, and number the others anew."""
        pixels = np.bincount(segments.ravel(), minlength=len(objects) + 1)[1:]
        defects = np.bincount(segments[defective], minlength=len(objects) + 1)[1:]
        kept = defects <= self.config.maxDefective * np.maximum(pixels, 1)
        renumbered = np.zeros(len(objects) + 1, dtype=np.int32)
        renumbered[1:][kept] = np.arange(1, np.count_nonzero(kept) + 1, dtype=np.int32)
        return objects[kept], renumbered[segments]


def _filled_cells(sky: npt.NDArray[np.bool_], mesh: int) -> float:
    """Return the fraction of mesh cells of which more than half is sky."""
    ny, nx = sky.shape
    rows, columns = np.arange(0, ny, mesh), np.arange(0, nx, mesh)
    counts = np.add.reduceat(np.add.reduceat(sky.astype(np.int32), rows, axis=0), columns, axis=1)
    sizes = np.outer(np.diff([*rows, ny]), np.diff([*columns, nx]))
    return float(np.mean(counts > 0.5 * sizes))


def _centred(background: Background, image: npt.NDArray[np.float32], sky: npt.NDArray[np.bool_]) -> Background:
    """Return the background moved to the mean of the sky's pixels.

    The mesh estimates a mode, which lies under the mean of photon noise and jumps with whole counts; what photometry
    sums up is the mean.
    """
    step = max(1, int(np.sqrt(sky.size / SAMPLES)))
    rest = (image[::step, ::step] - background.model[::step, ::step])[sky[::step, ::step]]
    for _ in range(3):
        middle, spread = float(np.mean(rest)), float(np.std(rest))
        rest = rest[np.abs(rest - middle) <= 4.0 * spread]
    offset = float(np.mean(rest))
    return Background(
        model=background.model + np.float32(offset), level=float(np.mean(background.model)) + offset, rms=background.rms
    )
