"""A site without a worker, one that a test starts itself, and what its targets and claims have come to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.probes.package import install_probes
from tests.support.services import eventually
from tests.support.stack.building import run_site
from tests.support.stack.site import Site
from tests.support.warm_processes import MODULE, WarmProcess
from underbutler.broker import make_app
from underbutler.embedded.stack import environment_of
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobRow, TargetRow
from underbutler.submission.sending import send

__all__ = [
    "FOREVER",
    "Worker",
    "abort_what_is_open",
    "ends",
    "lives",
    "place_without_worker",
    "running",
    "swept",
    "targets",
    "worker",
]

FOREVER = ("-c", "seconds=600")


@pytest.fixture(scope="module", name="place")
def place_without_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run broker and S3 with a small night, and no worker: tests have workers of their own."""
    night = {"n_bias": 1, "n_flat": 1, "n_science": 2, "shape": (100, 110)}
    with run_site(tmp_path_factory, install_probes, with_worker=False, **night) as made:
        yield made


class Worker:
    """One ``celery -A workers worker`` and its processes."""

    def __init__(self, site: Site, log: Path, *options: str, **environment: object) -> None:
        self.log = log
        self.site = site
        known = {row.id for row in site.context.jobs.workers.known()}
        self.main = WarmProcess(
            [MODULE, "celery", "-A", "workers", "worker", "-l", "INFO", *(options or ("-c", "2"))],
            {
                **os.environ,
                **environment_of(site.settings),
                "UNDERBUTLER_HOME": str(site.settings.home),
                **{name: str(value) for name, value in environment.items()},
            },
            log.parent,
            log,
        )
        eventually(lambda: " ready." in self.said or self.main.poll() is not None, 90, "a worker that is ready")
        assert self.main.poll() is None, self.said
        (self.id,) = eventually(
            lambda: [row.id for row in site.context.jobs.workers.known() if row.id not in known], 30, "the worker's row"
        )

    @property
    def said(self) -> str:
        """What it has logged."""
        return self.log.read_text() if self.log.exists() else ""

    @property
    def keeper(self) -> int:
        """Process id of its keeper, as its row tells it."""
        (row,) = (row for row in self.site.context.jobs.workers.known() if row.id == self.id)
        return row.keeper_pid

    def processes(self) -> list[psutil.Process]:
        """Return its main process and all that descends from it."""
        main = psutil.Process(self.main.pid)
        return [main, *main.children(recursive=True)]


@contextmanager
def worker(site: Site, tmp_path: Path, *options: str, **environment: object) -> Iterator[Worker]:
    """Run a worker; whatever a test did to it, no process of it is left in the end."""
    made = Worker(site, tmp_path / "worker.log", *options, **environment)
    family = made.processes()
    try:
        yield made
    finally:
        if made.main.poll() is None:
            family += made.processes()
            made.main.terminate()
            try:
                made.main.wait(60)
            except subprocess.TimeoutExpired:
                made.main.kill()
                made.main.wait()
        eventually(lambda: not [p for p in family if lives(p)], 30, "the end of every process of the worker")
        abort_what_is_open(site)


def lives(process: psutil.Process) -> bool:
    """Return whether a process is there and not only waits for its parent to ask how it ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def abort_what_is_open(site: Site) -> None:
    """Cancel every job that has not ended."""
    for job in site.context.jobs.read.jobs():
        if not Phase(job.phase).ended:
            site.context.jobs.cancellation.cancel(job.id)


def swept(site: Site, until: Callable[[], object], timeout: float, what: str) -> None:
    """Wait for something while messages of targets that were given back are sent, as the sweeper does."""
    app = make_app(site.settings)

    def look() -> object:
        send(site.context.jobs, app)
        return until()

    eventually(look, timeout, what)


def targets(site: Site, job: JobRow) -> list[TargetRow]:
    """Return a job's targets."""
    return site.context.jobs.read.targets(job.id)


def running(site: Site, job: JobRow, number: int = 2) -> list[int]:
    """Wait until so many targets of a job run, and return the process ids of their claims."""
    eventually(
        lambda: site.context.jobs.read.counts(job.id).get(TargetState.RUNNING, 0) == number, 60, "targets that run"
    )
    return [claim.pid for claim in site.context.jobs.read.claims(job.id)]


def ends(site: Site, job: JobRow) -> list[str | None]:
    """Return how the claims of a job ended."""
    return [claim.end for claim in site.context.jobs.read.claims(job.id)]
