"""The service in numbers: what they say, and that they are cheap however many targets there are."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, update

from tests.support.databases import ON_BOTH
from tests.support.records.rows import (
    claim_of,
    delivering,
    explained,
    let_send_lease_expire,
    new_job,
    notice_of,
    product,
    running,
    sent,
)
from underbutler.metrics import exposition
from underbutler.model.job import TargetState
from underbutler.records import JobStore, Outcome, Parked, Worker
from underbutler.records.tables.jobs import Claim, Target
from underbutler.records_collector import RecordsCollector
from underbutler.settings import Settings
from underbutler.sql import database_now, open_engine, write


def worker(name: str, **fields: Any) -> Worker:
    return Worker(id=name, name=name, host="h", pid=1, keeper_pid=2, concurrency=2, **({"queue": "reduce"} | fields))


def age(engine: Engine, seconds: float, *conditions: Any) -> None:
    """Let targets have been queued so long ago."""
    with write(engine) as connection:
        connection.execute(update(Target).where(*conditions).values(queued_at=database_now() - seconds))


@ON_BOTH
def test_an_empty_service_is_all_zeros(store: JobStore) -> None:
    seen = store.measures.take(60)
    assert (seen.queued, seen.running, seen.delivering, seen.unsent, seen.notices, seen.parked) == (0,) * 6
    assert seen.jobs == {"pending": 0, "queued": 0, "executing": 0}
    assert (seen.held, seen.waiting, seen.waiting_age_s, seen.workers, seen.breakers) == ({},) * 5
    assert (seen.unsent_age_s, seen.notices_age_s, seen.delivering_age_s, seen.swept_age_s) == (None,) * 4


@ON_BOTH
def test_each_number_is_what_is_in_the_rows(store: JobStore, engine: Engine) -> None:
    store.submissions.create_job(new_job(3))
    sent(store)
    age(engine, 500, Target.sent_at.is_not(None))
    running(store, 2)
    made = product()
    claim = delivering(store)
    store.claims.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=[notice_of(made, claim)]))
    resumed = delivering(store)
    with write(engine) as connection:
        connection.execute(
            update(Claim).where(Claim.target_id == resumed.target).values(started_at=Claim.started_at - 900)
        )
    assert store.claims.give_back(resumed, reason="the annex is away") is TargetState.DELIVERING
    claim_of(store, resumed.target, send_no=0)
    (held,) = store.read.targets(store.submissions.create_job(new_job(1, task="makeFlat")).id)
    store.waiting.hold(held.id, "nobody knows why")
    waits, due = store.read.targets(store.submissions.create_job(new_job(2, queue="bulk")).id)
    store.waiting.defer(waits.id, "d" * 64, waits.send_no, reason="later", delay_s=600)
    age(engine, 100, Target.id == due.id)
    store.quarantine.park(Parked(kind="header", reason="not ours", queue="reduce", raw=b"x"))
    store.workers.mark_alive(worker("one"))
    store.workers.mark_alive(worker("two"))
    store.workers.mark_unfit("two", "no space")
    store.workers.mark_alive(worker("gone"))
    store.workers.mark_ended("gone")
    store.breakers.count_failure("demo", "away", failures=1, open_s=60, cap_s=60)
    store.breakers.count_failure("other", "away", failures=9, open_s=60, cap_s=60)
    store.sweep.remember("swept")

    seen = store.measures.take(60)

    assert (seen.queued, seen.running, seen.delivering) == (5, 2, 1)
    assert seen.jobs == {"pending": 0, "queued": 2, "executing": 2}
    assert seen.held == {"makeFlat": 1}
    assert seen.parked == 1
    assert seen.waiting == {"reduce": 3}
    assert 499 < seen.waiting_age_s["reduce"] < 600
    assert seen.unsent == 1, "the other one is not due"
    assert seen.unsent_age_s is not None
    assert 99 < seen.unsent_age_s < 200
    assert seen.notices == 1
    assert seen.workers == {("reduce", True): 1, ("reduce", False): 1}
    assert seen.breakers == {"demo": True, "other": False}
    assert seen.delivering_age_s is not None
    assert 899 < seen.delivering_age_s < 1000, "since its first claim"
    for moment in (seen.notices_age_s, seen.swept_age_s):
        assert moment is not None
        assert 0 <= moment < 60


def test_no_question_reads_the_whole_table(store: JobStore, engine: Engine) -> None:
    store.submissions.create_job(new_job(3))
    sent(store)
    let_send_lease_expire(engine)
    claim_of(store, store.read.targets(store.read.jobs()[0].id)[0].id)
    plans = explained(engine)
    store.measures.take(60)
    for index in ("job_phase", "target_leased", "target_job_id_state", "target_unsent", "target_sent", "target_held"):
        assert any(f"ix_{index}" in plan for plan in plans.values()), index
    for statement, plan in plans.items():
        for table in ("target", "job", "notice", "claim"):
            assert f"SCAN {table}\n" not in f"{plan}\n", f"{statement}\n{plan}"


def test_absent_records_are_reported_and_asked_again_later(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def jobs() -> JobStore:
        asked.append(1)
        return JobStore(open_engine(f"sqlite:///{settings.home / 'nothing.db'}"))

    collector = RecordsCollector(jobs, settings)
    for _ in range(3):
        text = exposition(collector)
        assert "underbutler_records_up 0.0" in text
        assert "underbutler_targets" not in text
    assert len(asked) == 1, "it is asked once for all that come at the same time"
    monkeypatch.setattr("underbutler.records_collector.KEPT_S", 0.0)
    exposition(collector)
    assert len(asked) == 2
    assert "the file does not exist" in collector.trouble
