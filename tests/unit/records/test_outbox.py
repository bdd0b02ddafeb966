from __future__ import annotations

from uuid import uuid4

from record_rows import (
    DIGEST,
    ON_BOTH,
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
from sqlalchemy import Engine

from underbutler.model.job import TargetState
from underbutler.model.message import TargetMessage
from underbutler.records import JobStore, Outcome

pytestmark = ON_BOTH


def test_a_message_is_rebuilt_from_its_row(store: JobStore) -> None:
    args = [{"v": 1, "repo": "demo", "data_id": {"exposure": 1, "big": 1e16}}, {"threshold": 3.0}]
    target = new_target(args=args, argsrepr="exposure=1", kwargsrepr="threshold=3.0")
    job = store.create_job(new_job([target], traceparent="00-ab-cd-01", token_handle="h1"))

    (outgoing,) = store.take_unsent()

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
    job = store.create_job(new_job(5))
    targets = [target.id for target in store.targets(job.id)]

    first, second = store.take_unsent(limit=3), store.take_unsent(limit=3)

    assert keys(first) == [(target, 1) for target in targets[:3]]
    assert keys(second) == [(target, 1) for target in targets[3:]]
    assert store.take_unsent() == []
    assert store.mark_sent(keys(first + second)) == 5
    assert store.take_unsent() == []


def test_one_job_is_sent_without_the_others(store: JobStore) -> None:
    store.create_job(new_job(2))
    job = store.create_job(new_job(1))
    assert [one.message.envelope.job for one in store.take_unsent(job=job.id)] == [job.id]


def test_what_a_dead_sender_took_is_sent_again_under_a_new_number(store: JobStore, engine: Engine) -> None:
    job = store.create_job(new_job(1))
    first = store.take_unsent()
    let_send_lease_expire(engine)

    second = store.take_unsent(older_than_s=1000)

    (target,) = store.targets(job.id)
    assert keys(second) == [(target.id, 2)]
    assert store.mark_sent(keys(first)) == 0, "only the latest sending is confirmed"
    assert store.mark_sent(keys(second)) == 1
    assert store.mark_sent(keys(second)) == 0


def test_young_targets_are_left_to_their_submitter(store: JobStore) -> None:
    store.create_job(new_job(1))
    assert store.take_unsent(older_than_s=30) == []
    assert len(store.take_unsent()) == 1


def test_a_target_given_back_is_sent_again_at_once_or_after_its_wait(store: JobStore, engine: Engine) -> None:
    job = store.create_job(new_job(2))
    store.mark_sent(keys(store.take_unsent()))
    now, later = (claim_of(store, target.id) for target in store.targets(job.id))
    store.give_back(now, reason="shutdown")
    store.give_back(later, reason="S3 was away", end="transient", not_before_in_s=60)

    assert keys(store.take_unsent(older_than_s=30)) == [(now.target, 2)]
    let_wait_pass(engine, later.target)
    assert keys(store.take_unsent(older_than_s=30)) == [(later.target, 2)]


def test_a_delivery_that_nobody_holds_is_sent_again(store: JobStore) -> None:
    claim = delivering(store)
    assert store.take_unsent() == []
    store.give_back(claim, reason="S3 was away", end="transient")
    assert keys(store.take_unsent(older_than_s=30)) == [(claim.target, 1)]


def test_a_confirmation_that_comes_after_a_give_back_does_not_lose_the_target(store: JobStore) -> None:
    """The message was run and given back before its sender heard from the broker: it must be sent again."""
    store.create_job(new_job(1))
    taken = store.take_unsent()
    ((target, send_no),) = keys(taken)
    store.give_back(claim_of(store, target, send_no=send_no), reason="shutdown")

    assert store.mark_sent(keys(taken)) == 0
    assert keys(store.take_unsent()) == [(target, 2)]


def test_what_runs_or_has_ended_is_not_sent(store: JobStore) -> None:
    _, (live, ended) = running(store, 2)
    store.complete(ended, Outcome(state=TargetState.DONE))
    cancelled = store.create_job(new_job(1))
    store.cancel(cancelled.id)
    assert store.take_unsent() == []
    assert live.claim_no == 1


def test_an_unknown_target_is_not_marked(store: JobStore) -> None:
    assert store.mark_sent([(uuid4(), 1)]) == 0
    assert store.mark_sent([]) == 0


def test_a_notice_is_its_own_outbox(store: JobStore) -> None:
    _, claims = running(store, 2)
    notices = []
    for claim in claims:
        made = product()
        notices.append(notice_of(made, claim))
        store.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=notices[-1:]))

    assert store.take_unsent_notices(older_than_s=60) == []
    assert store.take_unsent_notices() == notices
    assert store.take_unsent_notices() == []
    assert store.mark_notices_sent([notices[0].id, notices[0].id]) == 1
    assert store.mark_notices_sent([notice.id for notice in notices]) == 1
