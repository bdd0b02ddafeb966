"""What the acceptance tests run: the command line of a person, on an embedded stack, with tasks of another package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.services import eventually
from tests.support.warm_processes import WarmProcess
from underbutler.context import ServiceContext
from underbutler.embedded.stack import Stack
from underbutler.model.job import Phase
from underbutler.records import JobRow
from underbutler.settings import Settings

UNDERBUTLER = Path(sys.executable).parent / "underbutler"
NIGHT_ID = ("--id", "instrument=SIMCAM", "detector=0", "-d", "exposure.observation_type = 'science'")


@dataclass
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it answered."""
        return json.loads(self.out)


class Site:
    """A running stack as a person at its terminal has it."""

    def __init__(self, stack: Stack, context: ServiceContext) -> None:
        self.stack = stack
        self.context = context

    @property
    def settings(self) -> Settings:
        """How the stack is reached."""
        return self.stack.settings

    def run(self, *args: object, timeout: float = 120, env: dict[str, str] | None = None) -> Finished:
        """Run ``underbutler`` with arguments, in a process of its own that has imported everything already."""
        words = [str(UNDERBUTLER), "--home", str(self.stack.home), *map(str, args)]
        with TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            process = WarmProcess(words, {**os.environ, **(env or {})}, Path.cwd(), out, err)
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
            return Finished(code, out.read_text(), err.read_text())

    def run_cold(self, *args: object, timeout: float = 120) -> Finished:
        """Run ``underbutler`` as a person's shell does."""
        done = subprocess.run(
            [str(UNDERBUTLER), "--home", str(self.stack.home), *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def submit(self, *args: object) -> JobRow:
        """Submit and return the job at once."""
        done = self.run("submit", *args)
        assert done.code == 0, done.err
        return self.context.jobs.read.job(uuid.UUID(done.out.strip()))

    def ended(self, job: JobRow, timeout: float = 90) -> JobRow:
        """Wait until a job has ended."""

        def look() -> JobRow | None:
            row = self.context.jobs.read.job(job.id)
            return row if Phase(row.phase).ended else None

        row = eventually(look, timeout, f"the end of job {job.id}")
        assert row is not None
        return row

    def completed(self, job: JobRow, timeout: float = 90) -> JobRow:
        """Wait until a job has ended well."""
        row = self.ended(job, timeout)
        told = "\n\n".join(claim.log or "" for claim in self.context.jobs.read.claims(row.id))
        assert row.phase == Phase.COMPLETED, told
        return row
