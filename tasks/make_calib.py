"""The tasks that make masters: bias, dark and flat, combined, certified, ready for ``processCcd``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from lsst.pex.config import Config, ConfigurableField, Field, RangeField
from lsst.pipe.base import Struct

from tasks.calib_targets import DIMENSIONS, CalibRunner
from tasks.combine import clipped_mean, deviant_pixels, stacked
from tasks.isr import IsrTask
from tasks.masters import calib_collection, find_master
from tasks.planes import MASK_TYPE, PLANES, has, mark
from tasks.validity import certify, parse_validity, refuse_overlap
from underbutler import ArgumentParser, CmdLineTask, DatasetSpec
from underbutler.butlers.masters import SETUP_CARD
from underbutler.errors import UsageError

if TYPE_CHECKING:
    import argparse
    import uuid

    import numpy.typing as npt

    from underbutler import DataRef
    from underbutler.butlers import CcdImage
    from underbutler.instruments.readout import Readout
    from underbutler.pipe.findings import Look

    FloatArray = npt.NDArray[np.float32]
    Where = npt.NDArray[np.bool_]

__all__ = ["MakeBiasTask", "MakeCalibConfig", "MakeCalibTask", "MakeDarkTask", "MakeFlatTask"]

DEAD_RESPONSE = 0.05


class MakeCalibConfig(Config):
    """How frames become a master."""

    observationType = Field[str]("Observation type of the frames that are combined.", default="")
    doOverscan = Field[bool]("Subtract the overscan level?", default=True)
    clipSigma = RangeField[float](
        "Values farther from their pixel's median are left out, in sigma.", default=4.0, min=1.0
    )
    minInputs = RangeField[int]("Least number of frames.", default=3, min=2)
    maxMemoryMiB = RangeField[int]("Over this, frames wait in a temporary file.", default=512, min=1)
    isr = ConfigurableField(target=IsrTask, doc="From raw counts to electrons.")


class MakeBiasConfig(MakeCalibConfig):
    """How bias frames become a master bias."""

    badSigma = RangeField[float]("Pixels farther from their row's neighbours are BAD, in sigma.", default=8.0, min=1.0)

    def setDefaults(self) -> None:
        """Set what differs from other masters."""
        super().setDefaults()
        self.observationType = "bias"


class MakeDarkConfig(MakeCalibConfig):
    """How dark frames become a master dark."""

    doBias = Field[bool]("Subtract the master bias?", default=True)
    badSigma = RangeField[float]("Pixels farther from their row's neighbours are BAD, in sigma.", default=20.0, min=1.0)

    def setDefaults(self) -> None:
        """Set what differs from other masters."""
        super().setDefaults()
        self.observationType = "dark"


class MakeFlatConfig(MakeCalibConfig):
    """How flat frames become a master flat."""

    doBias = Field[bool]("Subtract the master bias?", default=True)
    doDark = Field[bool]("Subtract the master dark?", default=False)
    minResponse = RangeField[float](
        "Pixels of less response than this part of their neighbours' are BAD.", default=0.5, min=0.0
    )
    maxResponse = RangeField[float](
        "Pixels of more response than this part of their neighbours' are BAD.", default=1.5, min=1.0
    )

    def setDefaults(self) -> None:
        """Set what differs from other masters."""
        super().setDefaults()
        self.observationType = "flat"


class MakeCalibTask(CmdLineTask):
    """What all masters have in common: frames in, one image out, certified into ``{instrument}/calib``.

    A target is one master: frames that the camera took with one setting (shape, binning, read mode, gain, offset,
    temperature, for darks exposure time) make one. Its reference names the output; its kwargs hold the input exposures,
    the setting, the validity and whether overlapping masters are replaced. A second setting of the same detector is
    certified into a collection of its own, below the first. Without ``--validity`` a master is valid for the observing
    days of its inputs, from their first noon to their last, so that masters of successive days do not overlap.
    """

    RunnerClass = CalibRunner
    calibration: ClassVar[str]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("isr")

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        """Make a parser with ``--id`` (masters), ``--inputId`` (frames), ``--validity`` and ``--replace``."""
        parser = ArgumentParser(name=cls._DefaultName, description=cls.__doc__)
        parser.add_id_argument(
            "--id",
            cls.calibration,
            help="which masters, e.g. --id detector=0^1; default all that the frames allow",
            required=False,
        )
        parser.add_id_argument(
            "--inputId",
            "raw",
            help="frames to combine, e.g. --inputId instrument=SIMCAM day_obs=20261120",
            required=True,
        )
        parser.add_argument(
            "--validity",
            metavar="BEGIN..END",
            help="time in TAI over which the master is certified, END not included, e.g. 2026-11-20..2026-12-01; "
            "default the observing days of the frames, noon to noon",
        )
        parser.add_argument("--replace", action="store_true", help="take that time from masters that overlap")
        return parser

    @classmethod
    def lookBefore(cls, targets: Sequence[Any], parsedCmd: argparse.Namespace) -> Look:
        """Look at the frames' number, files and headers, the masters that they need, and what is certified."""
        from tasks.look.combinations import look_at_combinations

        return look_at_combinations(cls.calibration, targets, parsedCmd)

    def runDataRef(
        self,
        dataRef: DataRef,
        exposures: Sequence[int],
        validity: str,
        replace: bool = False,
        setup: str = "",
        apart: bool = False,
    ) -> Struct:
        """Make one master, put it, certify it.

        Parameters
        ----------
        dataRef
            Names the output: instrument, detector and, for a flat, physical filter.
        exposures
            Input exposures.
        validity
            ``BEGIN..END`` in TAI.
        replace
            Whether overlapping masters lose that part of their time.
        setup
            How the camera was set, as the master's card ``UBSETUP`` says it.
        apart
            Whether other masters of the same job are of the same detector: this one is certified apart from them.

        Returns
        -------
        struct
            ``calibration`` (`CcdImage`), ``dataset`` (its UUID), ``certified`` (what `certify` did).

        Raises
        ------
        TaskError
            If another master overlaps and `replace` is not set.
        UsageError
            If there are too few frames, or one is not fit.
        """
        if len(exposures) < self.config.minInputs:
            raise UsageError(
                f"{len(exposures)} frames for the {self.calibration} of {dataRef}; it takes {self.config.minInputs} or "
                "more. Name more with --inputId, or set -c minInputs=….",
                exposures=list(exposures),
            )
        span = parse_validity(validity)
        butler = dataRef.getButler()

        def place() -> str:
            data_id, instrument = dict(dataRef.data_id), dataRef.instrument_map()
            return calib_collection(butler, self.calibration, data_id, setup, instrument, apart=apart)

        if not replace:
            refuse_overlap(
                butler,
                place(),
                butler.get_dataset_type(self.calibration),
                dataRef.data_id,
                span,
                run=dataRef.run or "",
            )
        calibration = self.run(dataRef, list(exposures))
        if setup:
            calibration.header[SETUP_CARD] = setup
        dataset: uuid.UUID = dataRef.put(calibration, self.calibration)
        collection = place()
        done = certify(butler, collection, dataset, span, replace=replace)
        self.metadata["collection"] = collection
        self.metadata["setup"] = setup
        self.metadata["n_inputs"] = len(exposures)
        self.metadata["n_bad"] = int(np.count_nonzero(has(calibration.mask, "BAD")))
        self.metadata["level"] = float(np.median(calibration.image))
        self.metadata["noise"] = float(np.sqrt(np.median(calibration.variance)))
        self.metadata["validity"] = validity
        return Struct(calibration=calibration, dataset=dataset, certified=done)

    def run(self, dataRef: DataRef, exposures: Sequence[int]) -> CcdImage:
        """Combine frames into a master.

        Parameters
        ----------
        dataRef
            Reads ``raw`` and the calibrations that frames need first.
        exposures
            Input exposures.
        """
        from underbutler.butlers import CcdImage

        headers: list[Any] = []
        bad: list[Where] = []
        frames = self._frames(dataRef, exposures, headers, bad)
        try:
            stack = stacked(frames, len(exposures), self.config.maxMemoryMiB * 2**20)
        except ValueError as error:
            raise UsageError(
                f"A frame of the {self.calibration} {error}. Leave out frames of another readout."
            ) from error
        image, variance = clipped_mean(stack, self.config.clipSigma)
        image, variance, defects = self.finished(image, variance, bad[0])
        mask = np.zeros(image.shape, dtype=MASK_TYPE)
        mark(mask, "BAD", defects)
        return CcdImage(
            image=image,
            mask=mask,
            variance=variance,
            header=self._header(headers[0], exposures),
            wcs=None,
            unit=self.unit,
            mask_planes=dict(PLANES),
        )

    unit: ClassVar[str] = "electron"

    def calibrations(self, dataRef: DataRef, exposure: int) -> dict[str, CcdImage]:
        """Return the masters that a frame needs before it is combined."""
        names = [name for name in ("bias", "dark") if getattr(self.config, f"do{name.capitalize()}", False)]
        return {
            name: find_master(dataRef, name, has_bias="bias" in names, log=self.log, exposure=exposure)
            for name in names
        }

    def scaled(self, exposure: CcdImage, readout: Readout) -> FloatArray:  # noqa: ARG002 - for those who override it
        """Return a frame on the scale on which frames are combined."""
        return exposure.image

    def finished(self, image: FloatArray, variance: FloatArray, bad: Where) -> tuple[FloatArray, FloatArray, Where]:
        """Return the combined image and its variance on the master's scale, and which pixels are bad.

        Here the image stays as it is, and pixels that stand out of their row are bad.
        """
        defects = bad | deviant_pixels(image, sigma=self.config.badSigma)
        return np.nan_to_num(image, nan=0.0), variance, defects

    def _frames(
        self, dataRef: DataRef, exposures: Sequence[int], headers: list[Any], bad: list[Where]
    ) -> Iterator[FloatArray]:
        """Yield frames in electrons, one at a time; what is saturated or missing is NaN."""
        for exposure in exposures:
            raw = dataRef.get("raw", exposure=exposure)
            try:
                isr = self.isr.run(
                    raw,
                    overscan=self.config.doOverscan,
                    instrument=dataRef.instrument_map(),
                    detector=int(dataRef.data_id["detector"]),
                    **self.calibrations(dataRef, exposure),
                )
                reduced: CcdImage = isr.exposure
                frame = self.scaled(reduced, isr.readout)
            except UsageError as error:
                raise UsageError(f"Input exposure {exposure}: {error}", exposure=exposure, **error.fields) from error
            frame[has(reduced.mask, "SAT", "NO_DATA")] = np.nan
            headers.append(reduced.header)
            bad.append(has(reduced.mask, "BAD"))
            yield frame

    def _header(self, first: Any, exposures: Sequence[int]) -> Any:
        """Return the first frame's header, with what was combined."""
        header = first.copy()
        for keyword in ("EXPID", "OBJECT"):
            header.remove(keyword, ignore_missing=True)
        header["IMAGETYP"] = (f"MASTER {self.calibration.upper()}", "kind of image")
        header["NCOMBINE"] = (len(exposures), "number of combined frames")
        for number, exposure in enumerate(exposures[:999], start=1):
            header[f"INPUT{number:03d}"] = (exposure, "combined exposure")
        return header


class MakeBiasTask(MakeCalibTask):
    """Combine bias frames into a master bias, in electrons; hot columns become BAD."""

    ConfigClass = MakeBiasConfig
    _DefaultName = "makeBias"
    calibration = "bias"
    datasetTypes: ClassVar[dict[str, DatasetSpec]] = {
        "bias": DatasetSpec(DIMENSIONS["bias"], "CcdImage", large=False, isCalibration=True),
        "makeBias_metadata": DatasetSpec(DIMENSIONS["bias"], "TaskMetadata", large=False),
    }


class MakeDarkTask(MakeCalibTask):
    """Combine dark frames, each divided by its exposure time, into a master dark in electrons per second."""

    ConfigClass = MakeDarkConfig
    _DefaultName = "makeDark"
    calibration = "dark"
    unit = "electron / s"
    datasetTypes: ClassVar[dict[str, DatasetSpec]] = {
        "dark": DatasetSpec(DIMENSIONS["dark"], "CcdImage", large=False, isCalibration=True),
        "makeDark_metadata": DatasetSpec(DIMENSIONS["dark"], "TaskMetadata", large=False),
    }

    def scaled(self, exposure: CcdImage, readout: Readout) -> FloatArray:
        """Return a frame in electrons per second."""
        seconds = readout.exposure_time()
        if seconds <= 0:
            raise UsageError(f"A dark frame needs an exposure time over 0 s; its header says {seconds} s.")
        return exposure.image / np.float32(seconds)


class MakeFlatTask(MakeCalibTask):
    """Combine flat frames into a master flat of median 1; pixels of little response become BAD."""

    ConfigClass = MakeFlatConfig
    _DefaultName = "makeFlat"
    calibration = "flat"
    unit = ""
    datasetTypes: ClassVar[dict[str, DatasetSpec]] = {
        "flat": DatasetSpec(DIMENSIONS["flat"], "CcdImage", large=False, isCalibration=True),
        "makeFlat_metadata": DatasetSpec(DIMENSIONS["flat"], "TaskMetadata", large=False),
    }

    def scaled(self, exposure: CcdImage, readout: Readout) -> FloatArray:  # noqa: ARG002 - as the base class says
        """Return a frame divided by the median of its good pixels."""
        good = exposure.image[~has(exposure.mask, "BAD", "SAT", "NO_DATA")]
        level = float(np.median(good)) if good.size else 0.0
        if level <= 0:
            raise UsageError(
                f"The flat frame has a median of {level:.3g} electrons: no light. Leave it out of --inputId."
            )
        return exposure.image / np.float32(level)

    def finished(self, image: FloatArray, variance: FloatArray, bad: Where) -> tuple[FloatArray, FloatArray, Where]:
        """Return the flat with a median of 1 over good pixels; bad ones keep at least a twentieth of it."""
        limits = (self.config.minResponse, self.config.maxResponse)
        defects = bad | deviant_pixels(image, limits=limits) | ~(image > 0)
        if defects.all():
            raise UsageError(
                "Every pixel of the flat is bad: look at its frames, or widen -c minResponse, maxResponse."
            )
        level = np.median(image[~defects])
        image = np.maximum(np.nan_to_num(image / level, nan=1.0), np.float32(DEAD_RESPONSE)).astype(np.float32)
        return image, (variance / level**2).astype(np.float32), defects
