"""What workers are put through by pytest-celery, whether they run in containers or as processes of this machine.

`tests/docker` and `tests/acceptance` bring the nodes; submitting, waiting and sweeping are done here, in this process,
as a submitting host and a beat do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select

from tests.support.services import eventually
from underbutler.annex import watch
from underbutler.broker import Depth, make_app, queue_depth
from underbutler.context import ServiceContext
from underbutler.errors import BrokerUnavailableError
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobRow, TargetRow
from underbutler.records.tables.jobs import Notice
from underbutler.sql import read
from underbutler.submission.preparing import prepare
from underbutler.submission.submit import submit
from underbutler.sweeper import Sweeper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_celery import CeleryTestSetup

    from underbutler.model.notice import LargeFileObjectAvailable
    from underbutler.settings import Settings

T = TypeVar("T")

SETTINGS = {"lease_s": 4.0, "outbox_grace_s": 1.0, "retry_base_s": 0.5, "visibility_timeout_s": 10}
"""What died is found within seconds: for the workers, and for what sweeps here."""
NIGHT_ID = ("--id", "instrument=SIMCAM", "detector=0", "-d", "exposure.observation_type = 'science'")


def environment(settings: Settings) -> dict[str, str]:
    """Return `SETTINGS` as variables."""
    return {f"UNDERBUTLER_{name.upper()}": str(getattr(settings, name)) for name in SETTINGS}


class NodeSite:
    """A site whose broker and workers are nodes of pytest-celery.

    Parameters
    ----------
    settings
        How this process reaches broker, records and annex; with `SETTINGS`.
    """

    def __init__(self, settings: Settings) -> None:
        self.context = ServiceContext(settings)
        self.settings = settings
        self.app = make_app(settings)
        self._sweeper = Sweeper(self.context, make_app(settings, "sweeper"))

    def close(self) -> None:
        """End what a test left, and close everything."""
        for job in self.context.jobs.read.jobs():
            if not Phase(job.phase).ended:
                self.context.jobs.cancellation.cancel(job.id)
        self.context.close()

    def submit(self, task: str, *words: str) -> JobRow:
        """Submit a task on the night's two exposures, or on others that the words name."""
        chosen = () if "--id" in words else NIGHT_ID
        with prepare(task, ["demo", *chosen, *words], repositories=self.context.repositories, user="tester") as ready:
            return submit(ready, jobs=self.context.jobs, app=self.app, settings=self.settings)

    def targets(self, job: JobRow) -> list[TargetRow]:
        """Return a job's targets."""
        return self.context.jobs.read.targets(job.id)

    def running(self, job: JobRow) -> None:
        """Wait until a target of a job runs."""
        eventually(lambda: self.context.jobs.read.counts(job.id).get(TargetState.RUNNING), 120, "a target that runs")

    def swept(self, until: Callable[[], T], timeout: float, what: str) -> T:
        """Wait for something while what died or was lost is found, as beat does."""

        def look() -> T:
            self._sweeper.sweep()
            return until()

        return eventually(look, timeout, what)

    def completed(self, job: JobRow, timeout: float = 150) -> JobRow:
        """Wait until a job has ended well, each target done once."""
        row = self.swept(lambda: self._ended(job), timeout, f"the end of job {job.id}")
        assert row is not None
        assert row.phase == Phase.COMPLETED, [claim.reason for claim in self.context.jobs.read.claims(row.id)]
        ends = [(claim.target_id, claim.end) for claim in self.context.jobs.read.claims(row.id) if claim.end == "done"]
        assert sorted(ends) == sorted((target.id, "done") for target in self.targets(row)), "each is done once"
        return row

    def _ended(self, job: JobRow) -> JobRow | None:
        row = self.context.jobs.read.job(job.id)
        return row if Phase(row.phase).ended else None


@contextmanager
def heard(site: NodeSite, number: int) -> Iterator[list[LargeFileObjectAvailable]]:
    """Collect notices, until there are so many or a minute has passed."""
    notices: list[LargeFileObjectAvailable] = []
    enough = threading.Event()
    with watch(site.settings, stop=enough) as arriving:
        thread = threading.Thread(target=lambda: notices.extend(arriving), daemon=True)  # one by one, as they come
        thread.start()
        try:
            yield notices
            site.swept(lambda: len(notices) >= number, 60, f"{number} notices")
        finally:
            enough.set()
            thread.join(20)


def a_job_is_done_and_announced(setup: CeleryTestSetup, site: NodeSite) -> None:
    """From the submission to the notices."""
    with heard(site, 2) as notices:
        row = site.completed(site.submit("probeWrite"))
    assert {notice.job for notice in notices} == {str(row.id)}
    assert {notice.target for notice in notices} == {str(target.id) for target in site.targets(row)}
    assert setup.worker is not None
    setup.worker.assert_log_exists("target_ended")


def a_killed_worker_is_followed_by_itself(setup: CeleryTestSetup, site: NodeSite) -> None:
    """Killed with all its processes, in the middle of a target: that one runs again, and no other does twice."""
    assert setup.worker is not None
    with heard(site, 2) as notices:
        job = site.submit("probeWrite", "-c", "seconds=2")
        site.running(job)
        setup.worker.kill()
        setup.worker.restart()
        site.completed(job)
    claims = site.context.jobs.read.claims(job.id)
    assert len(claims) == 3, "the one that died, and two"
    assert len({notice.id for notice in notices}) == 2


def a_killed_broker_forgets_nothing(setup: CeleryTestSetup, site: NodeSite) -> None:
    """Killed with one message in a worker's hands and others waiting: all end once, and all notices come."""
    assert setup.broker is not None
    jobs: Sequence[JobRow] = [site.submit("probeWrite", "-c", "seconds=1.5") for _ in range(2)]
    site.running(jobs[0])
    setup.broker.kill()
    setup.broker.restart()
    depth = eventually(lambda: _depth(site), 20, "a broker that answers")
    assert depth.ready + (depth.unacked or 0) >= 2, "what was not acknowledged is in its append-only file"
    for job in jobs:
        site.completed(job)
        assert [target.claim_no for target in site.targets(job)] == [1, 1], "nothing ran twice"
        site.swept(lambda job=job: len(_sent(site, job)) == 2, 30, "notices that are sent")  # type: ignore[misc]


def _depth(site: NodeSite) -> Depth | None:
    try:
        return queue_depth(site.app, site.settings, site.settings.queue)
    except BrokerUnavailableError:
        return None


def _sent(site: NodeSite, job: JobRow) -> list[str]:
    """Return the ids of a job's notices that the broker has taken."""
    wanted = select(Notice.id).where(Notice.job_id == job.id, Notice.sent_at.is_not(None))
    with read(site.context.engine) as connection:
        return list(connection.scalars(wanted))


def make_night(folder: Path, settings: Settings) -> None:
    """Make a repository ``demo`` with two science exposures, and its buckets."""
    from underbutler.butlers import create_repository, ingest_files
    from underbutler.embedded.stack import make_buckets
    from underbutler.testing.night import simulate_night

    create_repository(folder / "repo", "demo", settings)
    make_buckets(settings)
    night = simulate_night(folder / "night", n_bias=1, n_flat=1, n_science=2, shape=(100, 110), seed=3)
    with ServiceContext(settings) as context:
        ingest_files(context.repositories, "demo", night.files)
