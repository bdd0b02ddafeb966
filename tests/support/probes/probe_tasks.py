"""Tasks of another distribution: each does one thing that the acceptance tests look at."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import astropy
import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from lsst.pex.config import Config, Field
from lsst.pipe.base import NoWorkFound, Struct

from underbutler import ButlerInitializedTaskRunner, CmdLineTask, DatasetSpec, TaskRunner

TABLE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="StructuredDataDict", large=False)
PICTURE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="PngBytes", large=True)


class ProbeConfig(Config):
    """What a probe is told."""

    words = Field(dtype=str, default="hello", doc="Text that is written.")
    seconds = Field(dtype=float, default=0.0, doc="Time to sleep.")


class _Probe(CmdLineTask):
    ConfigClass = ProbeConfig


class EmptyTask(_Probe):
    """Do nothing."""

    _DefaultName = "probeEmpty"

    def runDataRef(self, dataRef):
        """Do nothing."""


class WriteTask(_Probe):
    """Write a table and a picture."""

    _DefaultName = "probeWrite"
    datasetTypes = {"probeTable": TABLE, "probePicture": PICTURE}

    def runDataRef(self, dataRef):
        """Write what the config says."""
        time.sleep(self.config.seconds)
        dataRef.put({"words": self.config.words, "pid": os.getpid()}, "probeTable")
        dataRef.put(b"\x89PNG\r\n\x1a\n" + self.config.words.encode(), "probePicture")
        self.metadata["n_words"] = len(self.config.words.split())
        return Struct(words=self.config.words)


class DieOnceTask(_Probe):
    """Write a table, and die the first time: what it wrote stays behind, half of a result."""

    _DefaultName = "probeDieOnce"
    datasetTypes = {"probeTable": TABLE, "probePicture": PICTURE}

    def runDataRef(self, dataRef):
        """Die once per marker."""
        marker = Path(self.config.words)
        died_before = marker.exists()
        dataRef.put({"try": 2 if died_before else 1}, "probeTable")
        if not died_before:
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        dataRef.put(b"\x89PNG\r\n\x1a\n", "probePicture")


class DieTask(_Probe):
    """Kill the process that runs it, every time."""

    _DefaultName = "probeDie"

    def runDataRef(self, dataRef):
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)


class HoardTask(_Probe):
    """Keep a gigabyte for ever."""

    _DefaultName = "probeHoard"
    datasetTypes = {"probeTable": TABLE}
    kept = []

    def runDataRef(self, dataRef):
        """Keep it, and say who does."""
        self.kept.append(np.ones(2**27))
        dataRef.put({"pid": os.getpid(), "kept": len(self.kept)}, "probeTable")


class LingerTask(_Probe):
    """Write a table and take very long over the rest: time enough to be cut in the middle."""

    _DefaultName = "probeLinger"
    datasetTypes = {"probeTable": TABLE}

    def runDataRef(self, dataRef):
        """Write, then sleep."""
        dataRef.put({"words": self.config.words}, "probeTable")
        time.sleep(600)


class DieUntilTask(_Probe):
    """Die until a marker is there."""

    _DefaultName = "probeDieUntil"
    datasetTypes = {"probePicture": PICTURE}

    def runDataRef(self, dataRef):
        """Die, or write a picture."""
        dataRef.put(b"\x89PNG\r\n\x1a\n", "probePicture")
        if not Path(self.config.words).exists():
            os.kill(os.getpid(), signal.SIGKILL)


class SlowTask(_Probe):
    """Take longer than it may."""

    _DefaultName = "probeSlow"
    timeLimit = 2

    def runDataRef(self, dataRef):
        """Sleep."""
        time.sleep(60)


class FailTask(_Probe):
    """Fail with an error of its own."""

    _DefaultName = "probeFail"

    def runDataRef(self, dataRef):
        """Fail."""
        raise ArithmeticError(f"the probe fails: {self.config.words}")


class RaiseTask(_Probe):
    """Raise what means something to the engine that runs it."""

    _DefaultName = "probeRaise"

    def runDataRef(self, dataRef):
        """Raise by name."""
        from celery.exceptions import Ignore, Reject

        from underbutler.errors import TransientError

        match self.config.words:
            case "memory":
                raise MemoryError("too much of it")
            case "reject":
                raise Reject("again, for ever", requeue=True)
            case "ignore":
                raise Ignore
            case "transient":
                raise TransientError("a service is away")


class UndeclaredTask(_Probe):
    """Put a dataset type that it does not declare."""

    _DefaultName = "probeUndeclared"

    def runDataRef(self, dataRef):
        """Put it."""
        dataRef.put({}, "notDeclared")


class NoWorkTask(_Probe):
    """Find nothing to do."""

    _DefaultName = "probeNoWork"

    def runDataRef(self, dataRef):
        """Find nothing."""
        raise NoWorkFound("nothing to do here")


class StatusRunner(TaskRunner):
    """Case 2: an element of one's own, and a status without an exception."""

    @staticmethod
    def getTargetList(parsedCmd, **kwargs):
        """Return one element: the list of all references."""
        return [parsedCmd.id.refList]

    def __call__(self, args):
        """Count them."""
        task = self.makeTask(parsedCmd=None, args=(args[0], {}))
        task.log.info("got %d references", len(args))
        return Struct(exitStatus=3 if task.config.words == "three" else 0)


class StatusTask(_Probe):
    """Return an exit status from a runner of its own."""

    _DefaultName = "probeStatus"
    RunnerClass = StatusRunner


class HugeRunner(TaskRunner):
    """Sends more than a message may hold."""

    @staticmethod
    def getTargetList(parsedCmd, **kwargs):
        """Send 300 kB along."""
        return TaskRunner.getTargetList(parsedCmd, text="x" * 300_000)


class HugeTask(_Probe):
    """Be too large to be sent."""

    _DefaultName = "probeHuge"
    RunnerClass = HugeRunner


class ArrayRunner(TaskRunner):
    """Sends what is not JSON."""

    @staticmethod
    def getTargetList(parsedCmd, **kwargs):
        """Send an array along."""
        return TaskRunner.getTargetList(parsedCmd, kernel=np.ones(3))


class ArrayTask(_Probe):
    """Be of a kind that cannot be sent."""

    _DefaultName = "probeArray"
    RunnerClass = ArrayRunner


class PixelsRunner(ButlerInitializedTaskRunner):
    """Case 1: extra keyword arguments."""

    @staticmethod
    def getTargetList(parsedCmd, **kwargs):
        """Send a factor along."""
        return ButlerInitializedTaskRunner.getTargetList(parsedCmd, factor=2.5, **kwargs)


class PixelsTask(_Probe):
    """Read the raw frame and measure its median, times a factor."""

    _DefaultName = "probePixels"
    RunnerClass = PixelsRunner
    datasetTypes = {"probeTable": TABLE}

    def __init__(self, butler=None, **kwargs):
        super().__init__(**kwargs)
        self.butler = butler

    def runDataRef(self, dataRef, factor):
        """Measure."""
        median = float(np.median(dataRef.get("raw").data)) * factor
        self.metadata["median"] = median
        dataRef.put({"median": median, "has_butler": self.butler is not None}, "probeTable")


class TalkTask(_Probe):
    """Say something by every way there is and write a table and a picture; the first time it dies half way."""

    _DefaultName = "probeTalk"
    datasetTypes = {"probeTable": TABLE, "probePicture": PICTURE}

    def runDataRef(self, dataRef):
        """Talk; ``marker:signal`` in the config says how to die if the marker is not there."""
        self.log.info("by the task itself")
        self.log.verbose("by a level of Rubin's")
        logging.getLogger("lsst.daf.butler.something").warning("by the Butler")
        astropy.log.info("by astropy's logger")
        warnings.warn("by a warning", UserWarning, stacklevel=1)
        warnings.warn("by a warning of astropy's", AstropyUserWarning, stacklevel=1)
        thread = threading.Thread(target=logging.getLogger("botocore.retries").warning, args=("by another thread",))
        thread.start()
        thread.join()
        sys.stdout.write("by print\n")
        sys.stderr.write("progress 1\rprogress 2\rprogress 3\n")
        os.write(2, b"below Python\n")
        marker, _, how = self.config.words.rpartition(":")
        dataRef.put({"words": "talk"}, "probeTable")
        if not Path(marker).exists():
            Path(marker).touch()
            sys.stdout.write("and without an end of line")
            os.kill(os.getpid(), signal.Signals[how])
            time.sleep(60)
        dataRef.put(b"\x89PNG\r\n\x1a\n", "probePicture")
