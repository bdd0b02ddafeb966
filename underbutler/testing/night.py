"""A simulated observing night: raw frames whose true stars, bad columns and noise are known.

The frames are drawn, not read: nothing is downloaded, and the same seed gives the same files. The keywords are those
of the instrument map ``SIMCAM.toml``. The physics is that of a textbook CCD: photons with Poisson noise through a
vignetted field onto pixels of unequal response, cosmic rays, read noise, a structured bias, an overscan, 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .simulated_detector import OVERSCAN_COLUMNS, READ_NOISE_E, SATURATION_ADU, Detector
from .simulated_sky import EDGE_MARGIN, SKY_E, StarField, add_cosmic_rays, add_stars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from astropy.io.fits import Header
    from astropy.table import Table

__all__ = ["Night", "SimulatedFrame", "simulate_night"]

FloatArray: TypeAlias = npt.NDArray[np.float64]

INSTRUMENT = "SIMCAM"
FLAT_E = 22000.0
DARK_E_PER_S = 0.02
PIXEL_SCALE_DEG = 0.4 / 3600
FIELD_DEG = (52.5, -27.8)
DITHER_PX = 8.0
NIGHT_BEGIN = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
NIGHT_BEGIN_MJD = 61364.0 + 20.0 / 24.0
EXPOSURE_S = {"BIAS": 0.0, "DARK": 300.0, "FLAT": 4.0, "OBJECT": 60.0}
CADENCE_S = {"BIAS": 30, "DARK": 330, "FLAT": 40, "OBJECT": 150}
TARGETS = {"BIAS": "bias", "DARK": "dark", "FLAT": "dome flat", "OBJECT": "field 1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFrame:
    """One file: one exposure of one detector.

    Parameters
    ----------
    path
        The FITS file.
    exposure
        Its ``EXPID``.
    detector
        Its ``DETECTOR``.
    kind
        Its ``IMAGETYP``: ``BIAS``, ``DARK``, ``FLAT`` or ``OBJECT``.
    filter_name
        Its ``FILTER``.
    """

    path: Path
    exposure: int
    detector: int
    kind: str
    filter_name: str


@dataclass(frozen=True, kw_only=True)
class Night:
    """A simulated night and the truth about it.

    Parameters
    ----------
    directory
        Where the files are.
    seed
        What it was drawn from.
    frames
        All files, in the order in which they were taken.
    detectors
        The true detectors, by number.
    stars
        Truth table, one row per star, exposure and detector: ``exposure, detector, star, x, y`` (0-based pixels of the
        trimmed frame), ``flux`` (electrons above the detector's mean response), ``snr`` (of an optimal measurement).
    """

    directory: Path
    seed: int
    frames: tuple[SimulatedFrame, ...]
    detectors: dict[int, Detector]
    stars: Table = field(repr=False)

    @property
    def files(self) -> list[Path]:
        """All files, in the order in which they were taken."""
        return [frame.path for frame in self.frames]

    def of_kind(self, kind: str, detector: int | None = None) -> list[SimulatedFrame]:
        """Return the frames of an ``IMAGETYP``, of one detector or of all."""
        return [f for f in self.frames if f.kind == kind and detector in (None, f.detector)]

    def stars_of(self, exposure: int, detector: int) -> Table:
        """Return the truth table's rows of one frame."""
        return self.stars[(self.stars["exposure"] == exposure) & (self.stars["detector"] == detector)]


def simulate_night(
    directory: str | Path,
    *,
    seed: int = 20261120,
    n_bias: int = 8,
    n_flat: int = 6,
    n_science: int = 12,
    n_dark: int = 0,
    detectors: Sequence[int] = (0, 1),
    shape: tuple[int, int] = (1024, 1024),
    filters: Sequence[str] = ("r",),
    progress: Callable[[int, int], object] | None = None,
) -> Night:
    """Draw a night's raw frames and write one FITS file per exposure and detector.

    Parameters
    ----------
    directory
        Where to write; made if need be.
    seed
        Seed of all random numbers.
    n_bias, n_flat, n_science, n_dark
        Numbers of exposures of each kind.
    detectors
        Numbers of the detectors.
    shape
        Rows and columns of the light-sensitive part of a detector, at least 64 each.
    filters
        Physical filters; flat and science exposures go through them in turn.
    progress
        Called with (files written, files in all) after each file.

    Returns
    -------
    night
        The files and the truth.
    """
    if min(shape) < 2 * EDGE_MARGIN + 24:
        raise ValueError(f"A simulated detector has at least 64 rows and columns, not {shape[0]} x {shape[1]}.")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    blank = SKY_E + READ_NOISE_E**2
    fields = {n: StarField.drawn(np.random.default_rng([seed, 1, n]), shape, blank) for n in detectors}
    chips = {n: Detector.drawn(n, np.random.default_rng([seed, 2, n]), shape) for n in detectors}
    plan = list(_plan({"BIAS": n_bias, "DARK": n_dark, "FLAT": n_flat, "OBJECT": n_science}, filters))
    frames: list[SimulatedFrame] = []
    truth: list[Table] = []
    for exposure in plan:
        for number, chip in chips.items():
            rng = np.random.default_rng([seed, 3, exposure.number, number])
            counts = chip.read_out(_electrons(exposure, chip, fields[number], rng), rng)
            frames.append(exposure.frame_of(directory, number))
            _write(frames[-1].path, counts, _header(exposure, chip))
            if exposure.kind == "OBJECT":
                truth.append(_truth(exposure, chip, fields[number]))
            if progress is not None:
                progress(len(frames), len(plan) * len(chips))
    return Night(directory=directory, seed=seed, frames=tuple(frames), detectors=chips, stars=_stacked(truth))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exposure:
    number: int
    kind: str
    filter_name: str
    begin: datetime

    @property
    def id(self) -> int:
        return int(NIGHT_BEGIN.strftime("%Y%m%d")) * 100000 + self.number

    @property
    def dither(self) -> tuple[float, float]:
        """Where the telescope points beside the field's centre, the same for all detectors, in px."""
        dx, dy = np.random.default_rng([self.id]).uniform(-DITHER_PX, DITHER_PX, size=2)
        return float(dx), float(dy)

    def frame_of(self, directory: Path, detector: int) -> SimulatedFrame:
        """Return the frame that a detector takes in this exposure."""
        return SimulatedFrame(
            path=directory / f"simcam-{self.id}-{detector:02d}.fits",
            exposure=self.id,
            detector=detector,
            kind=self.kind,
            filter_name=self.filter_name,
        )


def _plan(counts: dict[str, int], filters: Sequence[str]) -> Iterator[_Exposure]:
    """Yield the night's exposures, kind after kind."""
    begin, number = NIGHT_BEGIN, 0
    for kind, count in counts.items():
        for index in range(count):
            number += 1
            name = filters[index % len(filters) if kind in ("FLAT", "OBJECT") else 0]
            yield _Exposure(number=number, kind=kind, filter_name=name, begin=begin)
            begin += timedelta(seconds=CADENCE_S[kind])


def _electrons(exposure: _Exposure, chip: Detector, stars: StarField, rng: np.random.Generator) -> FloatArray:
    """Return the electrons that one exposure makes, shape ``(ny, nx)``."""
    shape = chip.response.shape
    electrons = rng.poisson(DARK_E_PER_S * EXPOSURE_S[exposure.kind], size=shape).astype(float)
    if exposure.kind == "FLAT":
        electrons += rng.poisson(FLAT_E * rng.uniform(0.93, 1.07) * chip.response)
    if exposure.kind == "OBJECT":
        dx, dy = exposure.dither
        scene = np.full(shape, SKY_E)
        scene *= np.linspace(0.99, 1.01, shape[0])[:, np.newaxis]  # moonlight from above
        add_stars(scene, stars.x + dx, stars.y + dy, stars.flux)
        electrons += rng.poisson(scene * chip.response)
        add_cosmic_rays(electrons, rng)
    return electrons


def _truth(exposure: _Exposure, chip: Detector, stars: StarField) -> Table:
    """Return the true stars of one frame."""
    from astropy import units
    from astropy.table import Table

    dx, dy = exposure.dither
    x, y = stars.x + dx, stars.y + dy
    ny, nx = chip.response.shape
    here = chip.response[np.clip(np.rint(y).astype(int), 0, ny - 1), np.clip(np.rint(x).astype(int), 0, nx - 1)]
    here = np.where(here > 0.5, here, 1.0)  # a star that straddles a dead column has its neighbours' response
    snr = stars.flux * here / np.sqrt(stars.flux * here + stars.n_effective * (SKY_E * here + READ_NOISE_E**2))
    table = Table()
    table["exposure"] = np.full(len(x), exposure.id, dtype=np.int64)
    table["detector"] = np.full(len(x), chip.number, dtype=np.int32)
    table["star"] = np.arange(len(x), dtype=np.int32)
    table["x"] = x * units.pix
    table["y"] = y * units.pix
    table["flux"] = stars.flux * units.electron
    table["snr"] = snr
    return table


def _stacked(tables: list[Table]) -> Table:
    from astropy.table import Table, vstack

    if tables:
        return vstack(tables)
    return Table(names=("exposure", "detector", "star", "x", "y", "flux", "snr"))


def _header(exposure: _Exposure, chip: Detector) -> Header:
    from astropy.io.fits import Header

    ny, nx = chip.response.shape
    cards: list[tuple[str, Any, str]] = [
        ("INSTRUME", INSTRUMENT, "camera"),
        ("DETECTOR", chip.number, "detector number"),
        ("EXPID", exposure.id, "exposure number"),
        ("DATE-OBS", exposure.begin.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3], "UTC at the begin of exposure"),
        ("MJD-OBS", NIGHT_BEGIN_MJD + (exposure.begin - NIGHT_BEGIN) / timedelta(days=1), "[d] the same"),
        ("EXPTIME", EXPOSURE_S[exposure.kind], "[s] exposure time"),
        ("IMAGETYP", exposure.kind, "kind of exposure"),
        ("FILTER", exposure.filter_name, "physical filter"),
        ("OBJECT", TARGETS[exposure.kind], "what was looked at"),
        ("GAIN", chip.gain, "[e-/ADU] gain"),
        ("RDNOISE", READ_NOISE_E, "[e-] read noise"),
        ("SATURATE", SATURATION_ADU, "[ADU] saturation"),
        ("BIASSEC", f"[{nx + 1}:{nx + OVERSCAN_COLUMNS},1:{ny}]", "overscan region"),
        ("TRIMSEC", f"[1:{nx},1:{ny}]", "light-sensitive region"),
    ]
    return Header(cards + (_position(exposure, chip) if exposure.kind == "OBJECT" else []))


def _position(exposure: _Exposure, chip: Detector) -> list[tuple[str, Any, str]]:
    """Return the cards of a gnomonic projection; detectors lie side by side, east to west."""
    ny, nx = chip.response.shape
    dx, dy = exposure.dither
    offset = chip.number * nx * PIXEL_SCALE_DEG * 1.05
    return [
        ("CTYPE1", "RA---TAN", ""),
        ("CTYPE2", "DEC--TAN", ""),
        ("CRVAL1", FIELD_DEG[0] + offset / np.cos(np.radians(FIELD_DEG[1])), "[deg]"),
        ("CRVAL2", FIELD_DEG[1], "[deg]"),
        ("CRPIX1", nx / 2 + 0.5 + dx, ""),
        ("CRPIX2", ny / 2 + 0.5 + dy, ""),
        ("CD1_1", -PIXEL_SCALE_DEG, ""),
        ("CD1_2", 0.0, ""),
        ("CD2_1", 0.0, ""),
        ("CD2_2", PIXEL_SCALE_DEG, ""),
        ("CUNIT1", "deg", ""),
        ("CUNIT2", "deg", ""),
        ("RADESYS", "ICRS", ""),
    ]


def _write(path: Path, counts: npt.NDArray[np.uint16], header: Header) -> None:
    from astropy.io import fits

    fits.PrimaryHDU(counts, header=header).writeto(path, overwrite=True, output_verify="exception")
