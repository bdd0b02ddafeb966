"""Targets that nobody holds: deferred, held, or their message lost."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import Engine, update

from tests.support.databases import ON_BOTH
from tests.support.records.rows import DIGEST, claim_of, delivering, keys, let_wait_pass, new_job, running, sent
from underbutler.errors import UnknownNameError
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobStore, Outcome, StandDown, StandDownReason, TargetRow
from underbutler.records.tables.jobs import Target
from underbutler.sql import write

pytestmark = ON_BOTH


def one_sent(store: JobStore) -> TargetRow:
    job = store.submissions.create_job(new_job())
    sent(store)
    return store.read.targets(job.id)[0]


def let_time_pass(engine: Engine, seconds: float) -> None:
    """Travel: whatever was sent or began to wait did so earlier."""
    with write(engine) as connection:
        connection.execute(
            update(Target).values(sent_at=Target.sent_at - seconds, waiting_since=Target.waiting_since - seconds)
        )


def test_a_message_that_cannot_run_here_is_sent_after_its_wait(store: JobStore, engine: Engine) -> None:
    target = one_sent(store)

    assert store.waiting.defer(target.id, DIGEST, 1, reason="no task", delay_s=60) is TargetState.QUEUED

    row = store.read.target(target.id)
    assert (row.sent_at, row.waiting_reason, row.deaths + row.worker_deaths + row.transient_retries) == (
        None,
        "no task",
        0,
    )
    assert row.not_before == pytest.approx(row.waiting_since + 60, abs=1)
    assert store.outbox.take() == []
    let_wait_pass(engine, target.id)
    assert sent(store) == [(target.id, 2)]
    claim_of(store, target.id, send_no=2)
    assert (store.read.target(target.id).waiting_since, store.read.target(target.id).waiting_reason) == (None, None)


def test_what_waits_too_long_for_one_reason_is_held_with_it(store: JobStore, engine: Engine) -> None:
    target = one_sent(store)
    store.waiting.defer(target.id, DIGEST, 1, reason="w1 has no task 'x'", delay_s=0, hold_after_s=600)
    since = store.read.target(target.id).waiting_since
    sent(store)
    assert (
        store.waiting.defer(target.id, DIGEST, 2, reason="w2 has no task 'x'", delay_s=0, hold_after_s=600) == "queued"
    )
    assert store.read.target(target.id).waiting_since == since, "from the first time"
    let_time_pass(engine, 601)
    sent(store)

    assert store.waiting.defer(target.id, DIGEST, 3, reason="w3 has no task 'x'", delay_s=0, hold_after_s=600) == "held"

    row = store.read.target(target.id)
    assert (row.error_type, row.error_text) == ("Held", "w3 has no task 'x'")
    assert row.fingerprint is not None
    assert (store.read.job(target.job_id).phase, store.read.job(target.job_id).n_failed) == (Phase.ERROR, 1)
    assert [one.id for one in store.quarantine.held()] == [target.id]


def test_a_reason_of_another_kind_begins_to_wait_anew(store: JobStore, engine: Engine) -> None:
    """Ten minutes at an open breaker are no reason to hold a target whose task a worker lacks for a moment."""
    target = one_sent(store)
    store.waiting.defer(target.id, DIGEST, 1, reason="the repository is left alone", delay_s=0)
    let_time_pass(engine, 5000)
    sent(store)
    assert (
        store.waiting.defer(target.id, DIGEST, 2, reason="no task", delay_s=0, hold_after_s=600) is TargetState.QUEUED
    )


def test_an_older_copy_defers_nothing(store: JobStore, engine: Engine) -> None:
    target = one_sent(store)
    store.outbox.lost(target.id, 1)
    assert sent(store) == [(target.id, 2)]
    before = store.read.target(target.id)
    assert store.waiting.defer(target.id, DIGEST, 1, reason="no task", delay_s=60) is TargetState.QUEUED
    assert store.read.target(target.id) == before


def test_what_is_held_by_a_claim_or_has_ended_is_not_deferred(store: JobStore) -> None:
    target = one_sent(store)
    claim = claim_of(store, target.id)
    assert store.waiting.defer(target.id, DIGEST, 1, reason="no task", delay_s=60) is TargetState.RUNNING
    store.claims.complete(claim, Outcome(state=TargetState.DONE))
    assert store.waiting.defer(target.id, DIGEST, 1, reason="no task", delay_s=60, hold_after_s=0) is TargetState.DONE


def test_a_delivery_can_wait_too(store: JobStore, engine: Engine) -> None:
    claim = delivering(store)
    store.claims.give_back(claim, reason="shutdown")
    ((_, send_no),) = sent(store)
    assert store.waiting.defer(claim.target, DIGEST, send_no, reason="no room", delay_s=60) is TargetState.DELIVERING
    assert store.outbox.take() == []
    let_wait_pass(engine, claim.target)
    assert claim_of(store, claim.target).delivering


def test_only_a_known_message_is_deferred(store: JobStore) -> None:
    target = one_sent(store)
    for name, digest, reason in (
        (uuid4(), DIGEST, StandDownReason.UNKNOWN),
        (target.id, "0" * 64, StandDownReason.DIGEST),
    ):
        with pytest.raises(StandDown) as caught:
            store.waiting.defer(name, digest, 1, reason="no task", delay_s=1)
        assert caught.value.reason is reason


def test_a_target_is_held_for_a_reason_of_its_own(store: JobStore) -> None:
    target = one_sent(store)
    assert store.waiting.hold(target.id, "its token has expired", error_type="TokenExpiredError") is TargetState.HELD
    row = store.read.target(target.id)
    assert (row.error_type, row.error_text) == ("TokenExpiredError", "its token has expired")
    assert store.read.job(target.job_id).phase is Phase.ERROR
    assert store.waiting.hold(target.id, "again") is TargetState.HELD
    assert store.read.target(target.id).error_text == "its token has expired"
    _, (claim,) = running(store)
    assert store.waiting.hold(claim.target, "?") is TargetState.RUNNING
    with pytest.raises(UnknownNameError):
        store.waiting.hold(uuid4(), "?")


def test_a_message_that_is_known_to_be_lost_is_sent_again(store: JobStore) -> None:
    target = one_sent(store)
    assert store.outbox.lost(target.id, 1)
    assert sent(store) == [(target.id, 2)]
    assert not store.outbox.lost(target.id, 1), "it was sent anew since"
    claim = claim_of(store, target.id, send_no=2)
    assert not store.outbox.lost(target.id, 2)
    store.claims.complete(claim, Outcome(state=TargetState.DONE))
    assert not store.outbox.lost(target.id, 2)
    assert not store.outbox.lost(uuid4(), 1)


def test_a_message_lost_before_it_was_confirmed_is_sent_again(store: JobStore) -> None:
    """The child died with it before the sender heard from the broker: the confirmation must not hide the loss."""
    store.submissions.create_job(new_job())
    taken = keys(store.outbox.take())
    assert store.outbox.lost(*taken[0])
    assert store.outbox.mark_sent(taken) == 0
    assert [number for _, number in sent(store)] == [2]


def test_messages_the_broker_lost_are_sent_again_oldest_first(store: JobStore, engine: Engine) -> None:
    old = store.submissions.create_job(new_job(3))
    sent(store)
    let_time_pass(engine, 100)
    store.submissions.create_job(new_job(2, queue="other"))
    young = store.submissions.create_job(new_job(1))
    sent(store)
    first, second, third = [row.id for row in store.read.targets(old.id)]
    claim_of(store, first)

    assert store.outbox.queues() == ["other", "reduce"]
    assert (store.outbox.count_sent("reduce"), store.outbox.count_sent("other"), store.outbox.count_sent("none")) == (
        3,
        2,
        0,
    )
    assert set(store.outbox.oldest_sent("reduce", 2)) == {(second, 1), (third, 1)}
    assert set(store.outbox.oldest_sent("reduce", 10, older_than_s=50)) == {(second, 1), (third, 1)}
    assert len(store.outbox.oldest_sent("reduce", 10)) == 3

    assert store.outbox.forget_sent([(first, 1), (second, 1), (third, 7), (uuid4(), 1)]) == 1
    assert keys(store.outbox.take()) == [(second, 2)]
    assert store.outbox.forget_sent([]) == 0
    assert store.read.target(store.read.targets(young.id)[0].id).sent_at is not None


def test_a_delivery_that_waits_counts_as_a_message(store: JobStore) -> None:
    claim = delivering(store)
    assert store.outbox.count_sent("reduce") == 0
    store.claims.give_back(claim, reason="shutdown")
    assert store.outbox.count_sent("reduce") == 0
    sent(store)
    assert store.outbox.count_sent("reduce") == 1
    assert store.outbox.oldest_sent("reduce", 5) == [(claim.target, 1)]


def test_a_child_that_ends_before_its_claim_counts_until_held(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(1))
    (target,) = store.read.targets(job.id)
    how = {"reason": "killed by signal 11", "max_deaths": 3}
    assert store.waiting.died_unclaimed(target.id, 0, **how) is None, "it was never sent"
    for number in (1, 2):
        (taken,) = store.outbox.take()
        store.outbox.mark_sent([(target.id, taken.message.envelope.send_no)])
        assert store.waiting.died_unclaimed(target.id, number, **how) is TargetState.QUEUED
        assert store.waiting.died_unclaimed(target.id, number, **how) is None, "told again it does not count again"
        assert store.read.target(target.id).deaths == number
    store.outbox.take()
    assert store.waiting.died_unclaimed(target.id, 2, **how) is None, "it was sent anew since"
    assert store.waiting.died_unclaimed(target.id, 3, **how) is TargetState.HELD
    row = store.read.target(target.id)
    assert "signal 11" in str(row.error_text)
    assert store.read.job(job.id).phase == Phase.ERROR
