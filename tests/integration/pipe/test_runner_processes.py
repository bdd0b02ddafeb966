"""A runner that shares its targets among processes."""

from __future__ import annotations

import logging
from argparse import Namespace
from typing import Any

import lsst.pex.config as pexConfig
from lsst.pipe.base import NoWorkFound

from underbutler import (
    CmdLineTask,
    DatasetSpec,
    Struct,
    TaskError,
    TaskRunner,
)
from underbutler.errors import TransientError

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


class Silent(TaskRunner):
    """Needs no preparation, and has targets of its own kind."""

    def precall(self, parsedCmd: Any) -> bool:
        return True

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[Any]:
        return parsedCmd.targets

    def __call__(self, args: Any) -> Struct:
        if args == "bad":
            raise ValueError(args)
        return Struct(exitStatus=int(args == "failed"))


def test_results_keep_the_order_of_targets_in_two_processes() -> None:
    given = command(targets=["a", "failed", "bad", "b"], processes=2)
    assert [struct.exitStatus for struct in Silent(EchoTask, given).run(given)] == [0, 1, 1, 0]
