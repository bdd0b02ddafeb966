"""From the raw images of a detector's amplifiers to one image in electrons: overscan level, trim, gain, place."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from underbutler.errors import UsageError

if TYPE_CHECKING:
    from underbutler.instruments.readout import AmplifierReadout, Overscan, Readout

__all__ = ["Assembled", "assemble"]

FloatArray: TypeAlias = npt.NDArray[np.float32]
Where: TypeAlias = npt.NDArray[np.bool_]

CARRIED_FROM = 16
"""A level is carried beyond the overscan's end as the median of so many rows (or columns) nearest to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """One detector's image, of all its amplifiers.

    Parameters
    ----------
    electrons
        Electrons above the bias level, NaN where nothing was read, shape ``(ny, nx)``.
    saturated
        Where the raw pixel was at or over its amplifier's saturation level, shape ``(ny, nx)``.
    noise
        Read noise in electrons of each pixel's amplifier, shape ``(ny, nx)``.
    overscan_adu
        Median of the amplifiers' overscan levels, None without overscan.
    read_noise_e
        Root mean square of the amplifiers' clipped standard deviations of the overscan; the nominal one without.
    """

    electrons: FloatArray
    saturated: Where
    noise: FloatArray
    overscan_adu: float | None
    read_noise_e: float


def assemble(readout: Readout, images: Mapping[int, FloatArray]) -> Assembled:
    """Put the amplifiers of a detector together.

    Parameters
    ----------
    readout
        How it was read out.
    images
        Raw pixels in ADU, by the number of the image that holds them; NaN where nothing was read.

    Raises
    ------
    UsageError
        If an overscan holds no finite pixel.
    """
    electrons = np.full(readout.shape, np.nan, dtype=np.float32)
    saturated = np.zeros(readout.shape, dtype=bool)
    noise = np.zeros(readout.shape, dtype=np.float32)
    levels, spreads = [], []
    for amplifier in readout.amplifiers:
        image = images[amplifier.part]
        counts = image[amplifier.data.slices]
        place = amplifier.place.slices
        saturated[place] = _turned(counts >= amplifier.saturation, amplifier)
        if amplifier.overscan is not None:
            level, spread = _overscan_statistics(image, amplifier.overscan)
            levels.append(level)
            spreads.append(spread * amplifier.gain)
            counts = counts - _levels_of(image, amplifier)
        else:
            spreads.append(amplifier.read_noise)
            counts = counts + np.float32(amplifier.pedestal)
        electrons[place] = _turned(counts * np.float32(amplifier.gain), amplifier)
        noise[place] = amplifier.read_noise
    return Assembled(
        electrons=electrons,
        saturated=saturated,
        noise=noise,
        overscan_adu=float(np.median(levels)) if levels else None,
        read_noise_e=float(np.sqrt(np.mean(np.square(spreads)))),
    )


def _turned(pixels: npt.NDArray[np.generic], amplifier: AmplifierReadout) -> npt.NDArray[np.generic]:
    """Return pixels as they lie on the detector."""
    rows, columns = (slice(None, None, -1 if flips else 1) for flips in (amplifier.flips_rows, amplifier.flips_columns))
    return pixels[rows, columns]


def _overscan_statistics(image: FloatArray, overscan: Overscan) -> tuple[float, float]:
    """Return the overscan's median and its clipped standard deviation, both in ADU.

    Counts are whole numbers: a median absolute deviation would be one too, and 10 % off.
    """
    from astropy.stats import sigma_clip

    strip = image[overscan.box.slices]
    strip = strip[np.isfinite(strip)].astype(float)
    if not strip.size:
        raise UsageError(
            f"The overscan region {overscan.box} holds no finite pixel. Give another with -c isr.overscanSection=…, "
            "or do without: -c doOverscan=false.",
            section=str(overscan.box),
        )
    return float(np.median(strip)), float(np.std(sigma_clip(strip, sigma=5.0, masked=False)))


def _levels_of(image: FloatArray, amplifier: AmplifierReadout) -> FloatArray:
    """Return the bias level of each row of an amplifier's light (or of each column), to be subtracted from it."""
    assert amplifier.overscan is not None
    box, light = amplifier.overscan.box, amplifier.data
    if amplifier.overscan.of_rows:
        known = _medians(image[box.slices])
        return _carried(known, box.y0, light.y0, light.y1)[:, np.newaxis]
    known = _medians(image[box.slices].T)
    return _carried(known, box.x0, light.x0, light.x1)[np.newaxis, :]


def _medians(strip: FloatArray) -> FloatArray:
    """Return the median of each row's finite pixels, NaN where it has none."""
    if np.isfinite(strip).all():
        return np.median(strip, axis=1).astype(np.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="All-NaN slice")
        medians = np.nanmedian(np.where(np.isfinite(strip), strip, np.nan), axis=1)
    return medians.astype(np.float32)


def _carried(known: FloatArray, begin: int, first: int, last: int) -> FloatArray:
    """Return levels of the rows from `first` to `last`, of which those from `begin` on are known.

    Between known rows a missing one is interpolated; beyond the end it has the median level of the rows next to it.
    """
    rows = np.flatnonzero(np.isfinite(known))
    levels = known[rows]
    below, above = float(np.median(levels[:CARRIED_FROM])), float(np.median(levels[-CARRIED_FROM:]))
    return np.interp(np.arange(first, last), rows + begin, levels, left=below, right=above).astype(np.float32)
