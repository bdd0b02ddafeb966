"""Tasks that know their job's access token, and say it wherever a careless task may."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

from lsst.pex.config import Config, Field

from underbutler import CmdLineTask, DatasetSpec, TaskRunner

TABLE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="StructuredDataDict", large=False)
PICTURE = DatasetSpec(dimensions=("instrument", "exposure", "detector"), storageClass="PngBytes", large=True)


def token_of(dataRef):
    """Redeem the token of the job that writes this reference's RUN, as a task with bad manners would."""
    from workers import process

    context = process.current()
    (job,) = [job for job in context.jobs.read.jobs(limit=None) if job.run == dataRef.run]
    token = context.token(job.token_handle)
    assert token is not None
    return token


class SecretConfig(Config):
    """What a probe is told."""

    words = Field(dtype=str, default="hello", doc="Text that is written.")


class MarkedRunner(TaskRunner):
    """Sends a word along that is no secret: where it is found, the token would be."""

    @staticmethod
    def getTargetList(parsedCmd, **kwargs):
        """Send it."""
        return TaskRunner.getTargetList(parsedCmd, marker=parsedCmd.config.words)


class SayTask(CmdLineTask):
    """Log the token in every way, and leave it in the metadata."""

    ConfigClass = SecretConfig
    RunnerClass = MarkedRunner
    _DefaultName = "secretSay"
    datasetTypes = {"secretTable": TABLE, "secretPicture": PICTURE}

    def runDataRef(self, dataRef, marker):
        """Say it."""
        token = token_of(dataRef)
        self.log.info("I got %s for %s", token, marker)
        logging.getLogger("elsewhere").warning("Authorization: Bearer %s (%s)", token, {"header": token})
        try:
            raise PermissionError(f"{token} is refused")
        except PermissionError:
            self.log.exception("it failed, and went on")
        self.metadata["token"] = token
        self.metadata["marker"] = marker
        self.metadata["several"] = [token, "and more"]
        dataRef.put({"marker": marker}, "secretTable")
        dataRef.put(b"\x89PNG\r\n\x1a\n" + marker.encode(), "secretPicture")


class FailTask(SayTask):
    """Fail with the token in the error, in its cause and in its local variables."""

    _DefaultName = "secretFail"

    def runDataRef(self, dataRef, marker):
        """Fail."""
        token = token_of(dataRef)
        self.metadata["token"] = token
        try:
            raise KeyError(token)
        except KeyError as error:
            raise ConnectionRefusedError(f"{marker}: the server does not take {token}", {"tried": [token]}) from error


class DieTask(SayTask):
    """Be killed the first time, having said it; go on the second."""

    _DefaultName = "secretDie"

    def runDataRef(self, dataRef, marker):
        """Die once per marker file."""
        died = Path(os.environ["UNDERBUTLER_HOME"]) / f"died-{dataRef.dataId['exposure']}"
        token = token_of(dataRef)
        self.log.warning("about to die with %s", token)
        if not died.exists():
            died.touch()
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        super().runDataRef(dataRef, marker)
