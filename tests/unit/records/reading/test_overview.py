"""What the records say of the service as a whole, and what a job that runs targets again says of them."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, insert, select

from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, new_job, new_target, notice_of, product, running
from underbutler.errors import ConflictError
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobStore, Outcome, Parked, Worker
from underbutler.records.tables.jobs import Edge
from underbutler.sql import read, write

pytestmark = ON_BOTH


def hold(store: JobStore, reason: str, **fields: object) -> UUID:
    job = store.submissions.create_job(new_job(1, **fields))
    (target,) = store.read.targets(job.id)
    assert store.waiting.hold(target.id, reason) is TargetState.HELD
    return target.id


def done(store: JobStore, **fields: object) -> tuple[UUID, UUID]:
    """Complete a job of one target with a large product and its notice; return job and dataset."""
    job = store.submissions.create_job(new_job(1, **fields))
    (target,) = store.read.targets(job.id)
    claim = claim_of(store, target.id)
    made = product()
    store.claims.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=[notice_of(made, claim)]))
    return job.id, made.dataset_id


def test_an_empty_service_has_nothing_to_say(store: JobStore) -> None:
    seen = store.overview.take()
    assert (seen.open_targets, seen.held, seen.parked, seen.waiting, seen.workers, seen.breakers) == (
        0,
        0,
        0,
        (),
        (),
        (),
    )
    assert seen.swept_at is None
    assert seen.now > 1e9
    assert store.quarantine.groups() == []


def test_open_targets_are_those_of_jobs_that_have_not_ended(store: JobStore) -> None:
    running(store, 2)
    store.submissions.create_job(new_job(3))
    done(store)
    assert store.overview.take().open_targets == 5


def test_targets_that_wait_are_told_by_reason(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(4))
    targets = store.read.targets(job.id)
    for target in targets[:2]:
        store.waiting.defer(target.id, target.digest, 0, reason="no worker knows it", delay_s=60)
    claim = claim_of(store, targets[2].id)
    store.claims.give_back(claim, reason="the store is away", end="transient", not_before_in_s=30)
    unknown, away = store.overview.take().waiting
    assert (unknown.reason, unknown.count, unknown.job) == ("no worker knows it", 2, job.id)
    assert unknown.since is not None
    assert unknown.next_at is not None
    assert unknown.next_at > unknown.since
    assert (away.reason, away.count, away.job, away.since) == (None, 1, job.id, None)


def test_targets_that_leave_one_after_the_other_are_no_concern(store: JobStore) -> None:
    store.submissions.create_job(new_job([new_target(delay_s=60.0)]))
    assert store.overview.take().waiting == ()


def test_open_breakers_workers_and_the_last_sweep_are_shown(store: JobStore) -> None:
    for _ in range(3):
        store.breakers.count_failure("kast", "refused", failures=3, open_s=30.0, cap_s=60.0)
    store.breakers.count_failure("demo", "once", failures=3, open_s=30.0, cap_s=60.0)
    for name in ("one", "two"):
        store.workers.mark_alive(
            Worker(id=name, name=name, host="h", pid=1, keeper_pid=2, queue="reduce", concurrency=1)
        )
    store.workers.mark_ended("two")
    store.workers.mark_unfit("one", "scratch is full")
    store.sweep.remember("swept")
    seen = store.overview.take()
    assert [breaker.label for breaker in seen.breakers] == ["kast"]
    assert [(worker.id, worker.unfit_reason) for worker in seen.workers] == [("one", "scratch is full")]
    assert seen.swept_at is not None
    assert seen.swept_at <= seen.now


def test_what_is_held_for_one_reason_is_one_group(store: JobStore) -> None:
    first = hold(store, "frame 1 of /data/a.fits is broken")
    last = hold(store, "frame 22 of /data/b.fits is broken", task="makeBias")
    other = hold(store, "no such star")
    groups = {group.sample: group for group in store.quarantine.groups()}
    assert set(groups) == {last, other}
    assert (groups[last].count, groups[last].kind, groups[last].task) == (2, "held", "makeBias")
    assert groups[last].first_at == store.read.target(first).ended_at
    assert groups[last].last_at == store.read.target(last).ended_at
    assert "frame 22" in groups[last].reason
    assert groups[last].fingerprint == store.read.target(first).fingerprint
    store.quarantine.discard(other)
    store.quarantine.mark_replayed([first], uuid4())
    (left,) = store.quarantine.groups()
    assert (left.count, left.sample) == (1, last)
    assert store.overview.take().held == 1


def test_the_same_message_again_raises_the_count_of_its_group(store: JobStore) -> None:
    message = Parked(kind="undecodable", reason="The body is no list.", queue="reduce", raw=b"x")
    ids = {store.quarantine.park(message) for _ in range(3)}
    store.quarantine.park(Parked(kind="undecodable", reason="The body is no list.", queue="reduce", raw=b"y"))
    (group,) = store.quarantine.groups()
    assert (group.kind, group.count, group.error_type) == ("parked", 4, "undecodable")
    assert len(ids) == 1
    assert store.overview.take().parked == 2


def test_a_replaying_job_marks_its_targets_in_one_transaction(store: JobStore) -> None:
    held = hold(store, "a riddle")
    again = store.submissions.create_job(new_job(1, parent_id=store.read.target(held).job_id, replaces=[held]))
    assert store.read.target(held).replayed_as == again.id


def test_a_target_is_run_again_by_one_job_only(store: JobStore) -> None:
    held, other = hold(store, "a riddle"), hold(store, "a riddle")
    store.submissions.create_job(new_job(1, replaces=[held]))
    refused = new_job(1, replaces=[other, held])
    with pytest.raises(ConflictError, match=str(held)):
        store.submissions.create_job(refused)
    assert store.read.target(other).replayed_as is None
    assert refused.id not in {row.id for row in store.read.jobs()}


def test_a_target_that_has_not_ended_is_not_run_again(store: JobStore) -> None:
    job, _ = running(store)
    (target,) = store.read.targets(job.id)
    with pytest.raises(ConflictError):
        store.submissions.create_job(new_job(1, replaces=[target.id]))


def test_a_delayed_target_is_sent_when_its_time_has_come(store: JobStore) -> None:
    job = store.submissions.create_job(new_job([new_target(), new_target(delay_s=3600.0)]))
    now, later = store.read.targets(job.id)
    assert now.not_before is None
    assert later.not_before == pytest.approx(later.queued_at + 3600.0)
    assert [one.message.envelope.target for one in store.outbox.take(job=job.id)] == [now.id]


def test_deliveries_come_page_by_page_with_their_notices(store: JobStore) -> None:
    made = dict(done(store) for _ in range(5))
    running(store)
    assert store.deliveries.count() == 5
    pages, after = [], None
    while page := store.deliveries.page(after=after, limit=2):
        pages.append(page)
        after = page[-1].dataset_id
    assert [len(page) for page in pages] == [2, 2, 1]
    seen = {one.dataset_id: one for page in pages for one in page}
    assert set(seen) == set(made.values())
    (job, dataset) = next(iter(made.items()))
    (only,) = store.deliveries.page(job=job)
    assert (only.dataset_id, only.job, only.url) == (dataset, job, seen[dataset].url)
    (announcement,) = only.notices
    assert announcement.notice.url == only.url
    assert not announcement.sent
    assert announcement.age_s >= 0
    store.outbox.mark_notices_sent([announcement.notice.id])
    assert store.deliveries.page(job=job)[0].notices[0].sent
    assert store.deliveries.page(job=job, since_s=3600.0) != []
    assert store.deliveries.count(job=job, since_s=-1.0) == 0


def test_the_fate_of_known_targets_is_told_unknown_are_left_out(store: JobStore) -> None:
    job, dataset = done(store)
    (target,) = store.read.targets(job)
    (row,) = store.deliveries.page(job=job)
    fates = store.deliveries.target_fates({target.id, uuid4()})
    assert set(fates) == {target.id}
    assert (fates[target.id].state, fates[target.id].claim_no) == (TargetState.DONE, 1)
    assert fates[target.id].urls == {row.url}
    assert row.dataset_id == dataset


def test_a_redelivery_is_recorded_for_the_visible_claim_only(store: JobStore) -> None:
    job, dataset = done(store)
    assert store.deliveries.record_redelivery(dataset, 1, "new-etag")
    assert not store.deliveries.record_redelivery(dataset, 2, "late-etag")
    assert store.deliveries.page(job=job)[0].etag == "new-etag"


def test_a_notice_that_is_there_stays_as_it_is(store: JobStore) -> None:
    job, _ = done(store)
    (notice,) = store.read.notices(job)
    store.outbox.mark_notices_sent([notice.id])
    store.deliveries.add_notice(notice)
    assert store.deliveries.page(job=job)[0].notices[0].sent
    assert len(store.read.notices(job)) == 1


def test_jobs_of_one_run_share_it(store: JobStore) -> None:
    alone, _ = done(store, run="u/ann/alone")
    one, _ = done(store, run="u/ann/shared")
    done(store, run="u/ann/shared")
    elsewhere, _ = done(store, run="u/ann/alone", out="other")
    assert store.deliveries.shares_run(one)
    assert not store.deliveries.shares_run(alone)
    assert not store.deliveries.shares_run(elsewhere)


def waiting_for_itself(engine: Engine, target: UUID) -> None:
    """Record an edge, of which destruction must leave nothing."""
    with write(engine) as connection:
        connection.execute(insert(Edge).values(child_id=target, parent_id=target, kind="done"))


def test_a_job_is_destroyed_when_only_its_rows_are_left(store: JobStore, engine: Engine) -> None:
    job, _ = done(store)
    assert not store.lifetimes.may_be_destroyed(job), "its notice was not sent"
    assert not store.lifetimes.destroy(job)
    assert store.read.job(job).phase == Phase.COMPLETED
    store.outbox.mark_notices_sent([notice.id for notice in store.read.notices(job)])
    assert store.lifetimes.may_be_destroyed(job)
    waiting_for_itself(engine, store.read.targets(job)[0].id)
    assert store.lifetimes.destroy(job)
    assert store.read.job(job).phase == Phase.ARCHIVED
    assert store.read.targets(job) == []
    with read(engine) as connection:
        assert connection.execute(select(Edge)).all() == [], "edges go with their targets"
    open_job, _ = running(store)
    assert not store.lifetimes.destroy(open_job.id)
    assert store.read.job(open_job.id).destruction_at is None
