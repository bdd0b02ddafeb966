"""Tasks of the state that is upgraded: each ends in its own way, and one waits while it is told to."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from lsst.pex.config import Config, Field
from lsst.pipe.base import NoWorkFound

from underbutler import CmdLineTask, DatasetSpec

TABLE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="StructuredDataDict", large=False)
PICTURE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="PngBytes", large=True)


class UpgradeConfig(Config):
    """What a task is told."""

    words = Field(dtype=str, default="hello", doc="Text that is written.")


class WriteTask(CmdLineTask):
    """Write a table, wait while the file of its exposure is in the folder ``UPGRADE_HOLD``, and write a picture."""

    _DefaultName = "upWrite"
    ConfigClass = UpgradeConfig
    datasetTypes = {"upTable": TABLE, "upPicture": PICTURE}

    def runDataRef(self, dataRef):
        """Write both."""
        dataRef.put({"words": self.config.words}, "upTable")
        folder = os.environ.get("UPGRADE_HOLD")
        while folder and (Path(folder) / str(dataRef.dataId["exposure"])).exists():
            time.sleep(0.05)
        dataRef.put(b"\x89PNG\r\n\x1a\n" + self.config.words.encode(), "upPicture")


class FailTask(CmdLineTask):
    """Fail."""

    _DefaultName = "upFail"
    ConfigClass = UpgradeConfig

    def runDataRef(self, dataRef):
        """Fail."""
        raise ArithmeticError("this exposure cannot be reduced")


class DieTask(CmdLineTask):
    """Kill the process that runs it."""

    _DefaultName = "upDie"
    ConfigClass = UpgradeConfig

    def runDataRef(self, dataRef):
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)


class NothingTask(CmdLineTask):
    """Find nothing to do."""

    _DefaultName = "upNothing"
    ConfigClass = UpgradeConfig

    def runDataRef(self, dataRef):
        """Find nothing."""
        raise NoWorkFound("nothing to do here")
