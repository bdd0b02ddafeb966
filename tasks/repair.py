"""Repair of pixels: defects are bridged, cosmic rays found (L.A.Cosmic) and replaced by their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from lsst.pex.config import Config, RangeField
from lsst.pipe.base import Struct, Task

from tasks.planes import has, mark

if TYPE_CHECKING:
    import numpy.typing as npt

    from underbutler.butlers import CcdImage

__all__ = ["CosmicRayConfig", "CosmicRayTask", "bridge"]


class CosmicRayConfig(Config):
    """Parameters of astroscrappy; its own defaults."""

    sigclip = RangeField[float]("Laplacian-to-noise limit.", default=4.5, min=0.0, inclusiveMin=False)
    sigfrac = RangeField[float]("Fraction of that limit for neighbours.", default=0.3, min=0.0, max=1.0)
    objlim = RangeField[float](
        "Least contrast to fine structure: raise it when cores of stars are flagged.", default=5.0, min=0.0
    )
    niter = RangeField[int]("Number of iterations.", default=4, min=1, max=20)
    threads = RangeField[int]("OpenMP threads of one target: workers run side by side.", default=1, min=1, max=64)


class CosmicRayTask(Task):
    """Find cosmic rays in an image in electrons, sky included, and replace them."""

    ConfigClass = CosmicRayConfig
    _DefaultName = "cosmicRay"

    def run(self, exposure: CcdImage, read_noise_e: float) -> Struct:
        """Find and replace cosmic rays, in place.

        Parameters
        ----------
        exposure
            Image in electrons, shape ``(ny, nx)``, the sky not subtracted, bad pixels not yet bridged. Its pixels that
            are hit get the planes CR and INTRP and the masked mean of their 5 by 5 neighbours.
        read_noise_e
            Read noise in electrons.

        Returns
        -------
        struct
            ``n_cosmic_rays``: hits, counted as groups of touching pixels; ``n_cosmic_ray_pixels``.

        Notes
        -----
        The algorithm is van Dokkum 2001, PASP 113, 1420, as astroscrappy implements it. It looks at an image whose bad
        pixels have the lower of their neighbours' values: a straight line would make a star of a hit beside a bad
        column.
        """
        import astroscrappy
        from scipy import ndimage
        from threadpoolctl import threadpool_limits

        config = self.config
        with threadpool_limits(limits=config.threads, user_api="openmp"):
            hit, clean = astroscrappy.detect_cosmics(
                _lowered(exposure),
                inmask=has(exposure.mask, "SAT", "NO_DATA"),  # it is blind around masked pixels
                gain=1.0,
                readnoise=read_noise_e,
                satlevel=np.inf,
                sigclip=config.sigclip,
                sigfrac=config.sigfrac,
                objlim=config.objlim,
                niter=config.niter,
            )
        hit &= ~has(exposure.mask, "BAD")
        exposure.image[hit] = clean[hit]
        mark(exposure.mask, "CR", hit)
        mark(exposure.mask, "INTRP", hit)
        _, n_groups = ndimage.label(hit, structure=np.ones((3, 3)))
        return Struct(n_cosmic_rays=int(n_groups), n_cosmic_ray_pixels=int(np.count_nonzero(hit)))


def bridge(exposure: CcdImage) -> int:
    """Replace bad pixels by a straight line between the nearest good ones of their row, in place.

    Parameters
    ----------
    exposure
        Image of shape ``(ny, nx)``. Pixels of the plane BAD get a value, a variance and the plane INTRP. In a row
        without a good pixel they stay as they are and get the plane NO_DATA.

    Returns
    -------
    n_bridged
        Number of pixels that were replaced.
    """
    bad = has(exposure.mask, "BAD")
    usable = ~(bad | has(exposure.mask, "NO_DATA"))
    bridged = bad & usable.any(axis=1, keepdims=True)
    mark(exposure.mask, "NO_DATA", bad & ~bridged)
    mark(exposure.mask, "INTRP", bridged)
    columns = np.arange(bad.shape[1])
    for row in np.flatnonzero(bridged.any(axis=1)):
        good, holes = np.flatnonzero(usable[row]), np.flatnonzero(bridged[row])
        for plane in (exposure.image, exposure.variance):
            plane[row, holes] = np.interp(columns[holes], good, plane[row, good])
    return int(np.count_nonzero(bridged))


def _lowered(exposure: CcdImage) -> npt.NDArray[np.float32]:
    """Return a copy whose bad pixels have the lower value of the nearest good ones to their left and right."""
    bad = has(exposure.mask, "BAD")
    image = exposure.image.copy()
    for row in np.flatnonzero(bad.any(axis=1)):
        good, holes = np.flatnonzero(~bad[row]), np.flatnonzero(bad[row])
        if good.size:
            right = np.searchsorted(good, holes)
            values = image[row, good]
            image[row, holes] = np.minimum(values[np.maximum(right - 1, 0)], values[np.minimum(right, good.size - 1)])
    return image
