from __future__ import annotations

from uuid import uuid4

from sqlalchemy import Engine

from tests.support.databases import ON_BOTH
from tests.support.records.rows import (
    DIGEST,
    claim_of,
    delivering,
    keys,
    let_send_lease_expire,
    let_wait_pass,
    new_job,
    new_target,
    notice_of,
    product,
    running,
)
from underbutler.model.job import TargetState
from underbutler.model.message import TargetMessage
from underbutler.records import JobStore, Outcome

pytestmark = ON_BOTH


def test_a_message_is_rebuilt_from_its_row(store: JobStore) -> None:
    args = [{"v": 1, "repo": "demo", "data_id": {"exposure": 1, "big": 1e16}}, {"threshold": 3.0}]
    target = new_target(args=args, argsrepr="exposure=1", kwargsrepr="threshold=3.0")
    job = store.submissions.create_job(new_job([target], traceparent="00-ab-cd-01", token_handle="h1"))

    (outgoing,) = store.outbox.take()

    message = outgoing.message
    envelope = message.envelope
    assert isinstance(message, TargetMessage)
    assert (message.task, message.args) == ("processCcd", tuple(args))
    assert type(message.args[0]["data_id"]["big"]) is float, "a number that changes its kind changes the digest"
    assert (envelope.job, envelope.target, envelope.digest, envelope.config) == (job.id, target.id, DIGEST, "c" * 64)
    assert (envelope.send_no, envelope.traceparent, envelope.token) == (1, "00-ab-cd-01", "h1")
    assert outgoing.task_id == f"{target.id}.1"
    assert (outgoing.queue, outgoing.argsrepr, outgoing.kwargsrepr) == ("reduce", "exposure=1", "threshold=3.0")


def test_messages_are_taken_in_order_and_only_once(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(5))
    targets = [target.id for target in store.read.targets(job.id)]

    first, second = store.outbox.take(limit=3), store.outbox.take(limit=3)

    assert keys(first) == [(target, 1) for target in targets[:3]]
    assert keys(second) == [(target, 1) for target in targets[3:]]
    assert store.outbox.take() == []
    assert store.outbox.mark_sent(keys(first + second)) == 5
    assert store.outbox.take() == []


def test_one_job_is_sent_without_the_others(store: JobStore) -> None:
    store.submissions.create_job(new_job(2))
    job = store.submissions.create_job(new_job(1))
    assert [one.message.envelope.job for one in store.outbox.take(job=job.id)] == [job.id]


def test_a_dead_senders_targets_are_sent_under_a_new_number(store: JobStore, engine: Engine) -> None:
    job = store.submissions.create_job(new_job(1))
    first = store.outbox.take()
    let_send_lease_expire(engine)

    second = store.outbox.take(older_than_s=1000)

    (target,) = store.read.targets(job.id)
    assert keys(second) == [(target.id, 2)]
    assert store.outbox.mark_sent(keys(first)) == 0, "only the latest sending is confirmed"
    assert store.outbox.mark_sent(keys(second)) == 1
    assert store.outbox.mark_sent(keys(second)) == 0


def test_young_targets_are_left_to_their_submitter(store: JobStore) -> None:
    store.submissions.create_job(new_job(1))
    assert store.outbox.take(older_than_s=30) == []
    assert len(store.outbox.take()) == 1


def test_a_target_given_back_is_sent_at_once_or_after_its_wait(store: JobStore, engine: Engine) -> None:
    job = store.submissions.create_job(new_job(2))
    store.outbox.mark_sent(keys(store.outbox.take()))
    now, later = (claim_of(store, target.id) for target in store.read.targets(job.id))
    store.claims.give_back(now, reason="shutdown")
    store.claims.give_back(later, reason="S3 was away", end="transient", not_before_in_s=60)

    assert keys(store.outbox.take(older_than_s=30)) == [(now.target, 2)]
    let_wait_pass(engine, later.target)
    assert keys(store.outbox.take(older_than_s=30)) == [(later.target, 2)]


def test_a_delivery_that_nobody_holds_is_sent_again(store: JobStore) -> None:
    claim = delivering(store)
    assert store.outbox.take() == []
    store.claims.give_back(claim, reason="S3 was away", end="transient")
    assert keys(store.outbox.take(older_than_s=30)) == [(claim.target, 1)]


def test_a_confirmation_after_a_give_back_loses_no_target(store: JobStore) -> None:
    """The message was run and given back before its sender heard from the broker: it must be sent again."""
    store.submissions.create_job(new_job(1))
    taken = store.outbox.take()
    ((target, send_no),) = keys(taken)
    store.claims.give_back(claim_of(store, target, send_no=send_no), reason="shutdown")

    assert store.outbox.mark_sent(keys(taken)) == 0
    assert keys(store.outbox.take()) == [(target, 2)]


def test_what_runs_or_has_ended_is_not_sent(store: JobStore) -> None:
    _, (live, ended) = running(store, 2)
    store.claims.complete(ended, Outcome(state=TargetState.DONE))
    cancelled = store.submissions.create_job(new_job(1))
    store.cancellation.cancel(cancelled.id)
    assert store.outbox.take() == []
    assert live.claim_no == 1


def test_an_unknown_target_is_not_marked(store: JobStore) -> None:
    assert store.outbox.mark_sent([(uuid4(), 1)]) == 0
    assert store.outbox.mark_sent([]) == 0


def test_a_notice_is_its_own_outbox(store: JobStore) -> None:
    _, claims = running(store, 2)
    notices = []
    for claim in claims:
        made = product()
        notices.append(notice_of(made, claim))
        store.claims.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=notices[-1:]))

    assert store.outbox.take_notices(older_than_s=60) == []
    assert store.outbox.take_notices() == notices
    assert store.outbox.take_notices() == []
    assert store.outbox.mark_notices_sent([notices[0].id, notices[0].id]) == 1
    assert store.outbox.mark_notices_sent([notice.id for notice in notices]) == 1
