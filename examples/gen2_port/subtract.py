"""A task as its author wrote it in 2019: only the imports are others, and `datasetTypes` is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lsst.pex.config as pexConfig
import lsst.utils.timer as pipeTimer
import numpy as np
import pytest
from lsst.pipe.base import Struct, Task, TaskError
from pipe_site import make_site

from underbutler import ArgumentParser, ButlerInitializedTaskRunner, CmdLineTask, DatasetSpec
from underbutler.butlers import Repositories

# ruff: noqa: UP008 - super() as it was written then


class BackgroundConfig(pexConfig.Config):
    """Configuration of BackgroundTask."""

    statistic = pexConfig.ChoiceField(
        doc="Statistic to use for the background level",
        dtype=str,
        default="MEDIAN",
        allowed={"MEAN": "mean", "MEDIAN": "median"},
    )
    ignore = pexConfig.ListField(doc="Values to ignore", dtype=float, default=[0.0])


class BackgroundTask(Task):
    """Estimate a background."""

    ConfigClass = BackgroundConfig
    _DefaultName = "background"

    @pipeTimer.timeMethod
    def run(self, image: Any) -> Struct:
        values = image[~np.isin(image, list(self.config.ignore))]
        function = {"MEAN": np.mean, "MEDIAN": np.median}[self.config.statistic]
        self.metadata.set("nPixels", int(values.size))
        return Struct(level=float(function(values)))


class SubtractConfig(pexConfig.Config):
    """Configuration of SubtractTask."""

    doWrite = pexConfig.Field(dtype=bool, default=True, doc="Persist the results?")
    background = pexConfig.ConfigurableField(target=BackgroundTask, doc="Task to estimate the background")

    def setDefaults(self) -> None:
        super(SubtractConfig, self).setDefaults()
        self.background.statistic = "MEAN"

    def validate(self) -> None:
        pexConfig.Config.validate(self)
        if self.background.statistic == "MEAN" and not self.doWrite:
            raise ValueError("a mean that is not written is of no use")


class SubtractRunner(ButlerInitializedTaskRunner):
    """Pass the offset to each data reference."""

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[Any]:
        return ButlerInitializedTaskRunner.getTargetList(
            parsedCmd, offset=parsedCmd.offset, others=parsedCmd.other.idList
        )


class SubtractTask(CmdLineTask):
    """Subtract the background of a frame."""

    ConfigClass = SubtractConfig
    RunnerClass = SubtractRunner
    _DefaultName = "subtract"
    datasetTypes = {
        "subtracted": DatasetSpec(("instrument", "exposure", "detector"), "NumpyArray"),
        "subtractSrc": DatasetSpec(("instrument", "exposure", "detector"), "StructuredDataDict"),
    }

    def __init__(self, butler: Any = None, **kwargs: Any) -> None:
        CmdLineTask.__init__(self, **kwargs)
        self.makeSubtask("background")
        self.schema = {"columns": ["x", "y", "flux"]}
        self.nDetectors = len(list(butler.query_dimension_records("detector", instrument="CAM")))

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        parser = ArgumentParser(name=cls._DefaultName)
        parser.add_id_argument(name="--id", datasetType="raw", help="data ID, e.g. --id exposure=1 detector=0..1")
        parser.add_id_argument("--other", "raw", "other data", doMakeDataRefList=False)
        parser.add_argument("--offset", type=int, default=0, help="value to add")
        return parser

    @pipeTimer.timeMethod
    def runDataRef(self, dataRef: Any, offset: int = 0, others: Any = ()) -> Struct:
        self.log.info("Processing %s", dataRef.dataId)
        if not dataRef.datasetExists("raw"):
            raise TaskError("no raw for %s" % dataRef.dataId)  # noqa: UP031 - as it was written then
        image = np.asarray(dataRef.get("raw", immediate=True).data, dtype=float)
        background = self.background.run(image)
        image -= background.level - offset
        self.metadata.set("level", background.level)
        if self.config.doWrite:
            dataRef.put(image, "subtracted")
            dataRef.put({"columns": self.schema["columns"], "rows": []}, "subtractSrc")
        return Struct(image=image, others=others, uri=dataRef.getUri("subtracted"))

    def getSchemaCatalogs(self) -> dict[str, Any]:
        return {"subtractSrc": self.schema}

    def _getConfigName(self) -> str:
        return "subtract_settings"


@pytest.fixture
def site(tmp_path: Path) -> Any:
    repositories = make_site(tmp_path)
    yield repositories
    repositories.close()


def test_a_gen2_task_runs_with_other_imports_and_its_outputs_declared(site: Repositories) -> None:
    struct = SubtractTask.parseAndRun(
        ["tiny", "--id", "exposure=1^2", "detector=0..1", "--offset", "7", "--other", "detector=8^9"],
        repositories=site,
        doReturnResults=True,
    )

    assert [result.exitStatus for result in struct.resultList] == [0] * 4
    assert all((result.result.image == 7).all() for result in struct.resultList)
    first = struct.resultList[0]
    assert first.result.others == [{"detector": 8}, {"detector": 9}]
    assert first.result.others is not struct.resultList[1].result.others
    assert f"/{struct.parsedCmd.run}/subtracted/" in first.result.uri
    assert first.metadata["level"] == 100.0

    run = struct.parsedCmd.run
    with site.butler("tiny", collections=[run]) as butler:
        metadata = butler.get("subtract_metadata", instrument="CAM", exposure=1, detector=0)
        assert metadata["subtract:background"]["nPixels"] == 24
        assert metadata["subtract"]["level"] == 100.0
        assert butler.get("subtract_settings").background.statistic == "MEAN"
        assert butler.get("subtractSrc_schema") == {"columns": ["x", "y", "flux"]}
        assert (butler.get("subtracted", instrument="CAM", exposure=2, detector=1) == 7).all()


def test_its_validation_speaks_on_the_command_line(site: Repositories, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        SubtractTask.parseAndRun(["tiny", "--id", "exposure=1", "-c", "doWrite=False"], repositories=site)
    assert end.value.code == 2
    assert "a mean that is not written is of no use" in capsys.readouterr().err
