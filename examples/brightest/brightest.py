"""brightest.py: list the brightest pixels of raw frames."""

import numpy as np
from lsst.pex.config import Config, Field

from underbutler import CmdLineTask, DatasetSpec


class BrightestConfig(Config):
    number = Field(dtype=int, default=10, doc="How many pixels to list.")


class BrightestTask(CmdLineTask):
    """List the brightest pixels of a raw frame."""

    ConfigClass = BrightestConfig
    _DefaultName = "brightest"
    datasetTypes = {"brightest": DatasetSpec(("instrument", "exposure", "detector"), "StructuredDataDict")}

    def runDataRef(self, dataRef):
        image = dataRef.get("raw").data
        top = np.argsort(image, axis=None)[-self.config.number :]
        y, x = np.unravel_index(top, image.shape)
        dataRef.put({"x": x.tolist(), "y": y.tolist()}, "brightest")
        self.metadata["brightest_adu"] = float(image.max())
