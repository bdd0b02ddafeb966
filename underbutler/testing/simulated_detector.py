"""A simulated CCD: what is true of it whatever it looks at, and how it reads out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["OVERSCAN_COLUMNS", "READ_NOISE_E", "SATURATION_ADU", "Detector"]

FloatArray: TypeAlias = npt.NDArray[np.float64]

OVERSCAN_COLUMNS = 32
BIAS_LEVEL_ADU = 1000.0
READ_NOISE_E = 6.0
SATURATION_ADU = 60000
DEAD_RESPONSE = 0.05
N_BAD_COLUMNS, N_DEAD_COLUMNS = 5, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """What is true of one detector, whatever it looks at.

    Parameters
    ----------
    number
        Its ``DETECTOR``.
    gain
        Electrons per ADU.
    response
        Relative response of each pixel, shape ``(ny, nx)``, median 1; holds vignetting, dust and dead columns.
    bias
        Structure over the overscan level, shape ``(ny, nx)``, in ADU; holds hot columns.
    bad_columns
        0-based numbers of the columns that are dead or hot, wholly or in part.
    """

    number: int
    gain: float
    response: FloatArray
    bias: FloatArray
    bad_columns: tuple[int, ...]

    @classmethod
    def drawn(cls, number: int, rng: np.random.Generator, shape: tuple[int, int]) -> Detector:
        """Draw a detector of so many rows and columns."""
        response, bias = _response(rng, shape), _bias(rng, shape)
        columns = np.sort(rng.choice(np.arange(8, shape[1] - 8, 6), size=N_BAD_COLUMNS, replace=False))
        shuffled = rng.permutation(columns)
        for rank, column in enumerate(shuffled[:N_DEAD_COLUMNS]):
            response[_first_bad_row(rank, rng, shape[0]) :, column] *= DEAD_RESPONSE
        for rank, column in enumerate(shuffled[N_DEAD_COLUMNS:]):
            bias[_first_bad_row(rank, rng, shape[0]) :, column] += rng.uniform(150.0, 400.0)
        gain = 1.5 + 0.2 * (number % 4)
        return cls(number=number, gain=gain, response=response, bias=bias, bad_columns=tuple(columns.tolist()))

    def read_out(self, electrons: FloatArray, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
        """Turn electrons into counts: gain, bias, read noise, 16 bits, an overscan strip to the right.

        Parameters
        ----------
        electrons
            Shape ``(ny, nx)``.
        rng
            Where the noise comes from.

        Returns
        -------
        counts
            Shape ``(ny, nx + OVERSCAN_COLUMNS)``.
        """
        ny, nx = electrons.shape
        counts = np.empty((ny, nx + OVERSCAN_COLUMNS), dtype=np.float32)
        drift = np.cumsum(rng.normal(0.0, 0.02, size=ny))[:, np.newaxis]
        counts[...] = BIAS_LEVEL_ADU + 3.0 * self.number + drift
        counts[:, :nx] += electrons / self.gain + self.bias
        counts += rng.standard_normal(counts.shape, dtype=np.float32) * np.float32(READ_NOISE_E / self.gain)
        return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)


def _response(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Return vignetting, rings of dust and pixels that differ by 1 %, of median 1."""
    ny, nx = shape
    y, x = np.mgrid[0:ny, 0:nx].astype(float)
    u, v = (x - nx * rng.uniform(0.45, 0.55)) / nx, (y - ny * rng.uniform(0.45, 0.55)) / ny
    response: FloatArray = 1.0 - 0.45 * (u**2 + v**2)
    for _ in range(4):  # out of focus: each grain shades a ring
        radius = np.hypot(x - rng.uniform(0, nx), y - rng.uniform(0, ny)) / (0.03 * min(shape))
        response *= 1.0 - 0.06 * np.exp(-8.0 * (radius - 1.0) ** 2)
    response *= rng.normal(1.0, 0.01, size=shape)
    response /= np.median(response)
    return response


def _bias(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Return a slope, a glowing corner and columns that differ, in ADU."""
    ny, nx = shape
    y, x = np.mgrid[0:ny, 0:nx].astype(float)
    bias: FloatArray = 4.0 * (x / nx - 0.5) - 3.0 * (y / ny - 0.5)
    bias += 25.0 * np.exp(-np.hypot(x, y) / (0.05 * min(shape)))
    bias += rng.normal(0.0, 1.5, size=nx)[np.newaxis, :]
    return bias


def _first_bad_row(rank: int, rng: np.random.Generator, n_rows: int) -> int:
    """Return where a bad column begins: the first of a kind is bad from end to end, others in part."""
    return 0 if rank == 0 else int(rng.integers(n_rows // 8, n_rows // 2))
