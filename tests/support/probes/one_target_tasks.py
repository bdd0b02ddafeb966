"""Tasks that a test steers from outside, in its own process: what they do between two steps is the test's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lsst.pex.config import Config, Field
from lsst.pipe.base import NoWorkFound, Struct

from underbutler import CmdLineTask, DatasetSpec, TaskRunner
from underbutler.butlers import CcdImage

TABLE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="StructuredDataDict", large=False)
PICTURE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="PngBytes", large=True)

steps: dict[str, Callable[[], Any]] = {}
"""What a test wants done, by the name of the moment: ``first``, ``between``, ``last``."""


def at(moment: str) -> None:
    """Do what the test wants done at a moment."""
    steps.get(moment, lambda: None)()


class OneConfig(Config):
    """What the task is told."""

    words = Field(dtype=str, default="hello", doc="Text that is written.")
    times = Field(dtype=int, default=1, doc="How often it is in the picture.")


class PictureTask(CmdLineTask):
    """Write a table and a picture."""

    _DefaultName = "onePicture"
    ConfigClass = OneConfig
    datasetTypes = {"oneTable": TABLE, "onePicture": PICTURE}

    def runDataRef(self, dataRef):
        """Write both."""
        at("first")
        self.metadata["n_words"] = len(self.config.words.split())
        dataRef.put({"words": self.config.words}, "oneTable")
        at("between")
        dataRef.put(b"\x89PNG\r\n\x1a\n" + self.config.words.encode() * self.config.times, "onePicture")
        at("last")
        return Struct(words=self.config.words)


class TableTask(CmdLineTask):
    """Write a table: nothing of it goes to the annex."""

    _DefaultName = "oneTableTask"
    ConfigClass = OneConfig
    datasetTypes = {"oneTable": TABLE}

    def runDataRef(self, dataRef):
        """Write it."""
        at("first")
        dataRef.put({"words": self.config.words}, "oneTable")
        at("last")


class NothingTask(TableTask):
    """Write a table, and find out that there is nothing to do."""

    _DefaultName = "oneNothing"

    def runDataRef(self, dataRef):
        """Find nothing."""
        super().runDataRef(dataRef)
        raise NoWorkFound("nothing to do here")


class PairRunner(TaskRunner):
    """A target is all references at once, with keyword arguments, as Gen2's coadds had it."""

    @staticmethod
    def getTargetList(parsedCmd, **kwargs):
        """Return one target."""
        return [(parsedCmd.id.refList, {"weights": (0.25, 0.75), **kwargs})]


class TogetherTask(TableTask):
    """Write one table for all references."""

    _DefaultName = "oneTogether"
    RunnerClass = PairRunner

    def runDataRef(self, refList, weights):
        """Write it for the last."""
        self.metadata["n_references"] = len(refList)
        refList[-1].put({"weights": list(weights), "is_tuple": isinstance(weights, tuple)}, "oneTable")


class ImageTask(TableTask):
    """Write an image of one value, with a pixel of another and a mask."""

    _DefaultName = "oneImage"
    datasetTypes = {"oneImage": DatasetSpec(("instrument", "exposure", "detector"), "CcdImage", large=False)}

    def runDataRef(self, dataRef):
        """Write it."""
        pixels = np.full((8, 8), 10.0, dtype=np.float32)
        pixels[2, 3] += self.config.times
        mask = np.zeros((8, 8), dtype=np.uint8)
        mask[: self.config.times, 0] = 1
        self.metadata["level_e"] = 10.0 * self.config.times
        dataRef.put(CcdImage(pixels, mask, np.ones_like(pixels), unit="electron", mask_planes={"BAD": 0}), "oneImage")
