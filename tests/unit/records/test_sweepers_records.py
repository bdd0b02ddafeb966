"""What only the sweeper does with the records."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from record_rows import ON_BOTH, claim_of, delivering, new_job, notice_of, overtaken, product, running
from run_truths import check_runs
from sqlalchemy import Engine, func, select, update

from underbutler.errors import ConflictError
from underbutler.model.job import Phase, TargetState
from underbutler.records import Claim, Intent, JobStore, Outcome, Product, Submission, Upload
from underbutler.records.service_tables import Submission as SubmissionTable
from underbutler.records.tables import Job, Target
from underbutler.records.tables import Upload as UploadTable
from underbutler.sql import Base, metadata, read, write

pytestmark = ON_BOTH


def set_all(engine: Engine, table: type[Base], **values) -> None:
    """Travel: set some times of all rows."""
    with write(engine) as connection:
        connection.execute(update(table).values(**values))


# Memory


def test_of_two_sweepers_that_remember_the_first_thing_under_a_name_one_does(store: JobStore) -> None:
    assert store.remember_next("first", {"by": 1}, None)
    assert not store.remember_next("first", {"by": 2}, None)
    remembered = store.remembered("first")
    assert remembered is not None
    assert remembered.body == {"by": 1}


def test_the_sweeper_remembers_from_one_sweep_to_the_next(store: JobStore) -> None:
    assert store.remembered("swept") is None
    store.remember("swept")
    first = store.remembered("swept")
    assert first.body is None
    assert first.at == pytest.approx(store.now(), abs=30)
    store.remember("swept", {"reduce": {"count": 3, "since": 1.5}})
    at, body = store.remembered("swept")
    assert at >= first.at
    assert body == {"reduce": {"count": 3, "since": 1.5}}


# Submissions


def submission(job: UUID, **fields) -> Submission:
    defaults = {"repo": "demo", "out": "work", "run": "u/ann/1", "own_run": True, "user": "ann"}
    return Submission(job=job, **(defaults | fields))


def test_a_submission_that_becomes_a_job_is_forgotten_with_it(store: JobStore) -> None:
    new = new_job(announced=True)
    store.record_submission(submission(new.id))
    store.record_submission(submission(new.id))
    store.create_job(new)
    assert store.stale_submissions(-1) == []


def test_a_submission_that_was_given_up_does_not_become_a_job_any_more(store: JobStore, engine: Engine) -> None:
    new = new_job(announced=True)
    store.record_submission(submission(new.id))
    assert store.stale_submissions(60) == []
    set_all(engine, SubmissionTable, created_at=SubmissionTable.created_at - 61)

    assert store.stale_submissions(60) == [submission(new.id)]
    assert store.stale_submissions(60) == [submission(new.id)], "until it is forgotten"
    for _ in range(2):
        with pytest.raises(ConflictError, match="Submit again"):
            store.create_job(new)
        store.forget_submission(new.id)
    assert store.jobs() == []
    assert store.targets(new.id) == []
    assert store.stale_submissions(60) == []


def test_a_submission_that_nobody_announced_needs_no_mark(store: JobStore) -> None:
    assert store.create_job(new_job()).phase is Phase.QUEUED


# What ended targets left in the Butler


def intend(store: JobStore, claim: Claim, number: int = 1) -> list[UUID]:
    ids = [uuid4() for _ in range(number)]
    store.intend(claim, [Intent(dataset_id=one, dataset_type="calexp", run="r") for one in ids])
    return ids


def test_ended_targets_with_intents_are_looked_at_once(store: JobStore, engine: Engine) -> None:
    _, claims = running(store, 5)
    done, failed, idle, live, late = claims
    for claim in (done, failed, live, late):
        intend(store, claim)
    store.complete(done, Outcome(state=TargetState.DONE))
    store.complete(failed, Outcome(state=TargetState.FAILED))
    store.complete(idle, Outcome(state=TargetState.DONE))
    set_all(engine, Target, ended_at=Target.ended_at - 100 + Target.ordinal)
    store.complete(late, Outcome(state=TargetState.ABORTED))

    assert [row.id for row in store.ended_unchecked(older_than_s=50)] == [done.target, failed.target]
    assert [row.id for row in store.ended_unchecked(limit=1)] == [done.target]
    assert store.target(idle.target).checked_at is not None, "it meant to write nothing"
    store.mark_checked([done.target, failed.target, live.target])
    assert [row.id for row in store.ended_unchecked()] == [late.target]
    assert store.target(live.target).checked_at is None, "it has not ended"


def test_a_target_that_is_cancelled_while_queued_is_looked_at_too(store: JobStore, engine: Engine) -> None:
    """Its earlier claim left something, and no later claim will ever prune it."""
    job, (claim,) = running(store)
    (dataset,) = intend(store, claim)
    store.give_back(claim, reason="shutdown")
    store.cancel(job.id)
    (row,) = store.ended_unchecked()
    assert [one.dataset_id for one in store.intents_of(row.id)] == [dataset]


# Keys of the annex


def delivered(claim: Claim, key: str) -> Product:
    return product(url=f"s3://b/{key}")


def cleanable(store: JobStore, **fields) -> list[str]:
    return [row.key for row in store.uploads_to_clean(**fields)]


def test_keys_of_dead_claims_are_cleaned_and_those_of_living_ones_are_not(store: JobStore, engine: Engine) -> None:
    first = delivering(store, uploads=[Upload(bucket="b", key="1"), Upload(bucket="b", key="1x")])
    assert cleanable(store) == []
    second = overtaken(store, engine, first)
    store.add_uploads(second, [Upload(bucket="b", key="2")])

    assert cleanable(store) == ["1", "1x"]
    assert cleanable(store, limit=1) == ["1"]
    store.complete(second, Outcome(state=TargetState.DONE, products=[delivered(second, "2")]))
    assert cleanable(store) == ["1", "1x"], "what is visible stays"


def test_a_cleaned_key_comes_again_once(store: JobStore, engine: Engine) -> None:
    claim = delivering(store, uploads=[Upload(bucket="b", key="1")])
    store.complete(claim, Outcome(state=TargetState.FAILED))
    rows = store.uploads_to_clean()
    assert rows[0].cleaned_at is None
    store.mark_cleaned(rows)
    assert cleanable(store) == []
    set_all(engine, UploadTable, cleaned_at=UploadTable.cleaned_at - 3601)

    (again,) = store.uploads_to_clean()

    assert again.cleaned_at is not None
    store.forget_uploads([again])
    assert cleanable(store, again_after_s=0) == []


def test_visible_keys_are_forgotten_so_that_the_list_does_not_grow(store: JobStore, engine: Engine) -> None:
    claim = delivering(store, uploads=[Upload(bucket="b", key="1")])
    store.complete(claim, Outcome(state=TargetState.FAILED, products=[delivered(claim, "1")]))
    assert cleanable(store) == []
    with read(engine) as connection:
        assert connection.execute(select(func.count()).select_from(UploadTable)).scalar_one() == 0


def test_the_key_of_a_claim_that_lives_is_never_marked_clean(store: JobStore) -> None:
    claim = delivering(store, uploads=[Upload(bucket="b", key="1")])
    store.mark_cleaned([Upload(bucket="b", key="1")])
    store.forget_uploads([Upload(bucket="b", key="1")])
    store.complete(claim, Outcome(state=TargetState.FAILED))
    assert cleanable(store) == ["1"]


# Jobs


def test_a_job_that_counted_wrong_is_closed_from_its_targets(store: JobStore, engine: Engine) -> None:
    job, (done, failed) = running(store, 2)
    other, _ = running(store)
    store.complete(done, Outcome(state=TargetState.DONE))
    store.complete(failed, Outcome(state=TargetState.FAILED))
    assert store.close_jobs() == []
    set_all(engine, Job, phase=Phase.EXECUTING, n_open=1, n_failed=0, ended_at=None)

    assert store.close_jobs() == [job.id]

    closed = store.job(job.id)
    assert (closed.phase, closed.n_open, closed.n_failed) == (Phase.ERROR, 0, 1)
    assert closed.ended_at is not None
    assert store.job(other.id).phase is Phase.EXECUTING
    assert store.close_jobs() == []


def test_a_cancelled_job_that_counted_wrong_is_aborted(store: JobStore, engine: Engine) -> None:
    job = store.create_job(new_job(2))
    claim = claim_of(store, store.targets(job.id)[0].id)
    store.cancel(job.id)
    store.complete(claim, Outcome(state=TargetState.FAILED))
    set_all(engine, Job, phase=Phase.EXECUTING, n_open=1)
    assert store.close_jobs() == [job.id]
    assert (store.job(job.id).phase, store.job(job.id).n_aborted) == (Phase.ABORTED, 1)


def rows_per_table(engine: Engine) -> dict[str, int]:
    with read(engine) as connection:
        tables = [table for table in metadata.sorted_tables if table.name != "job" and "catalog" not in table.name]
        counts = {t.name: connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}
    return {name: count for name, count in counts.items() if count}


def test_a_job_past_its_time_loses_its_rows_and_keeps_its_own(store: JobStore, engine: Engine) -> None:
    parent = store.create_job(new_job(1, lifetime_s=60))
    child = store.create_job(new_job(1, parent_id=parent.id))
    claim = claim_of(store, store.targets(parent.id)[0].id)
    intend(store, claim)
    made = delivered(claim, "1")
    store.decide_large(parent.id, "calexp", 1, 1)
    store.begin_delivery(claim, [made], uploads=[Upload(bucket="b", key="1"), Upload(bucket="b", key="dead")])
    notice = notice_of(made, claim)
    store.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=[notice], log="said"))
    assert parent.destruction_at == pytest.approx(parent.created_at + 60, abs=1)
    assert store.destroy_due() == [], "it is not time yet"
    set_all(engine, Job, destruction_at=Job.destruction_at - 61)

    assert store.destroy_due() == [], "its notice was not sent"
    store.mark_notices_sent([notice.id])
    assert store.destroy_due() == [], "nobody has looked at its datasets"
    store.mark_checked([claim.target])
    assert store.destroy_due() == [parent.id]

    archived = store.job(parent.id)
    assert (archived.phase, archived.n_targets, archived.config) == (Phase.ARCHIVED, 1, parent.config)
    assert rows_per_table(engine) == {"target": 1, "upload": 1}
    check_runs(engine)  # its run stays
    assert cleanable(store) == ["dead"], "what a dead claim left is still removed; what was delivered never is"
    assert store.destroy_due() == []
    assert store.job(child.id).phase is Phase.QUEUED


def test_a_job_that_is_open_past_its_time_is_cancelled_first(store: JobStore, engine: Engine) -> None:
    job = store.create_job(new_job(2, lifetime_s=60))
    claim = claim_of(store, store.targets(job.id)[0].id)
    set_all(engine, Job, destruction_at=1.0)

    assert store.destroy_due() == []
    assert store.job(job.id).cancel_requested
    assert store.destroy_due() == []
    store.give_back(claim, reason="shutdown")
    assert store.destroy_due() == [job.id]
    assert rows_per_table(engine) == {}
