"""Instrument signature removal: overscan, trim, gain, variance, bias, dark, flat; and the mask's first planes."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from lsst.pex.config import Config, Field, RangeField
from lsst.pipe.base import Struct, Task

from tasks.header import number, section
from tasks.planes import MASK_TYPE, PLANES, Mask, grown_border, has, mark
from underbutler.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt
    from astropy.nddata import CCDData

    from underbutler.butlers import CcdImage

__all__ = ["IsrConfig", "IsrTask"]

SIXTEEN_BITS_FULL = 65535.0

_POSITION = re.compile(
    r"WCSAXES|C(TYPE|RVAL|RPIX|UNIT|DELT|ROTA)[12]|(CD|PC)[12]_[12]|L(ON|AT)POLE|RADESYS|[AB]P?_\w+|PV[12]_\d+"
)


class IsrConfig(Config):
    """How a raw frame is turned into electrons."""

    gain = RangeField[float]("Gain in e-/ADU; the header's, unless given.", optional=True, min=0.0, inclusiveMin=False)
    gainKeyword = Field[str]("Header keyword of the gain.", default="GAIN")
    readNoise = RangeField[float]("Read noise in e-; the header's, unless given.", optional=True, min=0.0)
    readNoiseKeyword = Field[str]("Header keyword of the read noise in e-.", default="RDNOISE")
    overscanSection = Field[str]("Overscan region, a FITS section; the header's, unless given.", optional=True)
    overscanKeyword = Field[str]("Header keyword of the overscan region.", default="BIASSEC")
    trimSection = Field[str]("Light-sensitive region, a FITS section; the header's, unless given.", optional=True)
    trimKeyword = Field[str]("Header keyword of the light-sensitive region.", default="TRIMSEC")
    exposureTime = Field[float]("Exposure time in s; the header's, unless given.", optional=True)
    exposureTimeKeyword = Field[str]("Header keyword of the exposure time in s.", default="EXPTIME")
    saturation = Field[float]("Saturation in ADU; the header's, else 65535, unless given.", optional=True)
    saturationKeyword = Field[str]("Header keyword of the saturation in ADU.", default="SATURATE")
    doTrim = Field[bool]("Cut off what is not light-sensitive?", default=True)
    edge = RangeField[int]("Width of the border that is marked EDGE, in px.", default=4, min=0)
    maxUnusable = RangeField[float](
        "Fraction of saturated or non-finite pixels over which a frame is refused.", default=0.5, min=0.0, max=1.0
    )


class IsrTask(Task):
    """Turn a raw frame into electrons with a variance and a mask."""

    ConfigClass = IsrConfig
    _DefaultName = "isr"

    def run(
        self,
        raw: CCDData,
        *,
        overscan: bool = True,
        bias: CcdImage | None = None,
        dark: CcdImage | None = None,
        flat: CcdImage | None = None,
    ) -> Struct:
        """Reduce one raw frame.

        Parameters
        ----------
        raw
            Counts in ADU, shape ``(ny, nx)``, with the raw header.
        overscan
            Whether to subtract the overscan level, row by row.
        bias
            Master bias in electrons, or None to do without.
        dark
            Master dark in electrons per second, or None to do without.
        flat
            Master flat, of median 1, or None to do without.

        Returns
        -------
        struct
            ``exposure`` (`CcdImage` in electrons), ``overscan_adu`` (median level, None without overscan),
            ``read_noise_e`` (clipped standard deviation of the overscan; the nominal one without overscan),
            ``nominal_read_noise_e`` (of the header or the config: what the variance holds), ``n_saturated``, ``n_bad``.

        Raises
        ------
        UsageError
            If the header lacks what is needed, the frame is empty or saturated, or a master is of another shape.
        """
        from underbutler.butlers import CcdImage

        counts = _float_counts(raw)
        header = counts.header
        gain, noise = self._gain(header), self._read_noise(header)
        level, spread = None, noise / gain
        if overscan:
            region = self._overscan_section(header, counts.shape)
            level, spread = _overscan_statistics(counts, region)
            counts = _without_overscan(counts, region)
        saturated = raw.data >= self._saturation(header)
        if self.config.doTrim:
            region = self._trim_section(header, counts.shape)
            counts, saturated = _cut(counts, region), saturated[_slices(region)]
        mask = self._first_planes(counts.data, saturated)
        masters = {"bias": bias, "dark": dark, "flat": flat}
        for name, master in masters.items():
            if master is not None:
                _refuse_other_shape(name, master, mask.shape)
                _inherit_bad(mask, master)
        ccd = _electrons(counts, gain, noise, bias)
        if dark is not None:
            ccd = _without_dark(ccd, dark, self.exposure_time(header))
        if flat is not None:
            ccd = _flattened(ccd, flat, mask)
        exposure = CcdImage(
            image=np.ascontiguousarray(ccd.data, dtype=np.float32),
            mask=mask,
            variance=np.ascontiguousarray(ccd.uncertainty.array, dtype=np.float32),
            header=_reduced_header(header, self.config),
            wcs=counts.wcs,
            unit="electron",
            mask_planes=dict(PLANES),
        )
        return Struct(
            exposure=exposure,
            overscan_adu=level,
            read_noise_e=float(spread * gain),
            nominal_read_noise_e=float(noise),
            n_saturated=int(np.count_nonzero(has(mask, "SAT"))),
            n_bad=int(np.count_nonzero(has(mask, "BAD"))),
        )

    def exposure_time(self, header: Any) -> float:
        """Return a frame's exposure time in seconds."""
        if self.config.exposureTime is not None:
            return float(self.config.exposureTime)
        keyword = self.config.exposureTimeKeyword
        return number(header, keyword, what="exposure time in s", setting="isr.exposureTime", positive=False)

    def _gain(self, header: Any) -> float:
        if self.config.gain is not None:
            return float(self.config.gain)
        return number(header, self.config.gainKeyword, what="gain in e-/ADU", setting="isr.gain")

    def _read_noise(self, header: Any) -> float:
        if self.config.readNoise is not None:
            return float(self.config.readNoise)
        keyword = self.config.readNoiseKeyword
        return number(header, keyword, what="read noise in e-", setting="isr.readNoise", positive=False)

    def _overscan_section(self, header: Any, shape: tuple[int, ...]) -> str:
        given, keyword = self.config.overscanSection, self.config.overscanKeyword
        cards = header if given is None else {keyword: given}
        return section(
            cards, keyword, shape, what="overscan region", setting="isr.overscanSection", off="doOverscan=false"
        )

    def _trim_section(self, header: Any, shape: tuple[int, ...]) -> str:
        given, keyword = self.config.trimSection, self.config.trimKeyword
        cards = header if given is None else {keyword: given}
        return section(
            cards, keyword, shape, what="light-sensitive region", setting="isr.trimSection", off="isr.doTrim=false"
        )

    def _saturation(self, header: Any) -> float:
        if self.config.saturation is not None:
            return float(self.config.saturation)
        keyword = self.config.saturationKeyword
        if keyword not in header:
            return SIXTEEN_BITS_FULL
        return number(header, keyword, what="saturation in ADU", setting="isr.saturation")

    def _first_planes(self, counts: npt.NDArray[Any], saturated: npt.NDArray[np.bool_]) -> Mask:
        """Return a mask with NO_DATA, SAT and EDGE; refuse a frame that holds little else."""
        mask: Mask = np.zeros(counts.shape, dtype=MASK_TYPE)
        empty = ~np.isfinite(counts)
        for what, where in (("not finite (NaN)", empty), ("saturated", saturated)):
            fraction = float(np.mean(where))
            if fraction > self.config.maxUnusable:
                raise UsageError(
                    f"{100 * fraction:.0f} % of the frame's pixels are {what}; more than "
                    f"{100 * self.config.maxUnusable:.0f} % are refused. Leave this exposure out, or allow more with "
                    "-c isr.maxUnusable=….",
                    fraction=fraction,
                )
        mark(mask, "NO_DATA", empty)
        mark(mask, "SAT", saturated)
        mark(mask, "EDGE", grown_border(mask.shape, self.config.edge))
        return mask


def _float_counts(raw: CCDData) -> CCDData:
    """Return the counts as 32-bit floats: a copy, for the Butler's object is not ours to change."""
    from astropy.io.fits import Header
    from astropy.nddata import CCDData

    if raw.data.ndim != 2:
        raise UsageError(f"The raw frame has {raw.data.ndim} axes; a CCD frame has 2. Ingest its image extension.")
    data = raw.data.astype(np.float32)
    if raw.mask is not None:
        data[np.asarray(raw.mask, dtype=bool)] = np.nan
    header, wcs = _without_position(Header(raw.header), raw.wcs)
    return CCDData(data, unit="adu", header=header, wcs=wcs)


def _without_position(header: Any, wcs: Any) -> tuple[Any, Any]:
    """Return the header without the cards of a celestial WCS, and that WCS: trimming moves one and not the other."""
    from astropy.wcs import WCS, FITSFixedWarning

    if wcs is None and "CTYPE1" in header:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            wcs = WCS(header)
        wcs = wcs if wcs.has_celestial else None
    cards = header.copy()
    if wcs is not None:
        for keyword in [keyword for keyword in cards if _POSITION.fullmatch(keyword)]:
            cards.remove(keyword, ignore_missing=True)
    return cards, wcs


def _slices(region: str) -> tuple[slice, slice]:
    """Return a FITS section as slices of rows and columns."""
    from ccdproc.utils.slices import slice_from_string

    rows, columns = slice_from_string(region, fits_convention=True)
    return rows, columns


def _cut(counts: CCDData, region: str) -> CCDData:
    """Return the part of a frame in a section, its WCS moved along."""
    import ccdproc

    return ccdproc.trim_image(counts, fits_section=region, add_keyword=None)


def _overscan_statistics(counts: CCDData, region: str) -> tuple[float, float]:
    """Return the overscan's median and its clipped standard deviation, both in ADU.

    Counts are whole numbers: a median absolute deviation would be one too, and 10 % off.
    """
    from astropy.stats import sigma_clip

    strip = counts.data[_slices(region)]
    strip = strip[np.isfinite(strip)].astype(float)
    if not strip.size:
        raise UsageError(
            f"The overscan region {region} holds no finite pixel. Give another with -c isr.overscanSection=…, "
            "or do without: -c doOverscan=false.",
            section=region,
        )
    return float(np.median(strip)), float(np.std(sigma_clip(strip, sigma=5.0, masked=False)))


def _without_overscan(counts: CCDData, region: str) -> CCDData:
    """Subtract the overscan's median: of each row for a strip of columns, of each column for a strip of rows."""
    import ccdproc

    rows, columns = counts.data[_slices(region)].shape
    return ccdproc.subtract_overscan(
        counts, fits_section=region, median=True, overscan_axis=1 if rows >= columns else 0, add_keyword=None
    )


def _electrons(counts: CCDData, gain: float, noise: float, bias: CcdImage | None) -> CCDData:
    """Return the frame in electrons over its bias, with the variance of photons, read noise and bias."""
    import ccdproc
    from astropy import units
    from astropy.nddata import VarianceUncertainty

    ccd = ccdproc.gain_correct(counts, gain * units.electron / units.adu, add_keyword=None)
    ccd.data = np.nan_to_num(ccd.data, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)
    if bias is not None:
        ccd = ccdproc.subtract_bias(ccd, _as_ccddata(bias, ccd.unit), add_keyword=None)
    variance = np.maximum(ccd.data, 0.0) + np.float32(noise) ** 2
    ccd.uncertainty = VarianceUncertainty(variance if bias is None else variance + bias.variance)
    return ccd


def _without_dark(ccd: CCDData, dark: CcdImage, seconds: float) -> CCDData:
    """Subtract a dark in electrons per second, scaled to an exposure time."""
    import ccdproc
    from astropy import units

    return ccdproc.subtract_dark(
        ccd,
        _as_ccddata(dark, ccd.unit),
        dark_exposure=1.0 * units.s,
        data_exposure=seconds * units.s,
        scale=True,
        add_keyword=None,
    )


def _flattened(ccd: CCDData, flat: CcdImage, mask: Mask) -> CCDData:
    """Divide by a flat of median 1; bad pixels, which will be bridged, are divided by 1."""
    import ccdproc
    from astropy import units

    response = _as_ccddata(flat, units.dimensionless_unscaled)
    response.mask = has(mask, "BAD") | ~(flat.image > 0)
    return ccdproc.flat_correct(ccd, response, norm_value=1.0, add_keyword=None)


def _as_ccddata(master: CcdImage, unit: Any) -> CCDData:
    from astropy.nddata import CCDData, VarianceUncertainty

    return CCDData(master.image, unit=unit, uncertainty=VarianceUncertainty(master.variance))


def _refuse_other_shape(name: str, master: CcdImage, shape: tuple[int, ...]) -> None:
    if master.image.shape != shape:
        raise UsageError(
            f"The {name} has {master.image.shape} pixels and the trimmed frame {shape}. Make a {name} from frames "
            f"of this readout, or do without: -c do{name.capitalize()}=false.",
            calibration=name,
        )


def _inherit_bad(mask: Mask, master: CcdImage) -> None:
    """Mark the pixels that a master calls bad; its bit numbers are its own."""
    bit = master.mask_planes.get("BAD")
    if bit is not None and master.mask is not None:
        mark(mask, "BAD", (master.mask & (1 << bit)) != 0)


def _reduced_header(header: Any, config: IsrConfig) -> Any:
    """Return the header without the cards that are no longer true."""
    cards = header.copy()
    for keyword in (config.overscanKeyword, config.trimKeyword, "BSCALE", "BZERO", config.saturationKeyword):
        cards.remove(keyword, ignore_missing=True)
    if config.gainKeyword in cards:
        cards["RAWGAIN"] = (cards[config.gainKeyword], "[e-/ADU] gain that was applied")
        cards[config.gainKeyword] = (1.0, "the image is in electrons")
    return cards
