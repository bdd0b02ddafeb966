"""Each verb of the records, called by a process that dies at its first event, its second, and so on to its last."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from tests.support.databases import ON_BOTH, empty_tables
from tests.support.records.deaths import NEVER, Died, death, everything
from tests.support.records.rows import (
    DIGEST,
    claim_of,
    ended,
    keys,
    let_destruction_come,
    let_lease_expire,
    let_send_lease_expire,
    new_job,
    notice_of,
    overtaken,
    product,
    sent,
)
from underbutler.errors import ConflictError
from underbutler.model.job import TargetState
from underbutler.records import Claim, Intent, JobStore, Outcome, Parked, StandDown, Submission, Upload, Worker

pytestmark = ON_BOTH

Act = Callable[[], Any]
Situation = Callable[[JobStore, Engine], Act]

JOB = new_job(3)
DATASETS = [UUID(int=number) for number in (1, 2)]
UPLOADS = [Upload(bucket="b", key="1"), Upload(bucket="b", key="2")]


def _submitted(store: JobStore) -> Any:
    return store.submissions.create_job(JOB)


def _claims(store: JobStore) -> list[Claim]:
    _submitted(store)
    sent(store)
    return [claim_of(store, one.id) for one in JOB.targets]


def _delivered(claim: Claim) -> Outcome:
    made = product(dataset_id=DATASETS[0])
    return Outcome(state=TargetState.DONE, products=[made], notices=[notice_of(made, claim)], log="said")


def create_job(store: JobStore, engine: Engine) -> Act:
    store.submissions.announce(Submission(job=JOB.id, repo="demo", out="demo", run="r", own_run=True, user="ann"))
    return lambda: _submitted(store)


def take_unsent(store: JobStore, engine: Engine) -> Act:
    _submitted(store)
    return store.outbox.take


def mark_sent(store: JobStore, engine: Engine) -> Act:
    _submitted(store)
    taken = keys(store.outbox.take())
    return lambda: store.outbox.mark_sent(taken)


def claim(store: JobStore, engine: Engine) -> Act:
    _submitted(store)
    return lambda: claim_of(store, JOB.targets[0].id)


def begin_delivery(store: JobStore, engine: Engine) -> Act:
    one = _claims(store)[0]
    made = [product(dataset_id=dataset, url=None) for dataset in DATASETS]
    return lambda: store.claims.begin_delivery(one, made, scalars={"a": 1}, seconds=1.0, uploads=UPLOADS)


def add_uploads(store: JobStore, engine: Engine) -> Act:
    one = _claims(store)[0]
    return lambda: store.uploads.add(one, UPLOADS)


def complete(store: JobStore, engine: Engine) -> Act:
    one = _claims(store)[0]
    return lambda: store.claims.complete(one, _delivered(one))


def give_back(store: JobStore, engine: Engine) -> Act:
    one = _claims(store)[0]
    return lambda: store.claims.give_back(one, reason="S3 was away", end="transient", not_before_in_s=60)


def end_claim(store: JobStore, engine: Engine) -> Act:
    one = _claims(store)[0]
    return lambda: ended(store, one, "died")


def hold_after_deaths(store: JobStore, engine: Engine) -> Act:
    one = _claims(store)[0]
    return lambda: ended(store, one, "died", max_deaths=1)


def cut(store: JobStore, engine: Engine) -> Act:
    one = _claims(store)[0]
    store.cancellation.cancel(JOB.id)
    return lambda: ended(store, one, "aborted")


def expire(store: JobStore, engine: Engine) -> Act:
    one = _claims(store)[0]
    let_lease_expire(engine, one.target)
    return lambda: ended(store, one, "expired")


def renew_worker(store: JobStore, engine: Engine) -> Act:
    _claims(store)
    return lambda: store.leases.renew_worker("w1", None, 600)


def cancel(store: JobStore, engine: Engine) -> Act:
    _submitted(store)
    claim_of(store, JOB.targets[0].id)
    return lambda: store.cancellation.cancel(JOB.id)


def cancel_target(store: JobStore, engine: Engine) -> Act:
    _submitted(store)
    return lambda: store.cancellation.cancel_target(JOB.targets[0].id)


def defer(store: JobStore, engine: Engine) -> Act:
    _submitted(store)
    sent(store)
    return lambda: store.waiting.defer(JOB.targets[0].id, DIGEST, 1, reason="no task", delay_s=60)


def hold(store: JobStore, engine: Engine) -> Act:
    _submitted(store)
    return lambda: store.waiting.hold(JOB.targets[0].id, "no task")


def forget_sent(store: JobStore, engine: Engine) -> Act:
    _submitted(store)
    lost = sent(store)
    return lambda: store.outbox.forget_sent(lost)


def intend(store: JobStore, engine: Engine) -> Act:
    one = overtaken(store, engine, _claims(store)[0])
    return lambda: store.intents.record(one, [Intent(dataset_id=d, dataset_type="t", run="r") for d in DATASETS])


def ended_unchecked(store: JobStore, engine: Engine) -> Act:
    for one in _claims(store):
        store.claims.complete(one, Outcome(state=TargetState.DONE))
    return store.sweep.ended_unchecked


def uploads_to_clean(store: JobStore, engine: Engine) -> Act:
    one = _claims(store)[0]
    made = product(url="s3://b/1")
    store.claims.begin_delivery(one, [], uploads=UPLOADS)
    store.claims.complete(one, Outcome(state=TargetState.DONE, products=[made]))
    return store.uploads.to_clean


def destroy_due(store: JobStore, engine: Engine) -> Act:
    first, *others = _claims(store)
    store.deliveries.decide_large(JOB.id, "calexp", 1, 1)
    store.claims.begin_delivery(first, [], uploads=UPLOADS)
    store.claims.complete(first, _delivered(first))
    for one in others:
        store.claims.complete(one, Outcome(state=TargetState.FAILED))
    store.outbox.mark_notices_sent([notice.id for notice in store.read.notices(JOB.id)])
    let_destruction_come(engine, JOB.id)
    return store.lifetimes.destroy_due


def stale_submissions(store: JobStore, engine: Engine) -> Act:
    store.submissions.announce(Submission(job=JOB.id, repo="demo", out="demo", run="r", own_run=True, user="ann"))
    return lambda: store.submissions.give_up_stale(-1)


def worker_alive(store: JobStore, engine: Engine) -> Act:
    worker = Worker(id="h/1", name="w@h", host="h", pid=1, keeper_pid=2, queue="reduce", concurrency=2)
    return lambda: store.workers.mark_alive(worker)


def breaker_failed(store: JobStore, engine: Engine) -> Act:
    return lambda: store.breakers.count_failure("demo", "away", failures=1, open_s=60, cap_s=60)


def park(store: JobStore, engine: Engine) -> Act:
    return lambda: store.quarantine.park(Parked(kind="undecodable", reason="not JSON", queue="reduce", raw=b"x"))


def remember(store: JobStore, engine: Engine) -> Act:
    return lambda: store.sweep.remember("swept", {"a": 1})


def keep_token(store: JobStore, engine: Engine) -> Act:
    return lambda: store.tokens.keep("h", "ann", b"cipher", 1.0)


REPEATABLE: list[Situation] = [
    mark_sent, begin_delivery, add_uploads, complete, give_back, end_claim, hold_after_deaths, cut, expire,
    renew_worker, cancel, cancel_target, defer, hold, forget_sent, intend, ended_unchecked, uploads_to_clean,
    destroy_due, stale_submissions, worker_alive, remember, keep_token,
]  # fmt: skip
ONCE: list[Situation] = [create_job, take_unsent, claim, breaker_failed, park]
"""What says or counts something else when it is repeated after it was committed."""


NUMBERS = ("seq", "tx")
"""The first columns of events: their order."""


def shape(engine: Engine) -> dict[str, list[Any]]:
    """Return what all rows say, without times and identities."""

    def plain(value: Any) -> Any:
        if isinstance(value, str | dict):  # documents hold them too
            return re.sub(r"\b\d{9,}\.\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…", str(value))
        return type(value).__name__ if isinstance(value, float | UUID) else value

    tables = everything(engine)
    tables["event"] = [tuple(row)[len(NUMBERS) :] for row in tables["event"]]  # numbers go on when a table is emptied
    return {name: sorted((tuple(map(plain, row)) for row in rows), key=repr) for name, rows in tables.items()}


@pytest.mark.parametrize("situation", [*REPEATABLE, *ONCE], ids=lambda one: one.__name__)
def test_a_process_that_dies_at_any_event_leaves_all_or_nothing(store: JobStore, engine: Engine, situation) -> None:
    act = situation(store, engine)
    with death(engine, NEVER, after=True) as unhurt:
        act()
    undisturbed = shape(engine)
    assert unhurt.commits
    # What dies after a statement is as what dies before the next event: the database has heard no more.
    deaths = [(number, False) for number in range(unhurt.seen)] + [(number, True) for number in unhurt.commits]
    for number, after in deaths:
        empty_tables(engine)
        act = situation(store, engine)
        before = everything(engine)
        with pytest.raises(Died), death(engine, number, after=after) as when:
            act()
        if not when.committed:
            assert everything(engine) == before, f"it left something at event {number}"
            act()
            assert shape(engine) == undisturbed
        elif situation in REPEATABLE:
            act()
            assert shape(engine) == undisturbed
        else:
            assert shape(engine) == undisturbed, "its answer was lost, and nothing else"


def test_a_submitter_that_lost_the_answer_learns_its_job_exists(store: JobStore) -> None:
    store.submissions.create_job(JOB)
    with pytest.raises(ConflictError, match=f"Job {JOB.id}"):
        store.submissions.create_job(JOB)
    assert store.read.job(JOB.id).n_targets == 3


def test_a_child_dead_with_its_claim_is_judged_by_its_lease(store: JobStore, engine: Engine) -> None:
    """Whoever repeats the claim stands down; a sweeper brings the target on."""
    act = claim(store, engine)
    act()
    with pytest.raises(StandDown, match="live in claim 1"):
        act()
    let_lease_expire(engine, JOB.targets[0].id)
    (held,) = store.leases.expired()
    assert ended(store, held, "expired") is TargetState.QUEUED
    assert claim_of(store, held.target).claim_no == 2


def test_a_sender_that_lost_the_answer_leaves_rows_to_the_next(store: JobStore, engine: Engine) -> None:
    _submitted(store)
    assert {number for _, number in keys(store.outbox.take())} == {1}
    assert store.outbox.take() == []
    let_send_lease_expire(engine)
    assert {number for _, number in keys(store.outbox.take())} == {2}
