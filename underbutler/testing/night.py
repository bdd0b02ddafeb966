"""A simulated observing night: raw frames whose true stars, bad columns and noise are known.

The frames are drawn, not read: nothing is downloaded, and the same seed gives the same files. The keywords are those of
the instrument map ``SIMCAM.toml``. The physics is that of a textbook CCD: photons with Poisson noise through a vignetted
field onto pixels of unequal response, cosmic rays, read noise, a bias with structure, an overscan strip, 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from astropy.io.fits import Header
    from astropy.table import Table

__all__ = ["Detector", "Night", "SimulatedFrame", "simulate_night"]

FloatArray: TypeAlias = npt.NDArray[np.float64]

INSTRUMENT = "SIMCAM"
OVERSCAN_COLUMNS = 32
BIAS_LEVEL_ADU = 1000.0
READ_NOISE_E = 6.0
SKY_E = 130.0
FLAT_E = 22000.0
SATURATION_ADU = 60000
FWHM_PX = 3.0
MOFFAT_BETA = 4.765  # Trujillo et al. 2001, MNRAS 328, 977: turbulence in the atmosphere
STARS_PER_MEGAPIXEL = 260
COSMIC_RAYS_PER_MEGAPIXEL = 60
PIXEL_SCALE_DEG = 0.4 / 3600
FIELD_DEG = (52.5, -27.8)
NIGHT_BEGIN = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
_MJD_OF_NIGHT = 61364.0 + 20.0 / 24.0  # of NIGHT_BEGIN
EXPOSURE_S = {"BIAS": 0.0, "FLAT": 4.0, "OBJECT": 60.0}
CADENCE_S = {"BIAS": 30, "FLAT": 40, "OBJECT": 150}
STAMP_RADIUS = 15
EDGE_MARGIN = 20
DITHER_PX = 8.0


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
        Its ``IMAGETYP``: ``BIAS``, ``FLAT`` or ``OBJECT``.
    filter_name
        Its ``FILTER``.
    """

    path: Path
    exposure: int
    detector: int
    kind: str
    filter_name: str


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
        Relative response of each pixel, shape ``(ny, nx)``, median 1 over good pixels; holds vignetting and dead columns.
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
    n_bias, n_flat, n_science
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
    skies = {n: _Sky.drawn(np.random.default_rng([seed, 1, n]), shape) for n in detectors}
    chips = {n: _draw_detector(n, np.random.default_rng([seed, 2, n]), shape) for n in detectors}
    frames: list[SimulatedFrame] = []
    truth: list[Table] = []
    total = (n_bias + n_flat + n_science) * len(detectors)
    for exposure in _plan(n_bias, n_flat, n_science, filters):
        for chip in chips.values():
            rng = np.random.default_rng([seed, 3, exposure.number, chip.number])
            electrons, stars = _expose(exposure, chip, skies[chip.number], rng)
            counts = _read_out(electrons, chip, rng)
            path = directory / f"simcam-{exposure.id}-{chip.number:02d}.fits"
            _write(path, counts, _header(exposure, chip))
            frames.append(
                SimulatedFrame(
                    path=path,
                    exposure=exposure.id,
                    detector=chip.number,
                    kind=exposure.kind,
                    filter_name=exposure.filter_name,
                )
            )
            if stars is not None:
                truth.append(stars)
            if progress is not None:
                progress(len(frames), total)
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


def _plan(n_bias: int, n_flat: int, n_science: int, filters: Sequence[str]) -> Iterator[_Exposure]:
    """Yield the night's exposures: bias, flat, sky."""
    begin, number = NIGHT_BEGIN, 0
    for kind, count in (("BIAS", n_bias), ("FLAT", n_flat), ("OBJECT", n_science)):
        for index in range(count):
            number += 1
            name = filters[index % len(filters)] if kind != "BIAS" else filters[0]
            yield _Exposure(number=number, kind=kind, filter_name=name, begin=begin)
            begin += timedelta(seconds=CADENCE_S[kind])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sky:
    """The stars of the field: positions in px of an undithered frame, fluxes in electrons per exposure."""

    x: FloatArray
    y: FloatArray
    flux: FloatArray
    n_effective: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: tuple[int, int]) -> _Sky:
        """Draw stars whose optimal S/N is log-uniform from 3 to 500, none nearer to another than 3 FWHM."""
        wanted = max(12, round(STARS_PER_MEGAPIXEL * shape[0] * shape[1] / 1024**2))
        places = np.empty((0, 2))
        for candidate in rng.uniform(EDGE_MARGIN, np.array(shape) - EDGE_MARGIN, size=(20 * wanted, 2)):
            if not len(places) or np.min(np.sum((places - candidate) ** 2, axis=1)) > (3 * FWHM_PX) ** 2:
                places = np.vstack([places, candidate])
            if len(places) == wanted:
                break
        snr = np.exp(rng.uniform(np.log(3.0), np.log(500.0), size=len(places)))
        stamp = _psf(np.zeros(1), np.zeros(1))[0]
        n_effective = float(1.0 / np.sum(stamp**2))
        noise = n_effective * (SKY_E + READ_NOISE_E**2)
        flux = (snr**2 + np.sqrt(snr**4 + 4 * snr**2 * noise)) / 2
        return cls(x=places[:, 1], y=places[:, 0], flux=flux, n_effective=n_effective)


def _draw_detector(number: int, rng: np.random.Generator, shape: tuple[int, int]) -> Detector:
    """Draw a detector: vignetting, unequal pixels, dust, a structured bias, dead and hot columns."""
    ny, nx = shape
    y, x = np.mgrid[0:ny, 0:nx].astype(float)
    u, v = (x - nx * rng.uniform(0.45, 0.55)) / nx, (y - ny * rng.uniform(0.45, 0.55)) / ny
    response = 1.0 - 0.45 * (u**2 + v**2)
    for _ in range(4):  # out-of-focus dust: a ring of shade
        radius = np.hypot(x - rng.uniform(0, nx), y - rng.uniform(0, ny)) / (0.03 * min(shape))
        response *= 1.0 - 0.06 * np.exp(-8.0 * (radius - 1.0) ** 2)
    response *= rng.normal(1.0, 0.01, size=shape)
    response /= np.median(response)
    bias = 4.0 * u - 3.0 * v + 25.0 * np.exp(-np.hypot(x, y) / (0.05 * min(shape)))
    bias += rng.normal(0.0, 1.5, size=nx)[np.newaxis, :]
    columns = np.sort(rng.choice(np.arange(8, nx - 8, 6), size=5, replace=False))
    dead, hot = rng.permutation(columns)[:3], rng.permutation(columns)
    hot = np.array([c for c in hot if c not in dead])
    for index, column in enumerate(dead):
        first = 0 if index == 0 else int(rng.integers(ny // 8, ny // 2))
        response[first:, column] *= 0.05
    for index, column in enumerate(hot):
        first = 0 if index == 0 else int(rng.integers(ny // 8, ny // 2))
        bias[first:, column] += rng.uniform(150.0, 400.0)
    gain = 1.5 + 0.2 * (number % 4)
    return Detector(
        number=number, gain=gain, response=response, bias=bias, bad_columns=tuple(int(c) for c in sorted(columns))
    )


def _expose(
    exposure: _Exposure, chip: Detector, sky: _Sky, rng: np.random.Generator
) -> tuple[FloatArray, Table | None]:
    """Return the electrons that one exposure makes, shape ``(ny, nx)``, and the truth table of its stars."""
    shape = chip.response.shape
    if exposure.kind == "BIAS":
        return np.zeros(shape), None
    if exposure.kind == "FLAT":
        return rng.poisson(FLAT_E * rng.uniform(0.93, 1.07) * chip.response).astype(float), None
    dx, dy = exposure.dither
    x, y = sky.x + dx, sky.y + dy
    scene = np.full(shape, SKY_E)
    scene *= np.linspace(0.99, 1.01, shape[0])[:, np.newaxis]  # moonlight from below
    _add_stars(scene, x, y, sky.flux)
    electrons = rng.poisson(scene * chip.response).astype(float)
    _add_cosmic_rays(electrons, rng)
    return electrons, _truth(exposure, chip, sky, x, y)


def _add_stars(scene: FloatArray, x: FloatArray, y: FloatArray, flux: FloatArray) -> None:
    """Add stars to a scene, each in a stamp of its own."""
    ix, iy = np.rint(x).astype(int), np.rint(y).astype(int)
    r = STAMP_RADIUS
    padded = np.pad(scene, r)
    for i, j, stamp in zip(iy, ix, _psf(x - ix, y - iy) * flux[:, np.newaxis, np.newaxis], strict=True):
        padded[i : i + 2 * r + 1, j : j + 2 * r + 1] += stamp
    scene[...] = padded[r:-r, r:-r]


def _psf(dx: FloatArray, dy: FloatArray) -> FloatArray:
    """Return Moffat stamps of unit sum, shape ``(n, 2r+1, 2r+1)``, centred at a fraction of a pixel."""
    alpha = FWHM_PX / (2.0 * np.sqrt(2.0 ** (1.0 / MOFFAT_BETA) - 1.0))
    axis = np.arange(-STAMP_RADIUS, STAMP_RADIUS + 1, dtype=float)
    r2 = (axis[np.newaxis, :, np.newaxis] - dy[:, np.newaxis, np.newaxis]) ** 2
    r2 = r2 + (axis[np.newaxis, np.newaxis, :] - dx[:, np.newaxis, np.newaxis]) ** 2
    stamps: FloatArray = (1.0 + r2 / alpha**2) ** -MOFFAT_BETA
    return stamps / stamps.sum(axis=(1, 2), keepdims=True)


def _add_cosmic_rays(electrons: FloatArray, rng: np.random.Generator) -> None:
    """Add straight tracks, one pixel wide and 1 to 14 pixels long."""
    ny, nx = electrons.shape
    for _ in range(max(3, rng.poisson(COSMIC_RAYS_PER_MEGAPIXEL * ny * nx / 1024**2))):
        x, y, angle = rng.uniform(0, nx), rng.uniform(0, ny), rng.uniform(0, 2 * np.pi)
        length = 1 + rng.geometric(0.3)
        steps = np.arange(0.0, min(length, 14), 0.25)
        tx = np.clip((x + steps * np.cos(angle)).astype(int), 0, nx - 1)
        ty = np.clip((y + steps * np.sin(angle)).astype(int), 0, ny - 1)
        pixels = np.unique(np.stack([ty, tx]), axis=1)
        electrons[pixels[0], pixels[1]] += rng.uniform(600.0, 3500.0) * rng.uniform(0.7, 1.3, size=pixels.shape[1])


def _truth(exposure: _Exposure, chip: Detector, sky: _Sky, x: FloatArray, y: FloatArray) -> Table:
    from astropy import units
    from astropy.table import Table

    ny, nx = chip.response.shape
    centre = chip.response[np.clip(np.rint(y).astype(int), 0, ny - 1), np.clip(np.rint(x).astype(int), 0, nx - 1)]
    flux_here = sky.flux * np.where(centre > 0.5, centre, 1.0)  # noqa: PLR2004 - the field's response, not a dead column's
    snr = flux_here / np.sqrt(flux_here + sky.n_effective * (SKY_E + READ_NOISE_E**2))
    table = Table()
    table["exposure"] = np.full(len(x), exposure.id, dtype=np.int64)
    table["detector"] = np.full(len(x), chip.number, dtype=np.int32)
    table["star"] = np.arange(len(x), dtype=np.int32)
    table["x"] = x * units.pix
    table["y"] = y * units.pix
    table["flux"] = sky.flux * units.electron
    table["snr"] = snr
    return table


def _stacked(tables: list[Table]) -> Table:
    from astropy.table import Table, vstack

    if tables:
        return vstack(tables)
    return Table(names=("exposure", "detector", "star", "x", "y", "flux", "snr"))


def _read_out(electrons: FloatArray, chip: Detector, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Turn electrons into counts: gain, bias, overscan strip, read noise, 16 bits."""
    ny, nx = electrons.shape
    counts = np.empty((ny, nx + OVERSCAN_COLUMNS), dtype=np.float32)
    drift = np.cumsum(rng.normal(0.0, 0.02, size=ny))[:, np.newaxis]
    counts[...] = BIAS_LEVEL_ADU + 3.0 * chip.number + drift
    counts[:, :nx] += electrons / chip.gain + chip.bias
    counts += rng.standard_normal(counts.shape, dtype=np.float32) * np.float32(READ_NOISE_E / chip.gain)
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)


def _header(exposure: _Exposure, chip: Detector) -> Header:
    from astropy.io.fits import Header

    ny, nx = chip.response.shape
    target = {"BIAS": "bias", "FLAT": "dome flat", "OBJECT": "field 1"}[exposure.kind]
    cards: list[tuple[str, Any, str]] = [
        ("INSTRUME", INSTRUMENT, "camera"),
        ("DETECTOR", chip.number, "detector number"),
        ("EXPID", exposure.id, "exposure number"),
        ("DATE-OBS", exposure.begin.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3], "UTC at the begin of exposure"),
        ("MJD-OBS", _MJD_OF_NIGHT + (exposure.begin - NIGHT_BEGIN) / timedelta(days=1), "[d] the same"),
        ("EXPTIME", EXPOSURE_S[exposure.kind], "[s] exposure time"),
        ("IMAGETYP", exposure.kind, "kind of exposure"),
        ("FILTER", exposure.filter_name, "physical filter"),
        ("OBJECT", target, "what was looked at"),
        ("GAIN", chip.gain, "[e-/ADU] gain"),
        ("RDNOISE", READ_NOISE_E, "[e-] read noise"),
        ("SATURATE", SATURATION_ADU, "[ADU] saturation"),
        ("BIASSEC", f"[{nx + 1}:{nx + OVERSCAN_COLUMNS},1:{ny}]", "overscan region"),
        ("TRIMSEC", f"[1:{nx},1:{ny}]", "light-sensitive region"),
    ]
    if exposure.kind == "OBJECT":
        dx, dy = exposure.dither
        offset = chip.number * nx * PIXEL_SCALE_DEG * 1.05
        cards += [
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
    return Header(cards)


def _write(path: Path, counts: npt.NDArray[np.uint16], header: Header) -> None:
    from astropy.io import fits

    fits.PrimaryHDU(counts, header=header).writeto(path, overwrite=True, output_verify="exception")
