"""Tasks of another distribution that the drills kill, stop and repeat: small, and each says what it did."""

from __future__ import annotations

import os
import signal
import time

from lsst.pex.config import Config, Field

from underbutler import CmdLineTask, DatasetSpec, TaskRunner

TABLE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="StructuredDataDict", large=False)
PICTURE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="PngBytes", large=True)


class DrillConfig(Config):
    """What a drill tells its targets."""

    copies = Field(dtype=int, default=1, doc="Targets per data reference.")
    seconds = Field(dtype=float, default=0.0, doc="Time to sleep before anything is written.")
    after = Field(dtype=float, default=0.0, doc="Time to sleep when all is written.")
    size = Field(dtype=int, default=1000, doc="Bytes of a picture.")


class CopiesRunner(TaskRunner):
    """Many targets of few references: thousands are submitted in seconds."""

    @staticmethod
    def getTargetList(parsedCmd, **kwargs):
        """Return each reference so many times, numbered."""
        copies = range(parsedCmd.config.copies)
        return [(ref, {"copy": copy}) for ref in parsedCmd.id.refList for copy in copies]


class _Drill(CmdLineTask):
    ConfigClass = DrillConfig

    def _getMetadataName(self):
        return None


class EmptyTask(_Drill):
    """Write nothing; its one effect is that its target is done."""

    _DefaultName = "drillEmpty"
    RunnerClass = CopiesRunner

    def runDataRef(self, dataRef, copy):
        """Sleep, if told to."""
        time.sleep(self.config.seconds)


class WriteTask(_Drill):
    """Write a table, which stays in the Butler, and a picture, which is delivered and announced."""

    _DefaultName = "drillWrite"
    datasetTypes = {"drillTable": TABLE, "drillPicture": PICTURE}

    def runDataRef(self, dataRef):
        """Write both: the same for the same data ID."""
        time.sleep(self.config.seconds)
        name = str(sorted(dataRef.dataId.items())).encode()
        dataRef.put({"name": name.decode()}, "drillTable")
        drawn = (name * (self.config.size // len(name) + 1))[: self.config.size]
        dataRef.put(b"\x89PNG\r\n\x1a\n" + drawn, "drillPicture")
        time.sleep(self.config.after)


class DieTask(_Drill):
    """Kill the process that runs it, every time: what the kernel does to a target that takes all memory."""

    _DefaultName = "drillDie"
    RunnerClass = CopiesRunner

    def runDataRef(self, dataRef, copy):
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)


class LimitedTask(EmptyTask):
    """Sleep under a short time limit."""

    _DefaultName = "drillLimited"
    timeLimit = 4
