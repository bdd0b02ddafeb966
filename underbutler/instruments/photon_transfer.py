"""Gain and read noise of an amplifier from two flats and two biases: the photon transfer method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from underbutler.errors import UsageError

__all__ = ["PhotonTransfer", "contradicts", "photon_transfer"]

TILE: Final = 32
"""Side of the tiles within which the light is taken for even, in px."""

SIGMAS: Final = 5.0
"""Differences farther off are cosmic rays and bad pixels."""

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotonTransfer:
    """Gain and read noise of one amplifier.

    Parameters
    ----------
    gain, gain_error
        In e-/ADU.
    read_noise
        In e-.
    level
        Light of the flats in ADU.
    """

    gain: float
    gain_error: float
    read_noise: float
    level: float


def photon_transfer(
    flats: tuple[FloatArray, FloatArray], biases: tuple[FloatArray, FloatArray], box: tuple[slice, slice] | None = None
) -> PhotonTransfer:
    """Measure gain and read noise.

    Parameters
    ----------
    flats, biases
        Two of each in ADU, of one shape.
    box
        Light-sensitive pixels; None: all.

    Returns
    -------
    measured
        The gain is the light over the variance that it adds [1]_, in tiles so small that the light in them is even.
        The difference of two flats is free of their common structure; the second is scaled to the first, since lamps
        change.

    Raises
    ------
    UsageError
        If shapes differ, or the flats have no light over the biases.

    References
    ----------
    .. [1] Janesick, J. R. 2001, Scientific Charge-Coupled Devices, SPIE Press, chapter 2.
    """
    shapes = {frame.shape for frame in (*flats, *biases)}
    if len(shapes) != 1:
        raise UsageError(f"The flats and biases have different shapes: {', '.join(map(str, sorted(shapes)))}.")
    where = box or (slice(None), slice(None))
    first, second = (np.asarray(frame[where], dtype=np.float64) for frame in flats)
    zero, other = (np.asarray(frame[where], dtype=np.float64) for frame in biases)
    bias = np.median((zero + other) / 2)
    light, again = float(np.median(first) - bias), float(np.median(second) - bias)
    noise = _variance(zero - other) / 2
    if light <= 3 * np.sqrt(noise) or again <= 3 * np.sqrt(noise):
        raise UsageError(
            f"The flats have no light: {light:.1f} and {again:.1f} ADU over the biases. Take brighter ones."
        )
    ratio = light / again
    signals, variances, pixels = _tiles(first - bias, ratio * (second - bias))
    added = variances - noise * (1 + ratio**2)
    good = np.abs(added / signals - np.median(added / signals)) <= SIGMAS * _spread(added / signals)
    total = float(np.sum(added[good] * pixels[good]))
    if total <= 0:
        raise UsageError("The flats scatter less than the biases: they are not raw. Take the camera's own frames.")
    gain = float(np.sum(signals[good] * pixels[good])) * (1 + ratio) / total
    return PhotonTransfer(
        gain=gain,
        gain_error=gain * float(np.sqrt(2 / np.sum(pixels[good]))),
        read_noise=gain * float(np.sqrt(noise)),
        level=light,
    )


def contradicts(measured: float, said: float) -> bool:
    """Tell whether a gain differs from a measured one by a factor of 2 or more."""
    return not 0.5 < said / measured < 2.0


def _tiles(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return of each tile the mean of the first frame, the variance of the difference, and the number of pixels."""
    rows, columns = first.shape
    side = min(TILE, rows, columns)
    found = []
    for y in range(0, rows - side + 1, side):
        for x in range(0, columns - side + 1, side):
            here = (slice(y, y + side), slice(x, x + side))
            found.append((np.median(first[here]), _variance(first[here] - second[here]), float(side * side)))
    signals, variances, pixels = np.array(found).T
    lit = signals > 0
    return signals[lit], variances[lit], pixels[lit]


def _variance(difference: FloatArray) -> float:
    """Return the variance without what is far off."""
    centred = difference - np.median(difference)
    spread = _spread(centred) or 1.0
    return float(np.var(centred[np.abs(centred) <= SIGMAS * max(spread, 0.5)]))


def _spread(values: FloatArray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
