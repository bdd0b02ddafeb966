"""What a keeper does in its turns, with real records and real children: whose claim ends how, and what is counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
from sqlalchemy import Engine, update

from tests.support.records.rows import claim_of, new_job
from tests.support.services import eventually
from underbutler.migrations import upgrade
from underbutler.model.job import Phase, TargetState
from underbutler.records import Claim, ClaimRow, JobStore, Outcome, TargetRow, Worker
from underbutler.records.tables.jobs import Target
from underbutler.settings import Settings
from underbutler.sql import database_now, open_engine, write
from workers.keeper import process as keeper_module
from workers.keeper.orders import Orders
from workers.keeper.process import Keeper

WORKER = "w1/12345678"
SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


@pytest.fixture(params=["sqlite", "postgres_url"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of empty records."""
    made = (
        f"sqlite:///{tmp_path / 'records.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    )
    upgrade(made)
    return str(made)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Return an engine on the records."""
    made = open_engine(url)
    yield made
    made.dispose()


@pytest.fixture
def store(engine: Engine) -> JobStore:
    """Return the records."""
    return JobStore(engine)


class House:
    """One keeper whose main process is this test, and its children."""

    def __init__(self, store: JobStore, engine: Engine, settings: Settings) -> None:
        self.store = store
        self.engine = engine
        self.told: list[Any] = []
        self.children: list[subprocess.Popen[bytes]] = []
        reading, self._writing = os.pipe()
        worker = Worker(id=WORKER, name="w1", host="here", pid=os.getpid(), keeper_pid=1, queue="reduce", concurrency=2)
        self.keeper = Keeper(store, settings, worker, Orders(reading), self.hear)

    def hear(self, said: Any) -> None:
        """Keep what a main process is told, but for signs of life."""
        if "seen" not in said:
            self.told.append(said)

    def say(self, **order: Any) -> None:
        """Say something as the main process does."""
        os.write(self._writing, json.dumps(order).encode() + b"\n")

    def turns(self, until: Callable[[], bool]) -> None:
        """Let the keeper take turns until something has happened."""

        def turn() -> bool:
            for order in self.keeper.orders.read(0.05):
                self.keeper.take(order)
            self.keeper.turn()
            return until()

        eventually(turn, 20, "what the keeper should do")

    def child(self, code: str = SLEEP) -> subprocess.Popen[bytes]:
        """Start a child."""
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        if code is STUBBORN:
            assert process.stdout is not None
            process.stdout.readline()
        self.children.append(process)
        return process

    def target(self) -> UUID:
        """Record a job of one target."""
        job = self.store.submissions.create_job(new_job(1))
        (target,) = self.store.read.targets(job.id)
        return target.id

    def claim(self, target: UUID, pid: int, **fields: Any) -> Claim:
        """Claim a target as one of this worker's processes."""
        started = psutil.Process(pid).create_time()
        return claim_of(self.store, target, worker=WORKER, pid=pid, pid_started=started, **fields)

    def row(self, target: UUID) -> TargetRow:
        """Return a target's row."""
        return self.store.read.target(target)

    def last_claim(self, target: UUID) -> ClaimRow:
        """Return its newest claim's row."""
        return self.store.read.claims(target)[-1]

    def ended(self, target: UUID) -> Callable[[], bool]:
        """Tell whether its newest claim has ended."""
        return lambda: self.last_claim(target).end is not None


@pytest.fixture
def house(store: JobStore, engine: Engine, settings: Settings) -> Iterator[House]:
    """Return a keeper with children."""
    made = House(store, engine, settings)
    yield made
    for child in made.children:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def test_a_lost_child_is_one_death_and_its_target_is_sent_again(house: House) -> None:
    child, target = house.child(), house.target()
    house.claim(target, child.pid)
    child.kill()
    house.turns(house.ended(target))
    row, claim = house.row(target), house.last_claim(target)
    assert (row.state, row.deaths, row.worker_deaths, row.sent_at) == (TargetState.QUEUED, 1, 0, None)
    assert claim.end == "died"
    assert str(child.pid) in (claim.reason or "")
    assert [item.message.envelope.target for item in house.store.outbox.take()] == [target]


def test_what_the_main_process_says_of_a_death_is_its_reason(house: House) -> None:
    child, target = house.child(), house.target()
    house.claim(target, child.pid)
    child.kill()
    house.say(event="lost", target=str(target), send_no=1, pid=child.pid, reason="signal 9 (SIGKILL)")
    house.turns(house.ended(target))
    assert house.last_claim(target).reason == "signal 9 (SIGKILL)"


def test_a_target_that_kills_three_times_is_held_with_reasons(house: House) -> None:
    target = house.target()
    for number in range(3):
        child = house.child()
        house.claim(target, child.pid)
        child.kill()
        house.say(event="lost", target=str(target), send_no=1, pid=child.pid, reason=f"signal {number}")
        house.turns(house.ended(target))
    row = house.row(target)
    assert (row.state, row.deaths) == (TargetState.HELD, 3)
    assert all(f"signal {number}" in (row.error_text or "") for number in range(3))
    assert house.store.read.job(row.job_id).phase == Phase.ERROR


def test_a_death_before_the_claim_is_sent_again_uncounted(house: House) -> None:
    target = house.target()
    (out,) = house.store.outbox.take()
    house.store.outbox.mark_sent([(target, out.message.envelope.send_no)])
    house.say(event="lost", target=str(target), send_no=out.message.envelope.send_no, pid=1, reason="signal 9")
    house.turns(lambda: house.row(target).sent_at is None)
    assert house.row(target).deaths == 0


@pytest.mark.parametrize("event", ["lost", "left", "timed_out"])
def test_a_message_whose_child_never_claims_is_held_at_last(house: House, event: str) -> None:
    """Else it would go round for ever: no claim counts it."""
    target = house.target()
    for number in (1, 2, 3):
        (out,) = house.store.outbox.take()
        house.store.outbox.mark_sent([(target, out.message.envelope.send_no)])
        house.say(event=event, target=str(target), send_no=number, pid=1, reason=f"end {number}", died=True)
        house.turns(lambda now=number: house.row(target).deaths == now)  # type: ignore[misc]
    row = house.row(target)
    assert row.state is TargetState.HELD
    assert "end 3" in (row.error_text or "")


def test_a_message_of_a_stopping_worker_is_sent_again_uncounted(house: House) -> None:
    target = house.target()
    (out,) = house.store.outbox.take()
    house.store.outbox.mark_sent([(target, out.message.envelope.send_no)])
    house.say(event="stopping", in_s=0)
    house.say(event="lost", target=str(target), send_no=1, pid=1, reason="signal 9", died=True)
    house.turns(lambda: house.row(target).sent_at is None)
    assert (house.row(target).state, house.row(target).deaths) == (TargetState.QUEUED, 0)


def test_a_claim_left_open_is_ended_and_its_child_lives(house: House) -> None:
    child, target = house.child(), house.target()
    house.claim(target, child.pid)
    house.say(event="left", target=str(target), send_no=1, pid=child.pid, reason="SoftTimeLimitExceeded: ")
    house.turns(house.ended(target))
    assert (house.last_claim(target).end, house.row(target).deaths) == ("died", 1)
    assert "SoftTimeLimitExceeded" in (house.last_claim(target).reason or "")
    assert child.poll() is None


def test_a_target_that_failed_in_the_records_stays_as_it_is(house: House) -> None:
    child, target = house.child(), house.target()
    claim = house.claim(target, child.pid)
    house.store.claims.complete(claim, Outcome(state=TargetState.FAILED, exit_status=1))
    house.say(event="left", target=str(target), send_no=1, pid=child.pid, reason="ArithmeticError: wrong")
    house.turns(lambda: True)
    assert (house.row(target).state, house.last_claim(target).end) == (TargetState.FAILED, "failed")


def test_leases_of_living_children_and_their_worker_are_renewed(house: House) -> None:
    child, target = house.child(), house.target()
    house.claim(target, child.pid, lease_s=5.0)
    before = house.row(target).lease_until
    assert before is not None
    house.turns(lambda: (house.row(target).lease_until or 0) > before + 10)
    (worker,) = house.store.workers.known(living_within_s=60)
    assert (worker.id, worker.pid, worker.queue, worker.concurrency) == (WORKER, os.getpid(), "reduce", 2)
    house.say(event="unfit", reason="the scratch folder is full")
    house.turns(lambda: house.store.workers.known()[0].unfit_reason == "the scratch folder is full")
    house.say(event="unfit", reason=None)
    house.turns(lambda: house.store.workers.known()[0].unfit_reason is None)


def test_a_cancelled_target_is_cut_and_the_worker_told_why(house: House) -> None:
    child, target = house.child(), house.target()
    house.claim(target, child.pid)
    house.store.cancellation.cancel(house.row(target).job_id)
    assert house.row(target).state == TargetState.RUNNING, "its claim holds"
    house.turns(house.ended(target))
    assert child.wait(10) == -signal.SIGTERM
    assert (house.row(target).state, house.last_claim(target).end) == (TargetState.ABORTED, "aborted")
    assert house.store.read.job(house.row(target).job_id).phase == Phase.ABORTED
    (told,) = house.told
    assert (told["pid"], told["end"]) == (child.pid, "aborted")


def test_a_child_that_does_not_listen_is_killed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "TERM_GRACE_S", 0.2)
    child, target = house.child(STUBBORN), house.target()
    house.claim(target, child.pid)
    house.store.cancellation.cancel_target(target)
    house.turns(house.ended(target))
    assert child.wait(10) == -signal.SIGKILL
    assert house.row(target).state == TargetState.ABORTED


def test_a_completion_that_came_first_survives_a_cancellation(house: House) -> None:
    child, first, second = house.child(STUBBORN), house.target(), house.target()
    claim = house.claim(first, child.pid)
    house.store.cancellation.cancel_target(first)
    house.turns(lambda: bool(house.told))
    house.store.claims.complete(claim, Outcome(state=TargetState.DONE, exit_status=0))
    house.claim(second, child.pid)
    child.kill()
    house.turns(house.ended(second))
    assert house.row(first).state == TargetState.DONE
    assert (house.row(second).state, house.row(second).deaths) == (TargetState.QUEUED, 0)
    assert house.last_claim(second).end == "given_back"


def test_a_revoked_target_is_cancelled_an_unknown_one_forgotten(house: House) -> None:
    target = house.target()
    house.say(event="revoked", target=str(uuid4()))
    house.say(event="revoked", target=str(target))
    house.turns(lambda: house.row(target).state == TargetState.ABORTED)


def test_a_child_that_celery_ends_at_its_limit_has_timed_out(house: House) -> None:
    child, target = house.child(), house.target()
    house.claim(target, child.pid)
    reason = "stopped after 32 s by its time limit"
    house.say(event="timed_out", target=str(target), send_no=1, pid=child.pid, reason=reason)
    child.kill()
    house.turns(house.ended(target))
    row = house.row(target)
    assert (row.state, row.error_text, row.deaths) == (TargetState.FAILED, reason, 0)


def test_a_claim_past_its_limit_is_ended_if_celery_did_not(house: House) -> None:
    house.keeper.limits = {"processCcd": 100.0}
    child, target = house.child(), house.target()
    house.claim(target, child.pid)
    with write(house.engine) as connection:
        connection.execute(update(Target).where(Target.id == target).values(started_at=database_now() - 120))
    house.turns(lambda: True)
    assert house.row(target).state == TargetState.RUNNING, "Celery still has a moment to do it"
    with write(house.engine) as connection:
        connection.execute(update(Target).where(Target.id == target).values(started_at=database_now() - 1000))
    house.turns(house.ended(target))
    row = house.row(target)
    assert row.state == TargetState.FAILED
    assert "by its time limit" in (row.error_text or "")


def test_claims_of_a_main_process_without_children_end_alone(house: House) -> None:
    target = house.target()
    house.claim(target, os.getpid())
    house.store.cancellation.cancel_target(target)
    house.turns(house.ended(target))
    assert house.row(target).state == TargetState.ABORTED
    assert house.told == []


def test_a_worker_that_ends_gives_back_and_counts_nothing(house: House) -> None:
    children = [house.child(), house.child()]
    targets = [house.target(), house.target()]
    for child, target in zip(children, targets, strict=True):
        house.claim(target, child.pid)
    house.say(event="stopping", in_s=1000)
    children[0].kill()
    house.turns(house.ended(targets[0]))
    assert house.last_claim(targets[0]).end == "given_back", "what dies while its worker ends is not to blame"
    assert house.row(targets[1]).state == TargetState.RUNNING
    house.say(event="stopping", in_s=0)
    house.turns(house.ended(targets[1]))
    assert house.last_claim(targets[1]).end == "given_back"
    assert children[1].wait(10) == -signal.SIGTERM
    assert [(house.row(t).state, house.row(t).deaths, house.row(t).worker_deaths) for t in targets] == [
        (TargetState.QUEUED, 0, 0)
    ] * 2


def test_claims_and_children_of_a_dead_main_process_are_ended(house: House) -> None:
    child, target = house.child(STUBBORN), house.target()
    house.claim(target, child.pid)
    house.turns(lambda: True)
    house.keeper.bury()
    assert not psutil.pid_exists(child.pid)
    row = house.row(target)
    assert (row.state, row.deaths, row.worker_deaths) == (TargetState.QUEUED, 0, 1)
    assert house.last_claim(target).end == "worker_died"
    (worker,) = house.store.workers.known()
    assert worker.ended_at is not None


def test_absent_records_end_nothing_and_are_told_afterwards(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    url = f"sqlite:///{path}"
    upgrade(url)
    engine = open_engine(url)
    house = House(JobStore(engine), engine, settings)
    child, target = house.child(), house.target()
    house.claim(target, child.pid)
    house.turns(lambda: True)
    engine.dispose()
    away = path.rename(tmp_path / "away.db")
    child.kill()
    house.say(event="lost", target=str(target), send_no=1, pid=child.pid, reason="signal 9 (SIGKILL)")
    for _ in range(3):
        for order in house.keeper.orders.read(0.05):
            house.keeper.take(order)
        house.keeper.turn()
    engine.dispose()
    away.rename(path)
    house.turns(house.ended(target))
    assert house.last_claim(target).reason == "signal 9 (SIGKILL)"
    assert house.row(target).deaths == 1
    child.wait()
    engine.dispose()
