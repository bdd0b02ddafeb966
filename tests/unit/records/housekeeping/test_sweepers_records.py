"""What only the sweeper does with the records."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, select, update

from tests.support.catalog.truths import check_runs
from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, delivering, new_job, notice_of, overtaken, product, running
from underbutler.errors import ConflictError
from underbutler.model.job import Phase, TargetState
from underbutler.records import Claim, Intent, JobStore, Outcome, Product, Submission, Upload
from underbutler.records.tables.jobs import Job, Target
from underbutler.records.tables.jobs import Upload as UploadTable
from underbutler.records.tables.service import Submission as SubmissionTable
from underbutler.sql import Base, metadata, read, write

pytestmark = ON_BOTH


def set_all(engine: Engine, table: type[Base], **values) -> None:
    """Travel: set some times of all rows."""
    with write(engine) as connection:
        connection.execute(update(table).values(**values))


# Memory


def test_of_two_sweepers_that_remember_one_name_the_first_does(store: JobStore) -> None:
    assert store.sweep.remember_next("first", {"by": 1}, None)
    assert not store.sweep.remember_next("first", {"by": 2}, None)
    remembered = store.sweep.remembered("first")
    assert remembered is not None
    assert remembered.body == {"by": 1}


def test_the_sweeper_remembers_from_one_sweep_to_the_next(store: JobStore) -> None:
    assert store.sweep.remembered("swept") is None
    store.sweep.remember("swept")
    first = store.sweep.remembered("swept")
    assert first.body is None
    assert first.at == pytest.approx(store.now(), abs=30)
    store.sweep.remember("swept", {"reduce": {"count": 3, "since": 1.5}})
    at, body = store.sweep.remembered("swept")
    assert at >= first.at
    assert body == {"reduce": {"count": 3, "since": 1.5}}


# Submissions


def submission(job: UUID, **fields) -> Submission:
    defaults = {"repo": "demo", "out": "work", "run": "u/ann/1", "own_run": True, "user": "ann"}
    return Submission(job=job, **(defaults | fields))


def test_a_submission_that_becomes_a_job_is_forgotten_with_it(store: JobStore) -> None:
    new = new_job(announced=True)
    store.submissions.announce(submission(new.id))
    store.submissions.announce(submission(new.id))
    store.submissions.create_job(new)
    assert store.submissions.give_up_stale(-1) == []


def test_an_abandoned_submission_does_not_become_a_job_any_more(store: JobStore, engine: Engine) -> None:
    new = new_job(announced=True)
    store.submissions.announce(submission(new.id))
    assert store.submissions.give_up_stale(60) == []
    set_all(engine, SubmissionTable, created_at=SubmissionTable.created_at - 61)

    assert store.submissions.give_up_stale(60) == [submission(new.id)]
    assert store.submissions.give_up_stale(60) == [submission(new.id)], "until it is forgotten"
    for _ in range(2):
        with pytest.raises(ConflictError, match="Submit again"):
            store.submissions.create_job(new)
        store.submissions.forget(new.id)
    assert store.read.jobs() == []
    assert store.read.targets(new.id) == []
    assert store.submissions.give_up_stale(60) == []


def test_a_submission_that_nobody_announced_needs_no_mark(store: JobStore) -> None:
    assert store.submissions.create_job(new_job()).phase is Phase.QUEUED


# What ended targets left in the Butler


def intend(store: JobStore, claim: Claim, number: int = 1) -> list[UUID]:
    ids = [uuid4() for _ in range(number)]
    store.intents.record(claim, [Intent(dataset_id=one, dataset_type="calexp", run="r") for one in ids])
    return ids


def test_ended_targets_with_intents_are_looked_at_once(store: JobStore, engine: Engine) -> None:
    _, claims = running(store, 5)
    done, failed, idle, live, late = claims
    for claim in (done, failed, live, late):
        intend(store, claim)
    store.claims.complete(done, Outcome(state=TargetState.DONE))
    store.claims.complete(failed, Outcome(state=TargetState.FAILED))
    store.claims.complete(idle, Outcome(state=TargetState.DONE))
    set_all(engine, Target, ended_at=Target.ended_at - 100 + Target.ordinal)
    store.claims.complete(late, Outcome(state=TargetState.ABORTED))

    assert [row.id for row in store.sweep.ended_unchecked(older_than_s=50)] == [done.target, failed.target]
    assert [row.id for row in store.sweep.ended_unchecked(limit=1)] == [done.target]
    assert store.read.target(idle.target).checked_at is not None, "it meant to write nothing"
    store.sweep.mark_checked([done.target, failed.target, live.target])
    assert [row.id for row in store.sweep.ended_unchecked()] == [late.target]
    assert store.read.target(live.target).checked_at is None, "it has not ended"


def test_a_target_cancelled_while_queued_is_looked_at_too(store: JobStore, engine: Engine) -> None:
    """Its earlier claim left something, and no later claim will ever prune it."""
    job, (claim,) = running(store)
    (dataset,) = intend(store, claim)
    store.claims.give_back(claim, reason="shutdown")
    store.cancellation.cancel(job.id)
    (row,) = store.sweep.ended_unchecked()
    assert [one.dataset_id for one in store.intents.of_target(row.id)] == [dataset]


# Keys of the annex


def delivered(claim: Claim, key: str) -> Product:
    return product(url=f"s3://b/{key}")


def cleanable(store: JobStore, **fields) -> list[str]:
    return [row.key for row in store.uploads.to_clean(**fields)]


def test_keys_of_dead_claims_are_cleaned_of_living_ones_kept(store: JobStore, engine: Engine) -> None:
    first = delivering(store, uploads=[Upload(bucket="b", key="1"), Upload(bucket="b", key="1x")])
    assert cleanable(store) == []
    second = overtaken(store, engine, first)
    store.uploads.add(second, [Upload(bucket="b", key="2")])

    assert cleanable(store) == ["1", "1x"]
    assert cleanable(store, limit=1) == ["1"]
    store.claims.complete(second, Outcome(state=TargetState.DONE, products=[delivered(second, "2")]))
    assert cleanable(store) == ["1", "1x"], "what is visible stays"


def test_a_cleaned_key_comes_again_once(store: JobStore, engine: Engine) -> None:
    claim = delivering(store, uploads=[Upload(bucket="b", key="1")])
    store.claims.complete(claim, Outcome(state=TargetState.FAILED))
    rows = store.uploads.to_clean()
    assert rows[0].cleaned_at is None
    store.uploads.mark_cleaned(rows)
    assert cleanable(store) == []
    set_all(engine, UploadTable, cleaned_at=UploadTable.cleaned_at - 3601)

    (again,) = store.uploads.to_clean()

    assert again.cleaned_at is not None
    store.uploads.forget([again])
    assert cleanable(store, again_after_s=0) == []


def test_visible_keys_are_forgotten_so_the_list_does_not_grow(store: JobStore, engine: Engine) -> None:
    claim = delivering(store, uploads=[Upload(bucket="b", key="1")])
    store.claims.complete(claim, Outcome(state=TargetState.FAILED, products=[delivered(claim, "1")]))
    assert cleanable(store) == []
    with read(engine) as connection:
        assert connection.execute(select(func.count()).select_from(UploadTable)).scalar_one() == 0


def test_the_key_of_a_claim_that_lives_is_never_marked_clean(store: JobStore) -> None:
    claim = delivering(store, uploads=[Upload(bucket="b", key="1")])
    store.uploads.mark_cleaned([Upload(bucket="b", key="1")])
    store.uploads.forget([Upload(bucket="b", key="1")])
    store.claims.complete(claim, Outcome(state=TargetState.FAILED))
    assert cleanable(store) == ["1"]


# Jobs


def test_a_job_that_counted_wrong_is_closed_from_its_targets(store: JobStore, engine: Engine) -> None:
    job, (done, failed) = running(store, 2)
    other, _ = running(store)
    store.claims.complete(done, Outcome(state=TargetState.DONE))
    store.claims.complete(failed, Outcome(state=TargetState.FAILED))
    assert store.lifetimes.close_jobs() == []
    set_all(engine, Job, phase=Phase.EXECUTING, n_open=1, n_failed=0, ended_at=None)

    assert store.lifetimes.close_jobs() == [job.id]

    closed = store.read.job(job.id)
    assert (closed.phase, closed.n_open, closed.n_failed) == (Phase.ERROR, 0, 1)
    assert closed.ended_at is not None
    assert store.read.job(other.id).phase is Phase.EXECUTING
    assert store.lifetimes.close_jobs() == []


def test_a_cancelled_job_that_counted_wrong_is_aborted(store: JobStore, engine: Engine) -> None:
    job = store.submissions.create_job(new_job(2))
    claim = claim_of(store, store.read.targets(job.id)[0].id)
    store.cancellation.cancel(job.id)
    store.claims.complete(claim, Outcome(state=TargetState.FAILED))
    set_all(engine, Job, phase=Phase.EXECUTING, n_open=1)
    assert store.lifetimes.close_jobs() == [job.id]
    assert (store.read.job(job.id).phase, store.read.job(job.id).n_aborted) == (Phase.ABORTED, 1)


def rows_per_table(engine: Engine) -> dict[str, int]:
    with read(engine) as connection:
        tables = [
            table
            for table in metadata.sorted_tables
            if table.name not in {"job", "step"} and "catalog" not in table.name
        ]
        counts = {t.name: connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}
    return {name: count for name, count in counts.items() if count}


def test_a_job_past_its_time_loses_its_rows_and_keeps_its_own(store: JobStore, engine: Engine) -> None:
    parent = store.submissions.create_job(new_job(1, lifetime_s=60))
    child = store.submissions.create_job(new_job(1, parent_id=parent.id))
    claim = claim_of(store, store.read.targets(parent.id)[0].id)
    intend(store, claim)
    made = delivered(claim, "1")
    store.deliveries.decide_large(parent.id, "calexp", 1, 1)
    store.claims.begin_delivery(claim, [made], uploads=[Upload(bucket="b", key="1"), Upload(bucket="b", key="dead")])
    notice = notice_of(made, claim)
    store.claims.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=[notice], log="said"))
    assert parent.destruction_at == pytest.approx(parent.created_at + 60, abs=1)
    assert store.lifetimes.destroy_due() == [], "it is not time yet"
    set_all(engine, Job, destruction_at=Job.destruction_at - 61)

    assert store.lifetimes.destroy_due() == [], "its notice was not sent"
    store.outbox.mark_notices_sent([notice.id])
    assert store.lifetimes.destroy_due() == [], "nobody has looked at its datasets"
    store.sweep.mark_checked([claim.target])
    assert store.lifetimes.destroy_due() == [parent.id]

    archived = store.read.job(parent.id)
    assert (archived.phase, archived.n_targets, archived.steps) == (Phase.ARCHIVED, 1, parent.steps)
    left = rows_per_table(engine)
    assert left.pop("event") > 0, "what happened is told until it is old"
    assert left == {"target": 1, "upload": 1}
    check_runs(engine)  # its run stays
    assert cleanable(store) == ["dead"], "what a dead claim left is still removed; what was delivered never is"
    assert store.lifetimes.destroy_due() == []
    assert store.read.job(child.id).phase is Phase.QUEUED


def test_a_job_that_is_open_past_its_time_is_cancelled_first(store: JobStore, engine: Engine) -> None:
    job = store.submissions.create_job(new_job(2, lifetime_s=60))
    claim = claim_of(store, store.read.targets(job.id)[0].id)
    set_all(engine, Job, destruction_at=1.0)

    assert store.lifetimes.destroy_due() == []
    assert store.read.job(job.id).cancel_requested
    assert store.lifetimes.destroy_due() == []
    store.claims.give_back(claim, reason="shutdown")
    assert store.lifetimes.destroy_due() == [job.id]
    assert rows_per_table(engine).keys() <= {"event"}
