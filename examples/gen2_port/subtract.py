"""subtract.py: a Gen2 command-line task with a sub-task, extra arguments and schemas, as it was written in 2019.

What differs from then: the four names that are imported from underbutler, and `datasetTypes`.
"""

import lsst.pex.config as pexConfig
import lsst.utils.timer as pipeTimer
import numpy as np
from lsst.pipe.base import Struct, Task, TaskError

from underbutler import ArgumentParser, ButlerInitializedTaskRunner, CmdLineTask, DatasetSpec

# ruff: noqa: UP008, UP031 - super() and "%" as they were written then


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
    def run(self, image):
        values = image[~np.isin(image, list(self.config.ignore))]
        function = {"MEAN": np.mean, "MEDIAN": np.median}[self.config.statistic]
        self.metadata.set("nPixels", int(values.size))
        return Struct(level=float(function(values)))


class SubtractConfig(pexConfig.Config):
    """Configuration of SubtractTask."""

    doWrite = pexConfig.Field(dtype=bool, default=True, doc="Persist the results?")
    background = pexConfig.ConfigurableField(target=BackgroundTask, doc="Task to estimate the background")

    def setDefaults(self):
        super(SubtractConfig, self).setDefaults()
        self.background.statistic = "MEAN"

    def validate(self):
        pexConfig.Config.validate(self)
        if self.background.statistic == "MEAN" and not self.doWrite:
            raise ValueError("a mean that is not written is of no use")


class SubtractRunner(ButlerInitializedTaskRunner):
    """Pass the offset to each data reference."""

    @staticmethod
    def getTargetList(parsedCmd, **kwargs):
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

    def __init__(self, butler=None, **kwargs):
        CmdLineTask.__init__(self, **kwargs)
        self.makeSubtask("background")
        self.schema = {"columns": ["x", "y", "flux"]}
        self.nDetectors = len(list(butler.query_dimension_records("detector")))

    @classmethod
    def _makeArgumentParser(cls):
        parser = ArgumentParser(name=cls._DefaultName)
        parser.add_id_argument(name="--id", datasetType="raw", help="data ID, e.g. --id exposure=1 detector=0..1")
        parser.add_id_argument("--other", "raw", "other data", doMakeDataRefList=False)
        parser.add_argument("--offset", type=int, default=0, help="value to add")
        return parser

    @pipeTimer.timeMethod
    def runDataRef(self, dataRef, offset=0, others=()):
        self.log.info("Processing %s", dataRef.dataId)
        if not dataRef.datasetExists("raw"):
            raise TaskError("no raw for %s" % dataRef.dataId)
        image = np.asarray(dataRef.get("raw", immediate=True).data, dtype=float)
        background = self.background.run(image)
        image -= background.level - offset
        self.metadata.set("level", background.level)
        if self.config.doWrite:
            dataRef.put(image, "subtracted")
            dataRef.put({"columns": self.schema["columns"], "rows": []}, "subtractSrc")
        return Struct(image=image, others=others, uri=dataRef.getUri("subtracted"))

    def getSchemaCatalogs(self):
        return {"subtractSrc": self.schema}

    def _getConfigName(self):
        return "subtract_settings"
