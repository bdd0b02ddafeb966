"""Instrument signature removal: overscan, trim, gain, variance, bias, dark, flat; and the mask's first planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from lsst.pex.config import Config, Field, RangeField
from lsst.pipe.base import Struct, Task

from tasks.amplifiers import Assembled, assemble
from tasks.master_windows import fitted_master
from tasks.planes import MASK_TYPE, PLANES, Mask, grown_border, has, mark
from tasks.sky_position import celestial_wcs, without_position
from underbutler.errors import UsageError
from underbutler.instruments.extensions import parts_of_detector
from underbutler.instruments.layout import USUAL_KEYWORDS, readout_of
from underbutler.instruments.readout import FramePart, Readout, ReadoutOverrides

if TYPE_CHECKING:
    import numpy.typing as npt
    from astropy.nddata import CCDData

    from underbutler.butlers import CcdImage, InstrumentMap
    from underbutler.instruments.sections import Box

__all__ = ["IsrConfig", "IsrTask"]


class IsrConfig(Config):
    """How a raw frame is turned into electrons. What is not given comes from the header and the instrument's map."""

    gain = RangeField[float]("Gain in e-/ADU; the header's, unless given.", optional=True, min=0.0, inclusiveMin=False)
    gainKeyword = Field[str]("Header keyword of the gain; the map's, else GAIN, unless given.", optional=True)
    readNoise = RangeField[float]("Read noise in e-; the header's, unless given.", optional=True, min=0.0)
    readNoiseKeyword = Field[str](
        "Header keyword of the read noise in e-; the map's, else RDNOISE, unless given.", optional=True
    )
    overscanSection = Field[str]("Overscan region, a FITS section; the header's, unless given.", optional=True)
    overscanKeyword = Field[str](
        "Header keyword of the overscan region; the map's, else BIASSEC, unless given.", optional=True
    )
    trimSection = Field[str]("Light-sensitive region, a FITS section; the header's, unless given.", optional=True)
    trimKeyword = Field[str](
        "Header keyword of the light-sensitive region; the map's, else TRIMSEC, unless given.", optional=True
    )
    exposureTime = Field[float]("Exposure time in s; the header's, unless given.", optional=True)
    exposureTimeKeyword = Field[str](
        "Header keyword of the exposure time in s; the map's, else EXPTIME, unless given.", optional=True
    )
    saturation = Field[float]("Saturation in ADU; the header's, else 65535, unless given.", optional=True)
    saturationKeyword = Field[str](
        "Header keyword of the saturation in ADU; the map's, else SATURATE, unless given.", optional=True
    )
    doTrim = Field[bool]("Cut off what is not light-sensitive?", default=True)
    edge = RangeField[int]("Width of the border that is marked EDGE, in px.", default=4, min=0)
    maxUnusable = RangeField[float](
        "Fraction of saturated or non-finite pixels over which a frame is refused.", default=0.5, min=0.0, max=1.0
    )

    def overrides(self, *, overscan: bool = True) -> ReadoutOverrides:
        """Return what it says instead of header and map.

        Parameters
        ----------
        overscan
            Whether the overscan level is to be subtracted.
        """
        keywords = {
            "gain": self.gainKeyword,
            "read_noise": self.readNoiseKeyword,
            "overscan": self.overscanKeyword,
            "trim": self.trimKeyword,
            "saturation": self.saturationKeyword,
            "seconds": self.exposureTimeKeyword,
        }
        return ReadoutOverrides(
            gain=self.gain,
            read_noise=self.readNoise,
            saturation=self.saturation,
            seconds=self.exposureTime,
            overscan=self.overscanSection,
            trim=self.trimSection,
            keywords={name: word for name, word in keywords.items() if word is not None},
            do_overscan=overscan,
            do_trim=self.doTrim,
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
        instrument: InstrumentMap | None = None,
        detector: int | None = None,
    ) -> Struct:
        """Reduce one raw frame.

        Parameters
        ----------
        raw
            Counts in ADU, shape ``(ny, nx)``, with the raw header; of a file, also its other images.
        overscan
            Whether to subtract the overscan level, row by row.
        bias
            Master bias in electrons, or None to do without.
        dark
            Master dark in electrons per second, or None to do without.
        flat
            Master flat, of median 1, or None to do without.
        instrument
            Map of the frame's instrument: which keyword says what. None leaves it to the configuration.
        detector
            Detector of the frame, for amplifiers that the map gives to one detector.

        Returns
        -------
        struct
            ``exposure`` (`CcdImage` in electrons), ``readout`` (how the frame was read out), ``overscan_adu`` (median
            level, None without overscan), ``read_noise_e`` (clipped standard deviation of the overscan; the nominal one
            without overscan), ``nominal_read_noise_e`` (of the header or the config: what the variance holds),
            ``n_saturated``, ``n_bad``, ``notes`` (what was done otherwise than the file says, a sentence each).

        Raises
        ------
        UsageError
            If the header lacks what is needed, the frame is empty or saturated, or a master is of another shape.
        """
        from underbutler.butlers import CcdImage

        readout = self.readout(raw, overscan=overscan, instrument=instrument, detector=detector)
        seconds = None if dark is None else readout.exposure_time()
        header, wcs, notes = _header_and_position(raw, readout)
        whole = assemble(readout, _counts(raw, readout))
        mask = self._first_planes(whole)
        named = {"bias": bias, "dark": dark, "flat": flat}
        masters = {name: fitted_master(name, one, readout) for name, one in named.items() if one is not None}
        for master in masters.values():
            _inherit_bad(mask, master)
        ccd = _electrons(whole, masters.get("bias"))
        if seconds is not None:
            ccd = _without_dark(ccd, masters["dark"], seconds)
        if flat is not None:
            ccd = _flattened(ccd, masters["flat"], mask)
        exposure = CcdImage(
            image=np.ascontiguousarray(ccd.data, dtype=np.float32),
            mask=mask,
            variance=np.ascontiguousarray(ccd.uncertainty.array, dtype=np.float32),
            header=_reduced_header(header, readout),
            wcs=wcs,
            unit="electron",
            mask_planes=dict(PLANES),
        )
        for note in notes:
            self.log.warning("%s", note[:1].upper() + note[1:] + ".")
        return Struct(
            exposure=exposure,
            readout=readout,
            overscan_adu=whole.overscan_adu,
            read_noise_e=whole.read_noise_e,
            nominal_read_noise_e=float(np.sqrt(np.mean([one.read_noise**2 for one in readout.amplifiers]))),
            n_saturated=int(np.count_nonzero(has(mask, "SAT"))),
            n_bad=int(np.count_nonzero(has(mask, "BAD"))),
            notes=notes,
        )

    def readout(
        self,
        raw: CCDData,
        *,
        overscan: bool = True,
        instrument: InstrumentMap | None = None,
        detector: int | None = None,
    ) -> Readout:
        """Return how a frame was read out, as its header, the map and this task's configuration say.

        Parameters
        ----------
        raw, overscan, instrument, detector
            As `run` takes them.

        Raises
        ------
        IncompleteReadoutError
            If something is missing or does not fit: everything is named at once.
        """
        parts = parts_of_detector(_parts(raw), instrument, detector)
        return readout_of(parts, instrument, detector, self.config.overrides(overscan=overscan))

    def _first_planes(self, whole: Assembled) -> Mask:
        """Return a mask with NO_DATA, SAT and EDGE; refuse a frame that holds little else."""
        mask: Mask = np.zeros(whole.electrons.shape, dtype=MASK_TYPE)
        empty = ~np.isfinite(whole.electrons)
        for what, where in (("not finite (NaN)", empty), ("saturated", whole.saturated)):
            fraction = float(np.mean(where))
            if fraction > self.config.maxUnusable:
                raise UsageError(
                    f"{100 * fraction:.0f} % of the frame's pixels are {what}; more than "
                    f"{100 * self.config.maxUnusable:.0f} % are refused. Leave this exposure out, or allow more with "
                    "-c isr.maxUnusable=….",
                    fraction=fraction,
                )
        mark(mask, "NO_DATA", empty)
        mark(mask, "SAT", whole.saturated)
        mark(mask, "EDGE", grown_border(mask.shape, self.config.edge))
        return mask


def _parts(raw: CCDData) -> tuple[FramePart, ...]:
    """Return the images of a raw frame; one that comes from no file has one."""
    from astropy.io.fits import Header

    parts: tuple[FramePart, ...] = getattr(raw, "parts", ())
    if parts:
        return parts
    if raw.data.ndim != 2:
        raise UsageError(f"The raw frame has {raw.data.ndim} axes; a CCD frame has 2. Ingest its image extension.")
    return (FramePart(number=0, name="", shape=raw.data.shape, header=Header(raw.header)),)


def _counts(raw: CCDData, readout: Readout) -> dict[int, npt.NDArray[np.float32]]:
    """Return the counts of each image as 32-bit floats, NaN where the frame is masked."""
    images: dict[int, npt.NDArray[np.float32]] = {}
    pixels = getattr(raw, "pixels", ())
    several = len(pixels) > 1
    for number, part in enumerate(_parts(raw)):
        values = np.asarray(pixels[number] if several else raw.data, dtype=np.float32)
        if raw.mask is not None and not several:
            values = np.where(np.asarray(raw.mask, dtype=bool), np.float32(np.nan), values)
        images[part.number] = values
    return {number: images[number] for number in {one.part for one in readout.amplifiers}}


def _header_and_position(raw: CCDData, readout: Readout) -> tuple[Any, Any, list[str]]:
    """Return the header without the cards of its WCS, the WCS moved to the assembled image, and what is to be said."""
    from astropy.io.fits import Header

    header, wcs, reason = Header(raw.header), raw.wcs, None
    if wcs is None:
        wcs, reason = celestial_wcs(header)
    notes = list(getattr(raw, "notes", ()))
    if reason is not None:
        notes.append(f"no sky coordinates: the frame's WCS cannot be used, {reason}")
    if wcs is None:
        return header, None, notes
    first = readout.amplifiers[0]
    if first.flips_rows or first.flips_columns:
        notes.append("no sky coordinates: the WCS is of an amplifier that is turned over on the detector")
        return header, None, notes
    return without_position(header, wcs), _moved(wcs, first.data, first.place), notes


def _moved(wcs: Any, data: Box, place: Box) -> Any:
    """Return a WCS of raw pixels as one of the assembled image."""
    if place.y0 == 0 and place.x0 == 0:
        return wcs.slice(data.slices)
    moved = wcs.deepcopy()
    shift = np.array([place.x0 - data.x0, place.y0 - data.y0], dtype=float)
    moved.wcs.crpix = moved.wcs.crpix + shift
    if moved.sip is not None:
        from astropy.wcs import Sip

        sip = moved.sip
        moved.sip = Sip(sip.a, sip.b, sip.ap, sip.bp, np.asarray(sip.crpix) + shift)
    return moved


def _electrons(whole: Assembled, bias: CcdImage | None) -> CCDData:
    """Return the frame in electrons over its bias, with the variance of photons, read noise and bias."""
    import ccdproc
    from astropy import units
    from astropy.nddata import CCDData, VarianceUncertainty

    image = np.nan_to_num(whole.electrons, nan=0.0, posinf=0.0, neginf=0.0)
    ccd = CCDData(image, unit=units.electron)
    if bias is not None:
        ccd = ccdproc.subtract_bias(ccd, _as_ccddata(bias, ccd.unit), add_keyword=None)
    variance = np.maximum(ccd.data, 0.0) + whole.noise**2
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


def _inherit_bad(mask: Mask, master: CcdImage) -> None:
    """Mark the pixels that a master calls bad; its bit numbers are its own."""
    bit = master.mask_planes.get("BAD")
    if bit is not None and master.mask is not None:
        mark(mask, "BAD", (master.mask & (1 << bit)) != 0)


def _reduced_header(header: Any, readout: Readout) -> Any:
    """Return the header without the cards that are no longer true."""
    cards = header.copy()
    words = {name: readout.keywords.get(name, USUAL_KEYWORDS[name]) for name in USUAL_KEYWORDS}
    for keyword in (words["overscan"], words["trim"], "BSCALE", "BZERO", words["saturation"]):
        cards.remove(keyword, ignore_missing=True)
    if words["gain"] in cards:
        cards["RAWGAIN"] = (cards[words["gain"]], "[e-/ADU] gain that was applied")
        cards[words["gain"]] = (1.0, "the image is in electrons")
    if len(readout.amplifiers) > 1 and readout.window is not None:
        cards[words["place"]] = (readout.window.section, "section of the detector")
    return cards
