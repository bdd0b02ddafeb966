"""A repository of three exposures on two detectors, and tasks for it, importable from any process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import lsst.pex.config as pexConfig
import numpy as np
from astropy.io import fits
from lsst.pipe.base import NoWorkFound

from underbutler import ArgumentParser, ButlerInitializedTaskRunner, CmdLineTask, DatasetSpec, TaskRunner
from underbutler.butlers import InstrumentMap, Repositories, create_repository, ingest_files
from underbutler.errors import TransientError
from underbutler.settings import load_settings

CAMERA = InstrumentMap.model_validate(
    {
        "name": "CAM",
        "match": {"INSTRUME": "CAM"},
        "detectors": [{"id": 0, "name": "D0"}, {"id": 1, "name": "D1"}],
        "detector": {"keyword": "DETECTOR"},
        "exposure": {"id": "EXPID"},
        "observation": {"types": {"object": "science", "bias": "bias"}, "filter": "FILTER", "bands": {"R": "r"}},
    }
)
EXPOSURES = (1, 2, 5)
RAW = ("instrument", "exposure", "detector")


def make_site(folder: Path, registry_url: str | None = None) -> Repositories:
    """Make a repository ``tiny``; the value of every pixel is 100 x exposure + detector."""
    repositories = Repositories(load_settings(home=folder / "home", user="tester"))
    create_repository(folder / "repo", "tiny", repositories.settings, [CAMERA], registry_url=registry_url)
    files = []
    for exposure in EXPOSURES:
        for detector in (0, 1):
            keywords = {
                "INSTRUME": "CAM",
                "DETECTOR": detector,
                "EXPID": exposure,
                "DATE-OBS": f"2026-11-20T20:00:0{exposure}",
                "EXPTIME": 30.0,
                "IMAGETYP": "bias" if exposure == 5 else "object",
                "FILTER": "R",
            }
            path = folder / f"frame-{exposure}-{detector}.fits"
            pixels = np.full((4, 6), 100 * exposure + detector, dtype=np.uint16)
            fits.PrimaryHDU(pixels, header=fits.Header(keywords)).writeto(path)
            files.append(path)
    report = ingest_files(repositories, "tiny", files)
    assert not report.failed, report.failed
    return repositories


class LevelConfig(pexConfig.Config):
    scale = pexConfig.Field(dtype=float, default=1.0, doc="factor of the level")
    fails_on = pexConfig.ListField(dtype=int, default=[], doc="exposures that fail")
    dies_on = pexConfig.ListField(dtype=int, default=[], doc="exposures whose process is killed")
    empty_on = pexConfig.ListField(dtype=int, default=[], doc="exposures without work")
    away_on = pexConfig.ListField(dtype=int, default=[], doc="exposures whose service is away")
    sleep_s = pexConfig.Field(dtype=float, default=0.0, doc="seconds that a target takes")


class LevelTask(CmdLineTask):
    """Measure the level of a frame."""

    ConfigClass = LevelConfig
    _DefaultName = "level"
    datasetTypes = {"levelOf": DatasetSpec(RAW, "StructuredDataDict")}

    def runDataRef(self, dataRef: Any, factor: float = 1.0) -> float:
        self.metadata["pid"] = os.getpid()
        exposure = dataRef.dataId["exposure"]
        if exposure in self.config.fails_on:
            raise ValueError(f"exposure {exposure} is bad")
        if exposure in self.config.away_on:
            raise TransientError("the store is away")
        if exposure in self.config.empty_on:
            raise NoWorkFound("nothing there")
        if exposure in self.config.dies_on:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.config.sleep_s)
        level = float(np.median(dataRef.get("raw").data)) * self.config.scale * factor
        dataRef.put({"level": level}, "levelOf")
        return level


class ButlerLevelTask(LevelTask):
    """The same, made with a butler."""

    RunnerClass = ButlerInitializedTaskRunner
    _DefaultName = "butlerLevel"

    def __init__(self, butler: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = sorted(record.id for record in butler.query_dimension_records("exposure", instrument="CAM"))

    def runDataRef(self, dataRef: Any, factor: float = 1.0) -> list[int]:
        return self.known


class FactorRunner(TaskRunner):
    """Case 1 of the ways to extend a runner."""

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[Any]:
        return TaskRunner.getTargetList(parsedCmd, factor=parsedCmd.factor, **kwargs)


class FactorTask(LevelTask):
    """Measure with a factor from the command line."""

    RunnerClass = FactorRunner
    _DefaultName = "factor"

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        parser = ArgumentParser(name=cls._DefaultName)
        parser.add_id_argument("--id", "raw", help="data ID")
        parser.add_argument("--factor", type=float, default=2.0, help="factor")
        return parser


class ExposureRunner(TaskRunner):
    """Case 2: a target is the list of one exposure's references."""

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[Any]:
        by_exposure: dict[int, list[Any]] = {}
        for ref in parsedCmd.id.refList:
            by_exposure.setdefault(ref.dataId["exposure"], []).append(ref)
        return list(by_exposure.values())

    def __call__(self, refs: Any) -> Any:
        from underbutler import Struct

        levels = [float(np.median(ref.get("raw").data)) for ref in refs]
        return Struct(exitStatus=0, levels=levels)


class ExposureTask(LevelTask):
    """Work on all detectors of an exposure at once."""

    RunnerClass = ExposureRunner
    _DefaultName = "exposureLevel"


class ListlessRunner(TaskRunner):
    """Asks the command for what it does not have."""

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[Any]:
        return list(parsedCmd.visit)


class ListlessTask(LevelTask):
    """Has a target list that raises."""

    RunnerClass = ListlessRunner
    _DefaultName = "listless"
