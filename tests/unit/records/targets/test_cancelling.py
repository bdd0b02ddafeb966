"""Cancellation in two steps."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, delivering, ended, new_job, running, sent
from underbutler.errors import UnknownNameError
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobStore, Outcome

pytestmark = ON_BOTH

DONE = Outcome(state=TargetState.DONE)


def test_unheld_targets_abort_at_once_the_rest_when_claims_end(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(4))
    done, live, queued, _unsent = store.read.targets(job.id)
    taken = store.outbox.take(limit=3)
    store.outbox.mark_sent([(one.message.envelope.target, one.message.envelope.send_no) for one in taken])
    store.claims.complete(claim_of(store, done.id), DONE)
    claim = claim_of(store, live.id)

    assert store.cancellation.cancel(job.id) == [f"{queued.id}.1"], "only what was sent and is aborted now"

    asked = store.read.job(job.id)
    assert (asked.phase, asked.n_open, asked.n_aborted, asked.cancel_requested) == (Phase.EXECUTING, 1, 2, True)
    assert store.read.target(live.id).state is TargetState.RUNNING
    (held,) = store.leases.of_worker("w1")
    assert held.cancel_requested
    assert store.cancellation.cancel(job.id) == []

    assert ended(store, claim, "aborted", reason="its job was cancelled") is TargetState.ABORTED

    after = store.read.job(job.id)
    assert (after.phase, after.n_open, after.n_aborted) == (Phase.ABORTED, 0, 3)
    assert after.ended_at is not None
    assert [row.end for row in store.read.claims(live.id)] == ["aborted"]


@pytest.mark.parametrize("state", [TargetState.DONE, TargetState.NO_WORK, TargetState.FAILED])
def test_what_completes_before_it_is_cut_stays_as_it_is(store: JobStore, state: TargetState) -> None:
    job, (claim,) = running(store)
    store.cancellation.cancel(job.id)
    store.claims.complete(claim, Outcome(state=state))
    after = store.read.job(job.id)
    assert store.read.target(claim.target).state is state
    assert after.phase is (Phase.ERROR if state is TargetState.FAILED else Phase.COMPLETED)
    assert (after.n_aborted, after.cancel_requested) == (0, True)


def test_a_cancelled_job_is_aborted_although_something_failed(store: JobStore) -> None:
    job, (failed, cut) = running(store, 2)
    store.claims.complete(failed, Outcome(state=TargetState.FAILED))
    store.cancellation.cancel(job.id)
    ended(store, cut, "aborted")
    assert store.read.job(job.id).phase is Phase.ABORTED


@pytest.mark.parametrize("last", ["done", "failed"])
def test_the_last_target_of_a_cancelled_job_gives_it_its_phase(store: JobStore, last: str) -> None:
    job = store.submissions.create_job(new_job(2))
    claim = claim_of(store, store.read.targets(job.id)[0].id)
    store.cancellation.cancel(job.id)
    store.claims.complete(claim, Outcome(state=TargetState(last)))
    assert store.read.job(job.id).phase is Phase.ABORTED


def test_a_delivery_is_cut_only_while_somebody_holds_it(store: JobStore) -> None:
    held, waiting = delivering(store), delivering(store)
    store.claims.give_back(waiting, reason="S3 was away")
    assert sent(store) == [(waiting.target, 1)]

    assert store.cancellation.cancel(held.job) == []
    assert store.cancellation.cancel(waiting.job) == [f"{waiting.target}.1"]

    assert store.read.target(held.target).state is TargetState.DELIVERING
    assert store.read.job(waiting.job).phase is Phase.ABORTED
    store.claims.complete(held, DONE)
    assert store.read.job(held.job).phase is Phase.COMPLETED


def test_a_job_that_has_ended_is_not_cancelled(store: JobStore) -> None:
    job, (claim,) = running(store)
    store.claims.complete(claim, DONE)
    assert store.cancellation.cancel(job.id) == []
    assert (store.read.job(job.id).phase, store.read.job(job.id).cancel_requested) == (Phase.COMPLETED, False)


def test_a_cancelled_target_is_never_sent_claimed_or_renewed(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(2))
    store.cancellation.cancel(job.id)
    assert store.outbox.take() == []
    assert store.read.job(job.id).phase is Phase.ABORTED
    assert store.outbox.queues() == []


def test_one_target_is_cancelled_alone(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(3))
    queued, live, other = store.read.targets(job.id)
    claim = claim_of(store, live.id)

    assert store.cancellation.cancel_target(queued.id) is TargetState.ABORTED
    assert store.cancellation.cancel_target(live.id) is TargetState.RUNNING
    assert store.cancellation.cancel_target(queued.id) is TargetState.ABORTED, "a second time changes nothing"

    assert store.read.job(job.id).cancel_requested is False
    assert [held.cancel_requested for held in store.leases.of_worker("w1")] == [True]
    assert ended(store, claim, "died") is TargetState.ABORTED
    store.claims.complete(claim_of(store, other.id), DONE)
    after = store.read.job(job.id)
    assert (after.phase, after.n_open, after.n_aborted) == (Phase.ABORTED, 0, 2)


def test_a_target_that_has_ended_is_not_cancelled(store: JobStore) -> None:
    _, (claim,) = running(store)
    store.claims.complete(claim, DONE)
    assert store.cancellation.cancel_target(claim.target) is TargetState.DONE
    assert not store.read.target(claim.target).cancel_requested


def test_what_does_not_exist_is_not_cancelled(store: JobStore) -> None:
    for attempt in (lambda: store.cancellation.cancel(uuid4()), lambda: store.cancellation.cancel_target(uuid4())):
        with pytest.raises(UnknownNameError, match="underbutler status"):
            attempt()
