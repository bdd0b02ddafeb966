"""Parts of the sweep that only look at rows: jobs, workers, tokens; and that each part keeps its trouble to itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from record_rows import new_job, running
from sqlalchemy import update

from underbutler.broker import make_app
from underbutler.context import WorkerContext
from underbutler.errors import RecordsUnavailableError
from underbutler.migrations import upgrade
from underbutler.model.job import Phase, TargetState
from underbutler.records import Outcome, Worker
from underbutler.records.service_tables import Worker as WorkerTable
from underbutler.records.tables import Job
from underbutler.settings import Settings
from underbutler.sql import database_now, write
from underbutler.sweeper import PARTS, SweepReport, sweep
from underbutler.sweeper.report import Tally
from underbutler.sweeper.rounds import Round


@pytest.fixture
def context(settings: Settings) -> Iterator[WorkerContext]:
    upgrade(settings.records_url)
    with WorkerContext(settings) as context:
        yield context


def swept(context: WorkerContext, *parts: str, **options: Any) -> SweepReport:
    """Sweep some parts."""
    return sweep(context, make_app(context.settings), parts=parts, **options)


def change(context: WorkerContext, statement: Any) -> None:
    """Change rows behind everybody's back."""
    with write(context.engine) as connection:
        connection.execute(statement)


# Jobs


def test_a_job_whose_counters_are_wrong_is_closed(context: WorkerContext) -> None:
    job, (one, other) = running(context.jobs, 2)
    context.jobs.complete(one, Outcome(state=TargetState.DONE))
    context.jobs.complete(other, Outcome(state=TargetState.FAILED))
    change(context, update(Job).values(phase=Phase.EXECUTING, n_open=1, ended_at=None))
    assert swept(context, "jobs")["jobs"].counts == {"closed": 1, "destroyed": 0}
    row = context.jobs.job(job.id)
    assert (row.phase, row.n_open, row.n_failed) == (Phase.ERROR, 0, 1)
    assert swept(context, "jobs")["jobs"].counts == {"closed": 0, "destroyed": 0}


def test_a_job_past_its_destruction_loses_its_rows_and_is_kept_as_archived(context: WorkerContext) -> None:
    job, (claim,) = running(context.jobs)
    young = context.jobs.create_job(new_job())
    context.jobs.complete(claim, Outcome(state=TargetState.DONE, log="what it said"))
    change(context, update(Job).where(Job.id == job.id).values(destruction_at=database_now() - 1))
    assert swept(context, "jobs")["jobs"].counts == {"closed": 0, "destroyed": 1}
    assert context.jobs.job(job.id).phase == Phase.ARCHIVED
    assert context.jobs.targets(job.id) == []
    assert context.jobs.claims(job.id) == []
    assert len(context.jobs.targets(young.id)) == 1


# Workers and tokens


def test_a_worker_that_nobody_saw_for_long_has_ended_and_is_forgotten_much_later(context: WorkerContext) -> None:
    for name in ("here", "gone"):
        worker = Worker(id=name, name=name, host="h", pid=1, keeper_pid=2, queue="reduce", concurrency=2)
        context.jobs.worker_alive(worker)
    gone = WorkerTable.id == "gone"
    change(context, update(WorkerTable).where(gone).values(seen_at=database_now() - 2 * 3600))
    assert swept(context, "workers")["workers"].counts == {"ended": 1, "forgotten": 0}
    assert {row.id: row.ended_at is not None for row in context.jobs.workers()} == {"here": False, "gone": True}
    change(context, update(WorkerTable).where(gone).values(seen_at=database_now() - 30 * 3600))
    assert swept(context, "workers")["workers"].counts == {"ended": 0, "forgotten": 1}


def test_tokens_that_have_expired_are_forgotten(context: WorkerContext) -> None:
    now = context.jobs.now()
    context.jobs.keep_token("old", "ann", b"secret", now - 1)
    context.jobs.keep_token("new", "ann", b"secret", now + 1000)
    assert swept(context, "tokens")["tokens"].counts == {"forgotten": 1}
    assert context.jobs.token("old") is None
    assert context.jobs.token("new") is not None


# Trouble


def test_a_part_that_fails_half_way_tells_what_it_did_and_the_others_go_on(
    context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_turn: Round, tally: Tally) -> None:
        tally.add("ended", 2)
        raise ArithmeticError("half way")

    monkeypatch.setitem(PARTS, "workers", fail)
    report = swept(context, "workers", "tokens")
    assert report["workers"].counts == {"ended": 2}
    assert [str(error) for error in report["workers"].errors] == ["half way"]
    assert report["tokens"].counts == {"forgotten": 0}


def test_records_that_go_away_in_the_middle_end_the_sweep(
    context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_away(*_: object) -> None:
        raise RecordsUnavailableError("away")

    monkeypatch.setattr(context.jobs, "workers", go_away)
    with pytest.raises(RecordsUnavailableError):
        swept(context, "workers", "tokens")
