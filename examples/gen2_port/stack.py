"""stack.py: a Gen2 task whose target is a list of references: all exposures of one detector."""

import lsst.pex.config as pexConfig
import numpy as np

from underbutler import CmdLineTask, DatasetSpec, TaskRunner


class StackConfig(pexConfig.Config):
    atLeast = pexConfig.Field(dtype=int, default=2, doc="How many exposures a stack needs.")


class StackRunner(TaskRunner):
    """A target is all exposures of one detector, with what `runDataRef` takes beside them."""

    @staticmethod
    def getTargetList(parsedCmd, **kwargs):
        byDetector = {}
        for ref in parsedCmd.id.refList:
            byDetector.setdefault(ref.dataId["detector"], []).append(ref)
        return [(refList, kwargs) for refList in byDetector.values()]


class StackTask(CmdLineTask):
    """Take the median of all exposures of a detector."""

    ConfigClass = StackConfig
    RunnerClass = StackRunner
    _DefaultName = "stack"
    datasetTypes = {"stacked": DatasetSpec(("instrument", "detector"), "NumpyArray")}

    def runDataRef(self, refList):
        if len(refList) < self.config.atLeast:
            raise RuntimeError(f"{len(refList)} exposures are too few for a stack")
        stacked = np.median([ref.get("raw").data for ref in refList], axis=0)
        refList[0].put(stacked, "stacked")
        self.metadata["nExposures"] = len(refList)
        return stacked
