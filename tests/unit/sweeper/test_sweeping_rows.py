"""Parts of the sweep that only look at rows: jobs, workers, tokens; and that each part keeps its trouble to itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from tests.support.records.rows import new_job, running
from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.errors import RecordsUnavailableError
from underbutler.migrations import upgrade
from underbutler.model.job import Phase, TargetState
from underbutler.records import Outcome, Worker
from underbutler.records.tables.jobs import Job
from underbutler.records.tables.service import Worker as WorkerTable
from underbutler.settings import Settings
from underbutler.sql import database_now, write
from underbutler.sweeper import PARTS, SweepReport, sweep
from underbutler.sweeper.report import Tally
from underbutler.sweeper.rounds import Round


@pytest.fixture
def context(settings: Settings) -> Iterator[ServiceContext]:
    upgrade(settings.records_url)
    with ServiceContext(settings) as context:
        yield context


def swept(context: ServiceContext, *parts: str, **options: Any) -> SweepReport:
    """Sweep some parts."""
    return sweep(context, make_app(context.settings), parts=parts, **options)


def change(context: ServiceContext, statement: Any) -> None:
    """Change rows behind everybody's back."""
    with write(context.engine) as connection:
        connection.execute(statement)


# Jobs

NONE = {"closed": 0, "destroyed": 0, "cancelled": 0, "forgotten": 0}


def test_a_job_whose_counters_are_wrong_is_closed(context: ServiceContext) -> None:
    job, (one, other) = running(context.jobs, 2)
    context.jobs.claims.complete(one, Outcome(state=TargetState.DONE))
    context.jobs.claims.complete(other, Outcome(state=TargetState.FAILED))
    change(context, update(Job).values(phase=Phase.EXECUTING, n_open=1, ended_at=None))
    assert swept(context, "jobs")["jobs"].counts == NONE | {"closed": 1}
    row = context.jobs.read.job(job.id)
    assert (row.phase, row.n_open, row.n_failed) == (Phase.ERROR, 0, 1)
    assert swept(context, "jobs")["jobs"].counts == NONE


def test_a_job_past_its_destruction_loses_rows_and_is_archived(context: ServiceContext) -> None:
    job, (claim,) = running(context.jobs)
    young = context.jobs.submissions.create_job(new_job())
    context.jobs.claims.complete(claim, Outcome(state=TargetState.DONE, log="what it said"))
    change(context, update(Job).where(Job.id == job.id).values(destruction_at=database_now() - 1))
    assert swept(context, "jobs")["jobs"].counts == NONE | {"destroyed": 1}
    assert context.jobs.read.job(job.id).phase == Phase.ARCHIVED
    assert context.jobs.read.targets(job.id) == []
    assert context.jobs.read.claims(job.id) == []
    assert len(context.jobs.read.targets(young.id)) == 1


# Workers and tokens


def test_a_worker_unseen_for_long_has_ended_and_later_goes(context: ServiceContext) -> None:
    for name in ("here", "gone"):
        worker = Worker(id=name, name=name, host="h", pid=1, keeper_pid=2, queue="reduce", concurrency=2)
        context.jobs.workers.mark_alive(worker)
    gone = WorkerTable.id == "gone"
    change(context, update(WorkerTable).where(gone).values(seen_at=database_now() - 2 * 3600))
    assert swept(context, "workers")["workers"].counts == {"ended": 1, "forgotten": 0}
    assert {row.id: row.ended_at is not None for row in context.jobs.workers.known()} == {"here": False, "gone": True}
    change(context, update(WorkerTable).where(gone).values(seen_at=database_now() - 30 * 3600))
    assert swept(context, "workers")["workers"].counts == {"ended": 0, "forgotten": 1}


def test_tokens_that_have_expired_are_forgotten(context: ServiceContext) -> None:
    now = context.jobs.now()
    context.jobs.tokens.keep("old", "ann", b"secret", now - 1)
    context.jobs.tokens.keep("new", "ann", b"secret", now + 1000)
    assert swept(context, "tokens")["tokens"].counts == {"forgotten": 1}
    assert context.jobs.tokens.get("old") is None
    assert context.jobs.tokens.get("new") is not None


# Trouble


def test_a_part_that_fails_halfway_reports_and_the_others_go_on(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
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
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_away(*_: object) -> None:
        raise RecordsUnavailableError("away")

    monkeypatch.setattr(context.jobs.workers, "known", go_away)
    with pytest.raises(RecordsUnavailableError):
        swept(context, "workers", "tokens")
