"""The task that reduces one frame: ``processCcd``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from lsst.pex.config import Config, ConfigurableField, Field, ListField
from lsst.pipe.base import Struct

from tasks.calexp_header import add_measurements, add_notes, add_origin, frame_metadata
from tasks.detect import DetectTask
from tasks.isr import IsrTask
from tasks.masters import find_master
from tasks.measure import MeasureTask
from tasks.pictures.orientation import orientation_of
from tasks.preview import PreviewTask
from tasks.repair import CosmicRayTask, bridge
from underbutler import CmdLineTask, DatasetSpec, TaskRunner
from underbutler.butlers.data_ids import exposure_records
from underbutler.pipe import config_digest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from astropy.nddata import CCDData

    from underbutler import DataRef
    from underbutler.butlers import CcdImage, InstrumentMap
    from underbutler.model.dataref import DataIdValue
    from underbutler.pipe.findings import Look

__all__ = ["ProcessCcdConfig", "ProcessCcdTask"]

FRAME = ("instrument", "exposure", "detector")


class ProcessCcdConfig(Config):
    """Which steps are done, and how."""

    doOverscan = Field[bool]("Subtract the overscan level?", default=True)
    doBias = Field[bool]("Subtract the master bias?", default=True)
    doDark = Field[bool](
        "Subtract the master dark, scaled by the exposure time? Off by default: cooled cameras need none.",
        default=False,
    )
    doFlat = Field[bool]("Divide by the master flat?", default=True)
    doCosmicRay = Field[bool]("Find and replace cosmic rays?", default=True)
    doBackground = Field[bool](
        "Subtract the sky from the calexp? Sources are measured without it either way.", default=True
    )
    leaveAside = ListField[str](
        "Observation types that are not frames of the sky: they are left aside when targets are listed.",
        default=["bias", "dark", "flat"],
    )
    isr = ConfigurableField(target=IsrTask, doc="From raw counts to electrons.")
    cosmicRay = ConfigurableField(target=CosmicRayTask, doc="Cosmic rays.")
    detect = ConfigurableField(target=DetectTask, doc="Background, detection, deblending.")
    measure = ConfigurableField(target=MeasureTask, doc="Positions, shapes, fluxes.")
    preview = ConfigurableField(target=PreviewTask, doc="The picture.")


class ProcessCcdRunner(TaskRunner):
    """Makes one target of each frame of the sky; frames that calibrations are made of are left aside, and counted."""

    @staticmethod
    def getTargetList(parsedCmd: argparse.Namespace, **kwargs: Any) -> list[Any]:
        """Return the targets whose observation type is not in the config's `leaveAside`."""
        aside: Counter[str] = Counter()
        targets = []
        listed = TaskRunner.getTargetList(parsedCmd, **kwargs)
        known = exposure_records(parsedCmd.butler, [_exposure(ref) for ref, _ in listed])
        for target in listed:
            kind = str(known[_exposure(target[0])].observation_type)
            if kind in parsedCmd.config.leaveAside:
                aside[kind] += 1
            else:
                targets.append(target)
        if aside:
            words = ", ".join(f"{number} {kind}" for kind, number in sorted(aside.items()))
            parsedCmd.log.warning("Left aside, not frames of the sky: %s (config leaveAside).", words)
        return targets


def _exposure(ref: DataRef) -> tuple[DataIdValue, DataIdValue]:
    return (ref.data_id["instrument"], ref.data_id["exposure"])


class ProcessCcdTask(CmdLineTask):
    """Reduce one raw frame: calibrated image, source table, picture."""

    ConfigClass = ProcessCcdConfig
    RunnerClass = ProcessCcdRunner
    _DefaultName = "processCcd"
    datasetTypes: ClassVar[dict[str, DatasetSpec]] = {
        "calexp": DatasetSpec(FRAME, "CcdImage", large=True),
        "src": DatasetSpec(FRAME, "ArrowAstropy", large=False),
        "preview": DatasetSpec(FRAME, "PngBytes", large=True),
        "preview_plain": DatasetSpec(FRAME, "PngBytes", large=False),
        "processCcd_metadata": DatasetSpec(FRAME, "TaskMetadata", large=False),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("isr", "cosmicRay", "detect", "measure", "preview"):
            self.makeSubtask(name)

    @classmethod
    def lookBefore(cls, targets: Sequence[Any], parsedCmd: argparse.Namespace) -> Look:
        """Look at the frames' files and headers, and at the masters that the config asks for."""
        from tasks.look.reductions import look_at_reductions

        return look_at_reductions(targets, parsedCmd)

    def runDataRef(self, dataRef: DataRef) -> Struct:
        """Reduce the frame that a reference names, and put ``calexp``, ``src``, ``preview`` and ``preview_plain``.

        Returns
        -------
        struct
            What `run` returned, and ``preview`` and ``preview_plain``, the bytes of the PNG files: with marks and
            without.

        Raises
        ------
        LostDatasetError
            If the frame or a calibration is missing, naming it and how to make it.
        UsageError
            If the frame is not fit to be reduced.
        """
        said: list[str] = []
        masters = {
            name: find_master(dataRef, name, has_bias=self.config.doBias, log=self.log, notes=said)
            for name in ("bias", "dark", "flat")
            if self._wants(name)
        }
        detector = int(dataRef.data_id["detector"])
        result = self.run(dataRef.get("raw"), **masters, instrument=dataRef.instrument_map(), detector=detector)
        header = result.exposure.header
        add_notes(header, [*said, *result.notes])
        add_origin(
            header, dataRef, task=self._DefaultName, config_digest=config_digest(self.config), masters=list(masters)
        )
        result.sources.meta.update(frame_metadata(header))
        pictures = self._pictures(dataRef, result)
        dataRef.put(result.exposure, "calexp")
        dataRef.put(result.sources, "src")
        dataRef.put(pictures.marked, "preview")
        dataRef.put(pictures.plain, "preview_plain")
        for name, value in result.scalars.items():
            self.metadata[name] = value
        self.log.info("%d sources over a sky of %.1f e-", len(result.sources), result.scalars["background_e"])
        return Struct(
            exposure=result.exposure,
            sources=result.sources,
            scalars=result.scalars,
            preview=pictures.marked,
            preview_plain=pictures.plain,
        )

    def run(
        self,
        raw: CCDData,
        bias: CcdImage | None = None,
        dark: CcdImage | None = None,
        flat: CcdImage | None = None,
        *,
        instrument: InstrumentMap | None = None,
        detector: int | None = None,
    ) -> Struct:
        """Reduce one frame in memory.

        Parameters
        ----------
        raw
            Counts in ADU, shape ``(ny, nx)``, with the raw header.
        bias, dark, flat
            Masters, or None.
        instrument
            Map of the frame's instrument, or None.
        detector
            Detector of the frame, or None.

        Returns
        -------
        struct
            ``exposure`` (`CcdImage` in electrons), ``sources`` (table), ``background``, ``scalars`` (what tables show:
            numbers by name; what could not be measured is absent), ``orientation`` (how it lies on the sky), ``notes``
            (what was done otherwise than expected, a sentence each).
        """
        isr = self.isr.run(
            raw,
            overscan=self.config.doOverscan,
            bias=bias,
            dark=dark,
            flat=flat,
            instrument=instrument,
            detector=detector,
        )
        exposure: CcdImage = isr.exposure
        hits = Struct(n_cosmic_rays=0, n_cosmic_ray_pixels=0)
        if self.config.doCosmicRay:
            hits = self.cosmicRay.run(exposure, isr.nominal_read_noise_e)
        bridge(exposure)
        found = self.detect.run(exposure)
        measured = self.measure.run(
            exposure, found.objects, found.segments, found.background, seconds=isr.readout.seconds
        )
        if not self.config.doBackground:
            exposure.image += found.background.model
        orientation = orientation_of(exposure.wcs, exposure.shape, isr.readout, exposure.header)
        scale = orientation.scale
        scalars = {
            "n_sources": len(measured.sources),
            "fwhm_px": measured.fwhm_px,
            "seeing_arcsec": None if scale is None or measured.fwhm_px is None else scale * measured.fwhm_px,
            "background_e": found.background.level,
            "background_rms_e": found.background.rms,
            "read_noise_e": isr.read_noise_e,
            "overscan_adu": isr.overscan_adu,
            "n_cosmic_rays": hits.n_cosmic_rays,
            "n_cosmic_ray_pixels": hits.n_cosmic_ray_pixels,
            "n_bad_pixels": isr.n_bad,
            "n_saturated_pixels": isr.n_saturated,
            "n_psf_stars": measured.n_stars,
            "aperture_correction": measured.aperture_correction,
        }
        scalars = {name: value for name, value in scalars.items() if value is not None}
        notes = [*isr.notes, *measured.notes]
        apcor_error = None if measured.growth is None else measured.growth.error
        add_measurements(exposure.header, self._cards(isr, scalars, scale) | {"APCORERR": apcor_error})
        add_notes(exposure.header, notes)
        measured.sources.meta.update(frame_metadata(exposure.header))
        return Struct(
            exposure=exposure,
            sources=measured.sources,
            background=found.background,
            scalars=scalars,
            orientation=orientation,
            notes=notes,
        )

    def _cards(self, isr: Struct, scalars: Mapping[str, float], scale: float | None) -> dict[str, Any]:
        """Return what the header says of the readout and of the measurements, by keyword."""
        amplifiers = isr.readout.amplifiers
        return {
            "BUNIT": isr.exposure.unit,
            "GAIN": 1.0,
            "RAWGAIN": float(np.mean([one.gain for one in amplifiers])),
            "RDNOISE": isr.nominal_read_noise_e,
            "OVERSUB": any(one.overscan is not None for one in amplifiers),
            "RONMEAS": isr.read_noise_e if self.config.doOverscan else None,
            "RAWSATUR": float(min(one.saturation for one in amplifiers)),
            "SATURATE": float(min((one.saturation - (isr.overscan_adu or 0.0)) * one.gain for one in amplifiers)),
            "EXPTIME": isr.readout.seconds,
            "PIXSCALE": scale,
            "FWHM": scalars.get("fwhm_px"),
            "SEEING": scalars.get("seeing_arcsec"),
            "SKYLEVEL": scalars["background_e"],
            "SKYRMS": scalars["background_rms_e"],
            "SKYSUB": bool(self.config.doBackground),
            "NSOURCES": scalars["n_sources"],
            "NPSFSTAR": scalars["n_psf_stars"],
            "APCOR": scalars["aperture_correction"],
            "NSATPIX": scalars["n_saturated_pixels"],
            "NBADPIX": scalars["n_bad_pixels"],
            "NCRPIX": scalars["n_cosmic_ray_pixels"],
        }

    def _wants(self, name: str) -> bool:
        return bool(getattr(self.config, f"do{name.capitalize()}"))

    def _pictures(self, dataRef: DataRef, result: Struct) -> Struct:
        """Return the PNG files, ``marked`` and ``plain``; what the frame is and what was measured stands on them."""
        data_id, scalars, header = dataRef.data_id, result.scalars, result.exposure.header
        what = [str(header[key]).strip() for key in ("OBJECT", "FILTER") if str(header.get(key, "")).strip()]
        what += [f"{header['EXPTIME']:g} s"] if isinstance(header.get("EXPTIME"), int | float) else []
        what += [f"{header['DATE-OBS']} UTC"] if header.get("DATE-OBS") else []
        facts = [f"sky {scalars['background_e']:.1f} e-", f"rms {scalars['background_rms_e']:.1f} e-"]
        arcsec = f" = {scalars['seeing_arcsec']:.2f} arcsec" if "seeing_arcsec" in scalars else ""
        facts += [f"FWHM {scalars['fwhm_px']:.2f} px{arcsec}"] if "fwhm_px" in scalars else []
        facts += [f"read noise {scalars['read_noise_e']:.1f} e-"]
        pictures: Struct = self.preview.run(
            result.exposure,
            result.sources,
            title=f"{data_id['instrument']}  {data_id['exposure']}  detector {data_id['detector']}",
            lines=["   ".join(what), "   ".join(facts)],
            orientation=result.orientation,
        )
        return pictures
