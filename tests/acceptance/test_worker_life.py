"""The life of a worker as real processes: whatever of it dies, stops or is asked to end, its targets end once."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from tests.support.services import eventually
from tests.support.stack.own_worker import (
    FOREVER,
    Worker,
    ends,
    lives,
    place_without_worker,  # noqa: F401 - a fixture
    running,
    targets,
    worker,
)
from tests.support.stack.site import NIGHT_ID, Site
from underbutler.broker import make_app
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobRow

pytestmark = pytest.mark.xdist_group("worker_life")


def given_back_and_gone(site: Site, job: JobRow, ended: Worker, family: list[psutil.Process]) -> None:
    """Look at what a worker that was asked to end must leave."""
    assert ended.main.wait(60) == 0, ended.said
    eventually(lambda: not [p for p in family if lives(p)], 10, "the end of every process")
    assert set(ends(site, job)) == {"given_back"}, ended.said
    claimed = {claim.target_id for claim in site.context.jobs.read.claims(job.id)}
    for target in targets(site, job):
        assert target.state == TargetState.QUEUED
        assert target.id not in claimed or target.sent_at is None, "it is sent again; another's message still waits"
        assert (target.deaths, target.worker_deaths, target.transient_retries) == (0, 0, 0)
    (row,) = (row for row in site.context.jobs.workers.known() if row.id == ended.id)
    assert row.ended_at is not None


def test_a_killed_main_process_ends_its_children_and_requeues(place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path) as made:
        job = place.submit("probeWrite", "demo", *NIGHT_ID, *FOREVER)
        pids = running(place, job)
        family = made.processes()
        assert set(pids) <= {process.pid for process in family}
        made.main.kill()
        eventually(lambda: ends(place, job) == ["worker_died"] * 2, 30, "the end of its claims")
        eventually(lambda: not [p for p in family if lives(p)], 10, "the end of every process")
        assert [(t.state, t.worker_deaths, t.deaths) for t in targets(place, job)] == [(TargetState.QUEUED, 1, 0)] * 2


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
def test_pools_without_children_run_targets_and_end_in_time(pool: str, place: Site, tmp_path: Path) -> None:
    with worker(place, tmp_path, "-P", pool, "-c", "2", UNDERBUTLER_SOFT_SHUTDOWN_S=1) as made:
        done = place.completed(place.submit("probeWrite", "demo", *NIGHT_ID))
        assert len(place.context.jobs.read.notices(done.id)) == 2
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
