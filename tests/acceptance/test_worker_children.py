"""A worker's child or its keeper dies or is stopped: the worker goes on, and each target ends once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.test_workers_and_celery import events_of
from tests.support.services import eventually
from tests.support.stack.own_worker import (
    FOREVER,
    Worker,
    abort_what_is_open,
    ends,
    lives,
    place_without_worker,  # noqa: F401 - a fixture
    running,
    swept,
    targets,
    worker,
)
from tests.support.stack.site import NIGHT_ID, Site
from underbutler.broker import make_app
from underbutler.model.job import Phase, TargetState


@pytest.fixture(scope="module")
def lasting(place: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Run a worker with two children, which all tests here have: what happens to them must not end it."""
    with worker(place, tmp_path_factory.mktemp("worker")) as made:
        yield made


@pytest.fixture
def made(lasting: Worker) -> Iterator[Worker]:
    """Return the worker; what a test leaves running ends with it."""
    yield lasting
    abort_what_is_open(lasting.site)
    assert lasting.main.poll() is None, "it is still there"


def _one_exposure(place: Site) -> tuple[str, ...]:
    """Return the ``--id`` of one science frame."""
    with place.context.repositories.butler("demo") as butler:
        where = "exposure.observation_type = 'science'"
        (first, *_) = butler.query_dimension_records("exposure", instrument="SIMCAM", where=where)
    return ("--id", "instrument=SIMCAM", "detector=0", f"exposure={first.id}")


def test_a_killed_target_runs_again_and_a_deadly_one_is_held(place: Site, made: Worker, tmp_path: Path) -> None:
    single = _one_exposure(place)
    with events_of(place) as seen:
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


def test_a_killed_keeper_is_replaced_and_nothing_else_happens(place: Site, made: Worker) -> None:
    job = place.submit("probeWrite", "demo", *NIGHT_ID, "-c", "seconds=4")
    running(place, job)
    before = made.keeper
    os.kill(before, signal.SIGKILL)
    eventually(lambda: made.keeper != before, 30, "another keeper")
    place.completed(job)
    assert ends(place, job) == ["done", "done"]
    assert len(place.context.jobs.read.notices(job.id)) == 2


def test_a_running_target_is_cancelled_and_its_child_replaced(place: Site, made: Worker) -> None:
    said_before = len(made.said)
    with events_of(place) as seen:
        job = place.submit("probeWrite", "demo", *NIGHT_ID, *FOREVER)
        children = [psutil.Process(pid) for pid in running(place, job)]
        assert place.run("cancel", job.id).code == 0
        ended = place.ended(job, timeout=30)
        assert ended.phase == Phase.ABORTED
        assert ends(place, job) == ["aborted"] * 2
        place.completed(place.submit("probeEmpty", "demo", *NIGHT_ID))
        eventually(lambda: not [child for child in children if lives(child)], 10, "the end of the children that ran it")
        assert place.context.jobs.read.notices(job.id) == []
        ids = {f"{target.id}.1" for target in targets(place, job)}
        eventually(lambda: ids <= {e.get("uuid") for e in seen if e["type"] == "task-revoked"}, 20, "Flower's event")
        assert "child_lost" not in made.said[said_before:]


def test_revoke_of_celery_and_flower_cancels_that_one_target(place: Site, made: Worker) -> None:
    job = place.submit("probeWrite", "demo", *NIGHT_ID, *FOREVER)
    running(place, job)
    (first, second) = targets(place, job)
    replies = make_app(place.settings).control.revoke(f"{first.id}.1", terminate=True, signal="SIGKILL", reply=True)
    assert [list(reply.values()) for reply in replies] == [[{"ok": f"targets cancelled: {first.id}"}]]
    eventually(lambda: targets(place, job)[0].state == TargetState.ABORTED, 30, "the end of the target")
    assert targets(place, job)[1].state == TargetState.RUNNING
    place.context.jobs.cancellation.cancel_target(second.id)
    assert place.ended(job, timeout=30).phase == Phase.ABORTED
