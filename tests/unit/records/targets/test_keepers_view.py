"""Claims as keepers and sweepers see them."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, let_lease_expire, new_job, running
from underbutler.model.job import TargetState
from underbutler.records import JobStore, Outcome

pytestmark = ON_BOTH


def test_a_keeper_sees_what_its_worker_holds(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(3))
    mine, delivered, foreign = [row.id for row in store.read.targets(job.id)]
    first = claim_of(store, mine, worker="host/1", pid=11, pid_started=1e9, send_no=4)
    second = claim_of(store, delivered, worker="host/1", pid=12)
    claim_of(store, foreign, worker="host/2", pid=11)
    store.claims.begin_delivery(second, [])

    one, two = sorted(store.leases.of_worker("host/1"), key=lambda held: held.pid)

    assert (one.target, one.job, one.claim_no, one.state) == (mine, job.id, 1, TargetState.RUNNING)
    assert (one.worker, one.pid, one.pid_started, one.send_no) == ("host/1", 11, 1e9, 4)
    assert (one.task, one.queue, one.cancel_requested) == ("processCcd", "reduce", False)
    assert one.lease_until == first.lease_until
    assert one.age_s == pytest.approx(0, abs=30)
    assert (two.target, two.state, two.pid_started) == (delivered, TargetState.DELIVERING, None)
    assert store.read.claims(mine)[0].pid_started == 1e9


def test_what_has_ended_or_was_given_back_is_not_held(store: JobStore) -> None:
    _, (done, back, delivering) = running(store, 3)
    store.claims.complete(done, Outcome(state=TargetState.DONE))
    store.claims.give_back(back, reason="shutdown")
    store.claims.begin_delivery(delivering, [])
    store.claims.give_back(delivering, reason="shutdown")
    assert store.leases.of_worker("w1") == []
    assert store.leases.renew_worker("w1", None, 60) == []


def test_a_worker_is_renewed_for_some_or_all_of_its_children(store: JobStore, engine: Engine) -> None:
    job = store.submissions.create_job(new_job(3))
    claims = [claim_of(store, row.id, worker="w", pid=pid) for pid, row in enumerate(store.read.targets(job.id))]
    other = running(store)[1][0]
    for claim in [*claims, other]:
        let_lease_expire(engine, claim.target)

    assert store.leases.renew_worker("w", [], 600) == []
    assert {held.target for held in store.leases.renew_worker("w", [0, 2, 99], 600)} == {
        claims[0].target,
        claims[2].target,
    }
    assert {held.target for held in store.leases.expired()} == {claims[1].target, other.target}
    assert len(store.leases.renew_worker("w", None, 600)) == 3
    assert [held.target for held in store.leases.expired()] == [other.target]
    assert store.read.target(claims[0].target).lease_until > claims[0].started_at + 500


def test_expired_claims_come_oldest_first_and_not_too_many(store: JobStore, engine: Engine) -> None:
    _, claims = running(store, 3)
    assert store.leases.expired() == []
    for number, claim in enumerate(claims, 1):
        let_lease_expire(engine, claim.target, ago_s=number)
    assert [held.target for held in store.leases.expired(limit=2)] == [claims[2].target, claims[1].target]


def test_a_renewal_sees_that_a_cancellation_was_asked_for(store: JobStore) -> None:
    job, _ = running(store)
    store.cancellation.cancel(job.id)
    (held,) = store.leases.renew_worker("w1", [7], 60)
    assert held.cancel_requested
