"""A task that returns what it is given or raises what it is told to, and a command that runs it."""

from __future__ import annotations

import logging
from argparse import Namespace
from typing import Any

import lsst.pex.config as pexConfig
from lsst.pipe.base import NoWorkFound

from underbutler import CmdLineTask, DatasetSpec, TaskError
from underbutler.errors import TransientError

__all__ = ["LOG", "EchoConfig", "EchoTask", "command"]

LOG = logging.getLogger("test.runner")


class EchoConfig(pexConfig.Config):
    raises = pexConfig.Field(dtype=str, default="", doc="name of what is raised")


class EchoTask(CmdLineTask):
    """Return what it is given."""

    ConfigClass = EchoConfig
    _DefaultName = "echo"
    datasetTypes = {"echoed": DatasetSpec(("instrument",), "StructuredDataDict")}

    def runDataRef(self, dataRef: Any, **kwargs: Any) -> Any:
        self.metadata["begun"] = True
        kinds = {"value": ValueError, "task": TaskError, "work": NoWorkFound, "away": TransientError}
        if self.config.raises:
            raise kinds[self.config.raises](f"told to raise {self.config.raises}")
        return kwargs


def command(raises: str = "", **fields: Any) -> Namespace:
    config = EchoConfig()
    config.raises = raises
    return Namespace(config=config, log=LOG, **({"doraise": False, "butler": "the command's butler"} | fields))
