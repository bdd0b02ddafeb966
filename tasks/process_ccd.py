"""The task that reduces one frame: ``processCcd``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lsst.pex.config import Config, ConfigurableField, Field, ListField
from lsst.pipe.base import Struct

from tasks.detect import DetectTask
from tasks.isr import IsrTask
from tasks.masters import find_master
from tasks.measure import MeasureTask
from tasks.preview import PreviewTask
from tasks.repair import CosmicRayTask, bridge
from underbutler import CmdLineTask, DatasetSpec, TaskRunner
from underbutler.butlers.many_datasets import exposure_records

if TYPE_CHECKING:
    import argparse

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
        """Reduce the frame that a reference names, and put ``calexp``, ``src`` and ``preview``.

        Returns
        -------
        struct
            What `run` returned, and ``preview``, the bytes of the PNG file.

        Raises
        ------
        LostDatasetError
            If the frame or a calibration is missing, naming it and how to make it.
        UsageError
            If the frame is not fit to be reduced.
        """
        masters = {
            name: find_master(dataRef, name, has_bias=self.config.doBias, log=self.log)
            for name in ("bias", "dark", "flat")
            if self._wants(name)
        }
        detector = int(dataRef.data_id["detector"])
        result = self.run(dataRef.get("raw"), **masters, instrument=dataRef.instrument_map(), detector=detector)
        picture = self._picture(dataRef, result)
        dataRef.put(result.exposure, "calexp")
        dataRef.put(result.sources, "src")
        dataRef.put(picture, "preview")
        for name, value in result.scalars.items():
            self.metadata[name] = value
        self.log.info("%d sources over a sky of %.1f e-", len(result.sources), result.scalars["background_e"])
        return Struct(exposure=result.exposure, sources=result.sources, scalars=result.scalars, preview=picture)

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
            numbers by name; what could not be measured is absent).
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
        measured = self.measure.run(exposure, found.objects, found.segments)
        if not self.config.doBackground:
            exposure.image += found.background.model
        scalars = {
            "n_sources": len(measured.sources),
            "fwhm_px": measured.fwhm_px,
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
        return Struct(
            exposure=exposure,
            sources=measured.sources,
            background=found.background,
            scalars={name: value for name, value in scalars.items() if value is not None},
        )

    def _wants(self, name: str) -> bool:
        return bool(getattr(self.config, f"do{name.capitalize()}"))

    def _picture(self, dataRef: DataRef, result: Struct) -> bytes:
        data_id, scalars = dataRef.data_id, result.scalars
        header = result.exposure.header
        words = [str(header[key]).strip() for key in ("OBJECT", "FILTER") if str(header.get(key, "")).strip()]
        words += [f"{header['EXPTIME']:g} s"] if isinstance(header.get("EXPTIME"), int | float) else []
        facts = [f"sky {scalars['background_e']:.1f} e-", f"rms {scalars['background_rms_e']:.1f} e-"]
        facts += [f"FWHM {scalars['fwhm_px']:.2f} px"] if "fwhm_px" in scalars else []
        facts += [f"read noise {scalars['read_noise_e']:.1f} e-"]
        picture: bytes = self.preview.run(
            result.exposure,
            result.sources,
            level=0.0 if self.config.doBackground else result.background.level,
            rms=result.background.rms,
            title=f"{data_id['instrument']}  {data_id['exposure']}  detector {data_id['detector']}",
            subtitle="   ".join([*words, *facts]),
        )
        return picture
