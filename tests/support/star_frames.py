"""Raw frames of stars of one profile and known flux over an even sky, as a detector without faults records them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.nddata import CCDData

from tasks.process_ccd import ProcessCcdTask

__all__ = ["GAIN", "READ_NOISE_E", "SKY_E", "StarFrame", "raw_frame", "reduce_frame", "star_frame"]

GAIN, READ_NOISE_E, SKY_E = 1.5, 6.0, 130.0
OVERSAMPLING = 5
STAMP = 45

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StarFrame:
    """Electrons of a frame, and the truth of its stars: 0-based px and electrons."""

    electrons: Array
    x: Array
    y: Array
    flux: Array


def star_frame(
    fwhm: float,
    beta: float | None,
    *,
    shape: tuple[int, int] = (512, 512),
    number: int = 64,
    flux: tuple[float, float] = (2e4, 3e5),
    seed: int = 1,
) -> StarFrame:
    """Draw stars on a jittered grid, Moffat profiles of exponent `beta` or Gaussians if it is None."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(number)))
    cell_y, cell_x = shape[0] / side, shape[1] / side
    rows, columns = np.divmod(np.arange(number), side)
    x = (columns + 0.5 + rng.uniform(-0.15, 0.15, number)) * cell_x
    y = (rows + 0.5 + rng.uniform(-0.15, 0.15, number)) * cell_y
    fluxes = np.exp(rng.uniform(*np.log(flux), number))
    scene = np.full(shape, SKY_E)
    for one in zip(x, y, fluxes, strict=True):
        _add(scene, *one, fwhm, beta)
    return StarFrame(rng.poisson(scene) + READ_NOISE_E * rng.standard_normal(shape), x, y, fluxes)


def raw_frame(electrons: Array, **cards: Any) -> CCDData:
    """Return electrons as a raw frame without overscan."""
    header = {"GAIN": GAIN, "RDNOISE": READ_NOISE_E, "EXPTIME": 10.0} | cards
    return CCDData(np.round(electrons / GAIN).astype(np.float32), unit="adu", meta=header)


def reduce_frame(electrons: Array, *, wcs: Any = None, **options: Any) -> Any:
    """Return what processCcd says of such a frame; options are fields of its config, ``detect__threshold=3.0``."""
    config = ProcessCcdTask.ConfigClass()
    config.doOverscan = config.doBias = config.doFlat = config.isr.doTrim = False
    for path, value in options.items():
        node: Any = config
        *owners, name = path.split("__")
        for owner in owners:
            node = getattr(node, owner)
        setattr(node, name, value)
    raw = raw_frame(electrons)
    raw.wcs = wcs
    return ProcessCcdTask(config=config).run(raw)


def _add(scene: Array, x: float, y: float, flux: float, fwhm: float, beta: float | None) -> None:
    """Add one star, each pixel the mean of 5 by 5 points in it."""
    i0, j0 = max(0, round(y) - STAMP), max(0, round(x) - STAMP)
    part = scene[i0 : round(y) + STAMP + 1, j0 : round(x) + STAMP + 1]
    steps = (np.arange(OVERSAMPLING) - (OVERSAMPLING - 1) / 2) / OVERSAMPLING
    dy = (i0 + np.arange(part.shape[0])[:, np.newaxis] + steps - y).ravel()
    dx = (j0 + np.arange(part.shape[1])[:, np.newaxis] + steps - x).ravel()
    fine = _profile(dy[:, np.newaxis] ** 2 + dx[np.newaxis, :] ** 2, fwhm, beta)
    part += flux * fine.reshape(part.shape[0], OVERSAMPLING, part.shape[1], OVERSAMPLING).mean(axis=(1, 3))


def _profile(r2: Array, fwhm: float, beta: float | None) -> Array:
    """Return a profile of unit volume over the whole plane."""
    if beta is None:
        variance = fwhm**2 / (8.0 * np.log(2.0))
        return np.exp(-r2 / (2.0 * variance)) / (2.0 * np.pi * variance)
    alpha2 = fwhm**2 / (4.0 * (2.0 ** (1.0 / beta) - 1.0))
    return (beta - 1.0) / (np.pi * alpha2) * (1.0 + r2 / alpha2) ** -beta
