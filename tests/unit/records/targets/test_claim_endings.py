"""How a claim ends without its target, and where the target goes."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import Engine

from tests.support.databases import ON_BOTH
from tests.support.records.rows import (
    claim_of,
    delivering,
    ended,
    keys,
    let_lease_expire,
    let_wait_pass,
    new_job,
    product,
    running,
    sent,
)
from underbutler.errors import FencedOutError, UsageError
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobStore, Outcome, StandDown, StandDownReason, Upload

pytestmark = ON_BOTH

Q, D, F, H, A = (
    TargetState.QUEUED,
    TargetState.DELIVERING,
    TargetState.FAILED,
    TargetState.HELD,
    TargetState.ABORTED,
)


@pytest.mark.parametrize(
    ("end", "state", "counters"),
    [
        ("died", Q, (1, 0, 0)),
        ("worker_died", Q, (0, 1, 0)),
        ("expired", Q, (0, 1, 0)),
        ("given_back", Q, (0, 0, 0)),
        ("aborted", A, (0, 0, 0)),
        ("timed_out", F, (0, 0, 0)),
    ],
)
def test_each_end_has_its_state_and_its_counter(store: JobStore, engine: Engine, end, state, counters) -> None:
    job, (claim, _) = running(store, 2)
    if end == "expired":
        let_lease_expire(engine, claim.target)

    assert ended(store, claim, end, reason="the child is gone") is state

    row = store.read.target(claim.target)
    assert (row.state, row.deaths, row.worker_deaths, row.transient_retries) == (state, *counters)
    assert (row.lease_until, row.lease_worker, row.lease_pid) == (None, None, None)
    (recorded, _) = store.read.claims(job.id)
    assert (recorded.end, recorded.reason) == (end, "the child is gone")
    assert recorded.ended_at is not None
    assert (row.ended_at is None) == (state is Q)
    after = store.read.job(job.id)
    assert (after.n_open, after.n_failed, after.n_aborted) == (2 - state.ended, int(state is F), int(state is A))
    with pytest.raises(FencedOutError):
        store.claims.complete(claim, Outcome(state=TargetState.DONE))


def test_a_target_that_timed_out_says_so(store: JobStore) -> None:
    job, (claim,) = running(store)
    ended(store, claim, "timed_out", reason="it ran for 3600 s")
    row = store.read.target(claim.target)
    assert (row.exit_status, row.error_type, row.error_text) == (1, "TimedOut", "it ran for 3600 s")
    assert store.read.job(job.id).phase is Phase.ERROR


@pytest.mark.parametrize("end", ["died", "worker_died", "expired", "given_back"])
def test_a_delivery_that_lost_its_claim_is_resumed_by_another(store: JobStore, engine: Engine, end) -> None:
    claim = delivering(store, scalars={"fwhm_px": 2.5}, seconds=12.0)
    sent_before = sent(store)
    if end == "expired":
        let_lease_expire(engine, claim.target)

    assert ended(store, claim, end) is D

    assert sent_before == []
    assert sent(store) == [(claim.target, 1)]
    with pytest.raises(FencedOutError):
        store.claims.complete(claim, Outcome(state=TargetState.DONE))
    assert not store.claims.renew(claim, 60), "nobody holds it"
    resumed = claim_of(store, claim.target, worker="w2")
    assert (resumed.claim_no, resumed.delivering, claim.delivering) == (2, True, False)
    assert store.read.target(claim.target).state is D
    store.claims.complete(resumed, Outcome(state=TargetState.DONE))
    row = store.read.target(claim.target)
    assert (row.state, row.scalars, row.seconds) == (TargetState.DONE, {"fwhm_px": 2.5}, 12.0)


def test_a_completion_may_say_more_than_the_delivery_began_with(store: JobStore) -> None:
    claim = delivering(store, scalars={"a": 1}, seconds=1.0)
    store.claims.complete(claim, Outcome(state=TargetState.DONE, scalars={"b": 2}, seconds=2.0))
    row = store.read.target(claim.target)
    assert (row.scalars, row.seconds) == ({"b": 2}, 2.0)


def test_a_delivery_is_given_back_by_its_child_and_waits(store: JobStore, engine: Engine) -> None:
    claim = delivering(store)

    state = store.claims.give_back(claim, reason="S3 was away", end="transient", not_before_in_s=60)

    row = store.read.target(claim.target)
    assert state is row.state is D
    assert (row.lease_until, row.sent_at, row.transient_retries) == (None, None, 1)
    assert store.outbox.take() == []
    with pytest.raises(StandDown) as caught:
        claim_of(store, claim.target)
    assert caught.value.reason is StandDownReason.NOT_BEFORE
    assert caught.value.fields["wait_s"] == pytest.approx(60, abs=5)
    let_wait_pass(engine, claim.target)
    assert keys(store.outbox.take()) == [(claim.target, 1)]
    assert claim_of(store, claim.target).delivering


def test_a_resumed_delivery_adds_its_own_keys(store: JobStore) -> None:
    claim = delivering(store, uploads=[Upload(bucket="b", key="k.1")])
    store.claims.give_back(claim, reason="shutdown")
    resumed = claim_of(store, claim.target)
    store.uploads.add(resumed, [Upload(bucket="b", key="k.2"), Upload(bucket="b", key="k.2")])
    with pytest.raises(FencedOutError):
        store.uploads.add(claim, [Upload(bucket="b", key="k.3")])
    assert [(row.key, row.claim_no) for row in store.uploads.to_clean()] == [("k.1", 1)], "the second is at work"


@pytest.mark.parametrize(("end", "bounds"), [("died", (3, 9)), ("worker_died", (9, 3)), ("expired", (9, 3))])
def test_a_target_that_dies_too_often_is_held_with_all_reasons(store: JobStore, engine: Engine, end, bounds) -> None:
    job = store.submissions.create_job(new_job())
    (target,) = store.read.targets(job.id)
    states = []
    for number in (1, 2, 3):
        claim = claim_of(store, target.id, worker=f"w{number}")
        if end == "expired":
            let_lease_expire(engine, target.id)
        bound = {"max_deaths": bounds[0], "max_worker_deaths": bounds[1]}
        states.append(ended(store, claim, end, reason=f"signal {number}", **bound))

    assert states == [Q, Q, H]
    row = store.read.target(target.id)
    assert row.error_type == "Held"
    assert row.error_text.splitlines() == [f"claim {n} by w{n} {end}: signal {n}" for n in (1, 2, 3)]
    assert row.fingerprint is not None
    assert (store.read.job(job.id).phase, store.read.job(job.id).n_failed) == (Phase.ERROR, 1)


def test_a_delivery_that_dies_too_often_is_held(store: JobStore) -> None:
    claim = delivering(store)
    assert ended(store, claim, "died", max_deaths=1) is H


def test_deaths_of_children_and_of_workers_do_not_add_up(store: JobStore) -> None:
    """A neighbour's worker loss is not to blame on the target."""
    job = store.submissions.create_job(new_job())
    (target,) = store.read.targets(job.id)
    for end in ("died", "worker_died", "died", "worker_died"):
        assert ended(store, claim_of(store, target.id), end, max_deaths=3, max_worker_deaths=3) is Q


def test_targets_that_are_held_alike_have_one_fingerprint(store: JobStore) -> None:
    _, claims = running(store, 2)
    for number, claim in enumerate(claims):
        ended(store, claim, "died", max_deaths=1, reason=f"killed by signal {number}")
    first, second = (store.read.target(claim.target).fingerprint for claim in claims)
    assert first == second


@pytest.mark.parametrize(
    ("end", "delivers"), list(itertools.product(["died", "worker_died", "given_back", "timed_out", "aborted"], [0, 1]))
)
def test_any_end_of_a_cancelled_claim_aborts_its_target(store: JobStore, end: str, delivers: int) -> None:
    claim = delivering(store) if delivers else running(store)[1][0]
    store.cancellation.cancel(claim.job)

    assert ended(store, claim, end, max_deaths=1, max_worker_deaths=1) is A

    assert store.read.job(claim.job).phase is Phase.ABORTED
    assert store.outbox.take() == []


def test_a_child_that_gives_back_a_cancelled_target_aborts_it(store: JobStore) -> None:
    job, (claim,) = running(store)
    store.cancellation.cancel(job.id)
    assert store.claims.give_back(claim, reason="S3 was away", end="transient") is A
    assert store.claims.give_back(claim, reason="S3 was away", end="transient") is A, "its answer was lost"
    assert store.read.job(job.id).phase is Phase.ABORTED


def test_a_lease_that_was_renewed_in_time_has_not_expired(store: JobStore, engine: Engine) -> None:
    _, (claim,) = running(store)
    let_lease_expire(engine, claim.target)
    (seen,) = store.leases.expired()
    assert store.claims.renew(claim, 60)
    assert ended(store, claim, "expired") is None
    assert seen.claim_no == claim.claim_no
    store.claims.complete(claim, Outcome(state=TargetState.DONE))


def test_a_claim_that_no_longer_holds_is_not_ended_again(store: JobStore) -> None:
    _, (claim,) = running(store)
    store.claims.complete(claim, Outcome(state=TargetState.DONE))
    assert ended(store, claim, "died") is None
    _, (claim,) = running(store)
    store.claims.give_back(claim, reason="shutdown")
    assert ended(store, claim, "died") is None
    claim_of(store, claim.target)
    assert ended(store, claim, "given_back") is None
    assert store.read.target(claim.target).deaths == 0


@pytest.mark.parametrize("end", ["died", "worker_died", "given_back", "timed_out", "aborted"])
def test_a_repeated_end_changes_nothing_and_says_the_same(store: JobStore, end) -> None:
    job, (claim, _) = running(store, 2)
    first = ended(store, claim, end)
    before = store.read.target(claim.target), store.read.claims(job.id), store.read.job(job.id)
    assert ended(store, claim, end, reason="again") is first
    assert (store.read.target(claim.target), store.read.claims(job.id), store.read.job(job.id)) == before


def test_a_repeated_begin_of_a_delivery_is_accepted(store: JobStore) -> None:
    job, (claim,) = running(store)
    made = product(url=None)
    for _ in range(2):
        store.claims.begin_delivery(claim, [made], uploads=[Upload(bucket="b", key="k")])
    assert len(store.read.products(job.id)) == 1


def test_an_end_may_make_its_target_wait(store: JobStore) -> None:
    _, (claim,) = running(store)
    ended(store, claim, "died", delay_s=60)
    with pytest.raises(StandDown, match="must wait"):
        claim_of(store, claim.target)


def test_a_claim_does_not_end_in_an_unknown_way(store: JobStore) -> None:
    _, (claim,) = running(store)
    with pytest.raises(UsageError, match="'done'"):
        ended(store, claim, "done")


def test_texts_that_no_database_takes_do_not_stop_an_end(store: JobStore) -> None:
    _, (claim,) = running(store)
    assert ended(store, claim, "died", reason="a\0b\udcff", max_deaths=1) is H
    assert "a\\0b\\udcff" in store.read.target(claim.target).error_text
    _, (claim,) = running(store)
    store.claims.give_back(claim, reason="a\0", log="x\0" * 2**20)
    assert len(store.read.claims(claim.target)[0].log) == 2**20
