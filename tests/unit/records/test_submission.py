from __future__ import annotations

from uuid import uuid4

import pytest
from record_rows import claim_of, new_job, new_target, running

from underbutler.errors import ConflictError, FencedOutError, UnknownNameError
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobStore, Outcome


def test_a_job_comes_back_as_it_was_recorded(store: JobStore) -> None:
    targets = [new_target(args=[{"n": n}, {}], data_id={"detector": n, "instrument": "STE3"}) for n in (0, 1)]
    new = new_job(
        targets,
        overrides=[["detect.threshold", 3.0]],
        options={"replace": True},
        versions={"numpy": "2.3"},
        collections=["STE3/raw"],
        config={"detect": {"threshold": 3.0, "name": "é"}},
    )

    row = store.create_job(new)

    assert (row.id, row.phase, row.n_targets, row.n_open) == (new.id, Phase.QUEUED, 2, 2)
    assert row.overrides == [["detect.threshold", 3.0]]
    assert row.config == {"detect": {"threshold": 3.0, "name": "é"}}
    assert (row.options, row.versions, row.collections) == ({"replace": True}, {"numpy": "2.3"}, ["STE3/raw"])
    assert [(t.id, t.ordinal, t.args, t.state) for t in store.targets(row.id)] == [
        (targets[0].id, 0, [{"n": 0}, {}], TargetState.QUEUED),
        (targets[1].id, 1, [{"n": 1}, {}], TargetState.QUEUED),
    ]
    assert list(store.targets(row.id)[0].data_id) == ["detector", "instrument"], "people chose this order"


def test_a_job_without_targets_is_completed_at_once(store: JobStore) -> None:
    row = store.create_job(new_job(0))
    assert (row.phase, row.n_open, row.ended_at) == (Phase.COMPLETED, 0, row.created_at)


def test_scan_ids_count(store: JobStore) -> None:
    assert [store.create_job(new_job()).scan_id for _ in range(3)] == [1, 2, 3]


def test_a_job_that_retries_another_names_it(store: JobStore) -> None:
    parent = store.create_job(new_job())
    assert store.create_job(new_job(parent_id=parent.id)).parent_id == parent.id


def test_what_cannot_be_recorded_leaves_nothing(store: JobStore) -> None:
    first = store.create_job(new_job(1))
    (taken,) = store.targets(first.id)

    with pytest.raises(ConflictError, match=f"Job {first.id}"):
        store.create_job(new_job(id=first.id))
    repeated = new_job([new_target(), new_target(id=taken.id)])
    with pytest.raises(ConflictError):
        store.create_job(repeated)
    with pytest.raises(ConflictError):
        store.create_job(new_job(parent_id=uuid4()))

    assert [job.id for job in store.jobs()] == [first.id]
    assert store.targets(repeated.id) == []
    assert store.create_job(new_job()).scan_id == 2


def test_cancel_aborts_what_is_open_and_keeps_what_was_done(store: JobStore) -> None:
    job = store.create_job(new_job(4))
    done, live, sent, _queued = store.targets(job.id)
    taken = store.take_unsent(limit=3)
    store.mark_sent([(one.message.envelope.target, one.message.envelope.send_no) for one in taken])
    store.complete(claim_of(store, done.id), Outcome(state=TargetState.DONE))
    claim = claim_of(store, live.id)

    revoked = store.cancel(job.id)

    assert sorted(revoked) == sorted([f"{live.id}.1", f"{sent.id}.1"])
    ended = store.job(job.id)
    assert (ended.phase, ended.n_open, ended.n_aborted, ended.cancel_requested) == (Phase.ABORTED, 0, 3, True)
    assert ended.ended_at is not None
    counts = store.counts(job.id)
    assert (counts[TargetState.DONE], counts[TargetState.ABORTED]) == (1, 3)
    (end,) = {row.end for row in store.claims(live.id)}
    assert end == "aborted"
    with pytest.raises(FencedOutError):
        store.complete(claim, Outcome(state=TargetState.DONE))
    assert store.cancel(job.id) == []


def test_a_delivery_is_cancelled_too(store: JobStore) -> None:
    job, (claim,) = running(store)
    store.begin_delivery(claim, [])
    assert store.cancel(job.id) == [f"{claim.target}.0"]
    assert store.job(job.id).phase is Phase.ABORTED


def test_a_job_that_has_ended_is_not_cancelled(store: JobStore) -> None:
    job, (claim,) = running(store)
    store.complete(claim, Outcome(state=TargetState.DONE))
    assert store.cancel(job.id) == []
    assert (store.job(job.id).phase, store.job(job.id).cancel_requested) == (Phase.COMPLETED, False)


def test_a_job_whose_submission_failed_is_an_error(store: JobStore) -> None:
    job = store.create_job(new_job(2))
    store.fail_job(job.id, "precall: the RUN holds another config")

    failed = store.job(job.id)
    assert (failed.phase, failed.n_open, failed.error) == (Phase.ERROR, 0, "precall: the RUN holds another config")
    assert store.counts(job.id)[TargetState.ABORTED] == 2


def test_a_submission_does_not_fail_after_the_work_began(store: JobStore) -> None:
    job, (claim,) = running(store)
    with pytest.raises(ConflictError, match="underbutler cancel"):
        store.fail_job(job.id, "too late")
    assert store.target(claim.target).state is TargetState.RUNNING


def test_an_unknown_job_is_neither_cancelled_nor_failed(store: JobStore) -> None:
    for attempt in (lambda: store.cancel(uuid4()), lambda: store.fail_job(uuid4(), "?")):
        with pytest.raises(UnknownNameError, match="underbutler status"):
            attempt()
