"""Masters: a sigma-clipped mean of many frames, and the bad pixels that a master shows."""

from __future__ import annotations

import tempfile
import warnings
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    FloatArray: TypeAlias = npt.NDArray[np.float32]

__all__ = ["clipped_mean", "deviant_pixels", "stacked"]

ROWS_AT_ONCE_BYTES = 32 * 2**20


def stacked(frames: Iterable[FloatArray], n_frames: int, max_bytes: int) -> FloatArray:
    """Gather frames into one array of shape ``(n_frames, ny, nx)``.

    Parameters
    ----------
    frames
        Arrays of one shape, taken one at a time.
    n_frames
        How many will come.
    max_bytes
        Over this size the array lies in an unnamed temporary file instead of memory.

    Raises
    ------
    ValueError
        If a frame's shape is another than the first one's.
    """
    stack: FloatArray | None = None
    for index, frame in enumerate(frames):
        if stack is None:
            shape = (n_frames, *frame.shape)
            if 4 * int(np.prod(shape)) <= max_bytes:
                stack = np.empty(shape, dtype=np.float32)
            else:
                with tempfile.TemporaryFile() as scratch:  # the map keeps the file alive
                    stack = np.memmap(scratch, dtype=np.float32, mode="w+", shape=shape)
        if frame.shape != stack.shape[1:]:
            raise ValueError(f"has {frame.shape} pixels, and the first one {stack.shape[1:]}")
        stack[index] = frame
    if stack is None:
        raise ValueError("there is no frame to combine")
    return stack


def clipped_mean(stack: FloatArray, sigma: float) -> tuple[FloatArray, FloatArray]:
    """Combine frames by a mean without outliers.

    Parameters
    ----------
    stack
        Frames, shape ``(n, ny, nx)``.
    sigma
        Values farther than this many robust standard deviations from the median of their pixel are left out.

    Returns
    -------
    mean, variance
        Each of shape ``(ny, nx)``; the variance is that of the mean, from the scatter of the frames.
    """
    from astropy import units
    from astropy.nddata import CCDData
    from astropy.stats import mad_std
    from astropy.utils.exceptions import AstropyUserWarning
    from ccdproc import Combiner

    n, ny, nx = stack.shape
    mean = np.empty((ny, nx), dtype=np.float32)
    variance = np.empty((ny, nx), dtype=np.float32)
    rows = max(1, ROWS_AT_ONCE_BYTES // (8 * n * nx))
    for first in range(0, ny, rows):
        strip = stack[:, first : first + rows]
        combiner = Combiner([CCDData(frame, unit=units.electron) for frame in strip], dtype=np.float32)
        if n >= 3:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AstropyUserWarning)  # values that are missing are clipped
                combiner.sigma_clipping(low_thresh=sigma, high_thresh=sigma, func=np.ma.median, dev_func=mad_std)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # pixels that no frame has stay NaN
            master = combiner.average_combine(uncertainty_func=_spread)
        mean[first : first + rows] = master.data
        variance[first : first + rows] = np.nan_to_num(master.uncertainty.array**2, posinf=0.0)
    return mean, variance


def _spread(values: FloatArray, axis: int) -> FloatArray:
    """Return the sample standard deviation (n - 1) of what was not clipped; 0 where a single value is left."""
    kept = np.maximum(np.count_nonzero(np.isfinite(values), axis=axis), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel without any finite value
        spread: FloatArray = np.nanstd(values, axis=axis) * np.sqrt(kept / (kept - 1))
    return np.nan_to_num(spread, nan=0.0)


def deviant_pixels(
    master: FloatArray, *, sigma: float | None = None, limits: tuple[float, float] | None = None, window: int = 11
) -> npt.NDArray[np.bool_]:
    """Find the pixels of a master that are not like their neighbours.

    Parameters
    ----------
    master
        Shape ``(ny, nx)``.
    sigma
        Find pixels that differ from the median of their row's neighbourhood by more than this many robust standard
        deviations of such differences.
    limits
        Find pixels whose ratio to that median lies outside of these two.
    window
        Width of the neighbourhood in px: wide enough to see a column by its neighbours.

    Returns
    -------
    deviant
        Shape ``(ny, nx)``; pixels that are not finite are deviant.
    """
    from scipy.ndimage import median_filter

    finite = np.isfinite(master)
    filled = np.where(finite, master, np.median(master[finite]) if finite.any() else 0.0)
    level: FloatArray = median_filter(filled, size=(1, window), mode="nearest")
    deviant: npt.NDArray[np.bool_] = ~finite
    if sigma is not None:
        # The 90th percentile and not a median: a pixel that is its own neighbourhood's median differs by 0.
        difference = np.abs(filled - level)
        spread = max(float(np.percentile(difference, 90)) / 1.645, float(np.finfo(np.float32).tiny))
        deviant |= difference > sigma * spread
    if limits is not None:
        low, high = limits
        deviant |= (filled < level * low) | (filled > level * high)
    return deviant
