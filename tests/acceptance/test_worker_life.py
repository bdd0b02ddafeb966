"""The life of a worker as real processes: whatever of it dies, stops or is asked to end, its targets end once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.acceptance.test_workers_and_celery import events_of
from tests.support.probes.package import install_probes
from tests.support.services import eventually
from tests.support.stack.building import run_site
from tests.support.stack.site import NIGHT_ID, Site
from underbutler.broker import make_app
from underbutler.embedded.stack import environment_of
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobRow, TargetRow
from underbutler.submission.sending import send

pytestmark = pytest.mark.xdist_group("worker_life")

FOREVER = ("-c", "seconds=600")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run broker and S3 with a small night, and no worker: each test has workers of its own."""
    night = {"n_bias": 1, "n_flat": 1, "n_science": 2, "shape": (100, 110)}
    with run_site(tmp_path_factory, install_probes, with_worker=False, **night) as made:
        yield made


class Worker:
    """One ``celery -A workers worker`` and its processes."""

    def __init__(self, site: Site, log: Path, *options: str, **environment: object) -> None:
        self.log = log
        self.site = site
        known = {row.id for row in site.context.jobs.workers.known()}
        with log.open("w") as file:
            self.main = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "workers", "worker", "-l", "INFO", *(options or ("-c", "2"))],
                cwd=log.parent,
                env={
                    **os.environ,
                    **environment_of(site.settings),
                    "UNDERBUTLER_HOME": str(site.settings.home),
                    **{name: str(value) for name, value in environment.items()},
                },
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        eventually(lambda: " ready." in self.said or self.main.poll() is not None, 90, "a worker that is ready")
        assert self.main.poll() is None, self.said
        (self.id,) = eventually(
            lambda: [row.id for row in site.context.jobs.workers.known() if row.id not in known], 30, "the worker's row"
        )

    @property
    def said(self) -> str:
        """What it has logged."""
        return self.log.read_text()

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
        eventually(lambda: not [p for p in family if _lives(p)], 30, "the end of every process of the worker")
        _abort_what_is_open(site)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _abort_what_is_open(site: Site) -> None:
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


def given_back_and_gone(site: Site, job: JobRow, ended: Worker, family: list[psutil.Process]) -> None:
    """Look at what a worker that was asked to end must leave."""
    assert ended.main.wait(60) == 0, ended.said
    eventually(lambda: not [p for p in family if _lives(p)], 10, "the end of every process")
    assert set(ends(site, job)) == {"given_back"}, ended.said
    claimed = {claim.target_id for claim in site.context.jobs.read.claims(job.id)}
    for target in targets(site, job):
        assert target.state == TargetState.QUEUED
        assert target.id not in claimed or target.sent_at is None, "it is sent again; another's message still waits"
        assert (target.deaths, target.worker_deaths, target.transient_retries) == (0, 0, 0)
    (row,) = (row for row in site.context.jobs.workers.known() if row.id == ended.id)
    assert row.ended_at is not None


def test_a_killed_target_runs_again_and_a_deadly_one_is_held(place: Site, tmp_path: Path) -> None:
    single = _one_exposure(place)
    with worker(place, tmp_path), events_of(place) as seen:
        once = place.submit("probeDieOnce", "demo", *single, "-c", f"words={tmp_path / 'died'}")
        swept(place, lambda: Phase(place.context.jobs.read.job(once.id).phase).ended, 60, "the end of the job")
        assert ends(place, once) == ["died", "done"]
        (target,) = targets(place, once)
        assert (target.state, target.deaths, target.worker_deaths) == (TargetState.DONE, 1, 0)
        (died, _) = place.context.jobs.read.claims(once.id)
        assert "signal 9 (SIGKILL)" in (died.reason or "")
        failed = eventually(
            lambda: [e for e in seen if e["type"] == "task-failed" and e["uuid"] == f"{target.id}.1"], 20, "its event"
        )
        assert "signal 9 (SIGKILL)" in failed[0]["exception"]
        always = place.submit("probeDie", "demo", *single)
        swept(place, lambda: Phase(place.context.jobs.read.job(always.id).phase).ended, 90, "the end of the job")
        (target,) = targets(place, always)
        assert (target.state, target.deaths) == (TargetState.HELD, 3)
        assert ends(place, always) == ["died"] * 3


def _one_exposure(place: Site) -> tuple[str, ...]:
    """Return the ``--id`` of one science frame."""
    with place.context.repositories.butler("demo") as butler:
        where = "exposure.observation_type = 'science'"
        (first, *_) = butler.query_dimension_records("exposure", instrument="SIMCAM", where=where)
    return ("--id", "instrument=SIMCAM", "detector=0", f"exposure={first.id}")


def test_a_killed_main_process_ends_its_children_and_requeues(place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path) as made:
        job = place.submit("probeWrite", "demo", *NIGHT_ID, *FOREVER)
        pids = running(place, job)
        family = made.processes()
        assert set(pids) <= {process.pid for process in family}
        made.main.kill()
        eventually(lambda: ends(place, job) == ["worker_died"] * 2, 30, "the end of its claims")
        eventually(lambda: not [p for p in family if _lives(p)], 10, "the end of every process")
        assert [(t.state, t.worker_deaths, t.deaths) for t in targets(place, job)] == [(TargetState.QUEUED, 1, 0)] * 2


def test_a_killed_keeper_is_replaced_and_nothing_else_happens(place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path) as made:
        job = place.submit("probeWrite", "demo", *NIGHT_ID, "-c", "seconds=4")
        running(place, job)
        before = made.keeper
        os.kill(before, signal.SIGKILL)
        eventually(lambda: made.keeper != before, 30, "another keeper")
        place.completed(job)
        assert ends(place, job) == ["done", "done"]
        assert len(place.context.jobs.read.notices(job.id)) == 2


def test_a_running_target_is_cancelled_and_its_child_replaced(place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path) as made, events_of(place) as seen:
        job = place.submit("probeWrite", "demo", *NIGHT_ID, *FOREVER)
        children = [psutil.Process(pid) for pid in running(place, job)]
        assert place.run("cancel", job.id).code == 0
        ended = place.ended(job, timeout=30)
        assert ended.phase == Phase.ABORTED
        assert ends(place, job) == ["aborted"] * 2
        place.completed(place.submit("probeEmpty", "demo", *NIGHT_ID))
        eventually(
            lambda: not [child for child in children if _lives(child)], 10, "the end of the children that ran it"
        )
        assert place.context.jobs.read.notices(job.id) == []
        ids = {f"{target.id}.1" for target in targets(place, job)}
        eventually(lambda: ids <= {e.get("uuid") for e in seen if e["type"] == "task-revoked"}, 20, "Flower's event")
        assert "child_lost" not in made.said


def test_revoke_of_celery_and_flower_cancels_that_one_target(place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path):
        job = place.submit("probeWrite", "demo", *NIGHT_ID, *FOREVER)
        running(place, job)
        (first, second) = targets(place, job)
        replies = make_app(place.settings).control.revoke(f"{first.id}.1", terminate=True, signal="SIGKILL", reply=True)
        assert [list(reply.values()) for reply in replies] == [[{"ok": f"targets cancelled: {first.id}"}]]
        eventually(lambda: targets(place, job)[0].state == TargetState.ABORTED, 30, "the end of the target")
        assert targets(place, job)[1].state == TargetState.RUNNING
        place.context.jobs.cancellation.cancel_target(second.id)
        assert place.ended(job, timeout=30).phase == Phase.ABORTED


@pytest.mark.xdist_group("worker_stops")
@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "SIGQUIT", "celery control shutdown"])
def test_a_stopping_worker_gives_back_what_does_not_end_in_time(way: str, place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path, UNDERBUTLER_SOFT_SHUTDOWN_S=1) as made:
        job = place.submit("probeWrite", "demo", *NIGHT_ID, *FOREVER)
        running(place, job)
        family = made.processes()
        if way in signal.Signals.__members__:
            made.main.send_signal(signal.Signals[way])
        else:
            make_app(place.settings).control.shutdown()
        given_back_and_gone(place, job, made, family)
        assert "worker_does_not_wait" not in made.said, "the pool ended by itself"


@pytest.mark.xdist_group("worker_stops")
@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_pools_without_children_end_in_time_too(pool: str, place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path, "-P", pool, "-c", "2", UNDERBUTLER_SOFT_SHUTDOWN_S=1) as made:
        job = place.submit("probeWrite", "demo", *NIGHT_ID, *FOREVER)
        running(place, job, 1 if pool == "solo" else 2)
        family = made.processes()
        made.main.terminate()
        given_back_and_gone(place, job, made, family)


@pytest.mark.xdist_group("worker_stops")
def test_a_target_that_ends_in_time_is_done_before_its_worker(place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path, UNDERBUTLER_SOFT_SHUTDOWN_S=60) as made:
        job = place.submit("probeWrite", "demo", *NIGHT_ID, "-c", "seconds=3")
        running(place, job)
        made.main.terminate()
        assert made.main.wait(50) == 0
        assert ends(place, job) == ["done", "done"]
        assert place.context.jobs.read.job(job.id).phase == Phase.COMPLETED


@pytest.mark.xdist_group("worker_stops")
def test_a_second_signal_hastens(place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path, UNDERBUTLER_SOFT_SHUTDOWN_S=600) as made:
        job = place.submit("probeWrite", "demo", *NIGHT_ID, *FOREVER)
        running(place, job)
        family = made.processes()
        made.main.terminate()
        eventually(lambda: "warm shutdown" in made.said, 20, "the answer to the first signal")

        def again() -> bool:
            if "given back now" not in made.said and made.main.poll() is None:
                made.main.send_signal(signal.SIGINT)  # one that comes within half a second is the same signal
            return "given back now" in made.said

        eventually(again, 20, "the answer to the second signal")
        given_back_and_gone(place, job, made, family)


def test_a_worker_without_scratch_says_why_and_resumes_with_it(place: Site, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    with worker(place, tmp_path, UNDERBUTLER_SCRATCH=scratch) as made:

        def reason() -> str | None:
            return next(row for row in place.context.jobs.workers.known() if row.id == made.id).unfit_reason

        eventually(lambda: str(scratch) in (reason() or ""), 30, "the reason in the worker's row")
        assert "worker_unfit" in made.said
        job = place.submit("probeEmpty", "demo", *NIGHT_ID)
        inspect = make_app(place.settings).control.inspect(timeout=5)
        assert list((inspect.ping() or {}).values()) == [{"ok": "pong"}], "it listens to its people all the same"
        assert [target.claim_no for target in targets(place, job)] == [0, 0]
        scratch.mkdir()
        place.completed(job)
        eventually(lambda: reason() is None, 30, "a row without a reason")


def test_a_child_grown_too_large_is_replaced_after_its_target(place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path, "-c", "1", UNDERBUTLER_RSS_LIMIT_BYTES=800 * 2**20) as made:
        job = place.completed(place.submit("probeHoard", "demo", *NIGHT_ID))
        assert ends(place, job) == ["done", "done"]
        with place.context.repositories.butler("demo", collections=[job.run]) as butler:
            tables = [butler.get(ref) for ref in butler.query_datasets("probeTable")]
        assert [table["kept"] for table in tables] == [1, 1]
        assert len({table["pid"] for table in tables}) == 2
        assert "child_lost" not in made.said


def test_an_unfit_or_stopping_worker_on_rabbitmq_keeps_nothing(place: Site, tmp_path: Path, rabbitmq_url: str) -> None:
    scratch = tmp_path / "scratch"
    broker = {"UNDERBUTLER_BROKER_URL": rabbitmq_url}
    with worker(place, tmp_path, UNDERBUTLER_SCRATCH=scratch, UNDERBUTLER_SOFT_SHUTDOWN_S=1, **broker) as made:
        eventually(lambda: "worker_unfit" in made.said, 30, "an unfit worker")
        done = place.run("submit", "probeWrite", "demo", *NIGHT_ID, *FOREVER, env=broker)
        assert done.code == 0, done.err
        job = place.context.jobs.read.job(done.out.strip())
        inspect = make_app(place.settings.model_copy(update={"broker_url": rabbitmq_url})).control.inspect(timeout=5)
        assert list((inspect.ping() or {}).values()) == [{"ok": "pong"}]
        assert [target.claim_no for target in targets(place, job)] == [0, 0]
        scratch.mkdir()
        running(place, job)
        family = made.processes()
        made.main.terminate()
        given_back_and_gone(place, job, made, family)
