"""Repair of pixels: defects are bridged, cosmic rays found (L.A.Cosmic) and replaced by their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
            Image in electrons, shape ``(ny, nx)``, the sky not subtracted. Its pixels that are hit get the planes CR and
            INTRP and the masked mean of their 5 by 5 neighbours.
        read_noise_e
            Read noise in electrons.

        Returns
        -------
        struct
            ``n_cosmic_rays``: hits, counted as groups of touching pixels; ``n_cosmic_ray_pixels``.

        Notes
        -----
        The algorithm is van Dokkum 2001, PASP 113, 1420, as astroscrappy implements it.
        """
        import astroscrappy
        from scipy import ndimage
        from threadpoolctl import threadpool_limits

        config = self.config
        with threadpool_limits(limits=config.threads, user_api="openmp"):
            hit, clean = astroscrappy.detect_cosmics(
                exposure.image,
                inmask=has(exposure.mask, "BAD", "SAT", "NO_DATA"),
                gain=1.0,
                readnoise=read_noise_e,
                satlevel=np.inf,
                sigclip=config.sigclip,
                sigfrac=config.sigfrac,
                objlim=config.objlim,
                niter=config.niter,
            )
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
        Image of shape ``(ny, nx)``. Pixels of the plane BAD get a value, a variance and the plane INTRP. A row without a
        good pixel is left as it is and marked NO_DATA.

    Returns
    -------
    n_bridged
        Number of pixels that were replaced.
    """
    bad = has(exposure.mask, "BAD")
    unusable = bad | has(exposure.mask, "NO_DATA")
    columns = np.arange(bad.shape[1])
    bridged: npt.NDArray[np.bool_] = np.zeros_like(bad)
    planes: tuple[npt.NDArray[Any], ...] = (exposure.image, exposure.variance)
    for row in np.flatnonzero(bad.any(axis=1)):
        good = np.flatnonzero(~unusable[row])
        if not good.size:
            mark(exposure.mask[row], "NO_DATA", bad[row])
            continue
        holes = np.flatnonzero(bad[row])
        for plane in planes:
            plane[row, holes] = np.interp(columns[holes], good, plane[row, good])
        bridged[row, holes] = True
    mark(exposure.mask, "INTRP", bridged)
    return int(np.count_nonzero(bridged))
