from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, update

from tests.support.databases import ON_BOTH
from tests.support.records.rows import (
    DIGEST,
    claim_of,
    let_lease_expire,
    let_wait_pass,
    new_job,
    notice_of,
    overtaken,
    product,
    running,
)
from underbutler.errors import ConflictError, FatalError, FencedOutError, UsageError
from underbutler.model.job import Phase, TargetState
from underbutler.records import Claim, Intent, JobStore, Outcome, StandDown, StandDownReason, Upload
from underbutler.records.tables.jobs import Job
from underbutler.sql import write

pytestmark = ON_BOTH

DONE = Outcome(state=TargetState.DONE)


def test_a_first_claim_starts_the_target_and_its_job(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(2))
    first, second = store.read.targets(job.id)

    claim = claim_of(store, first.id, worker="host-1", pid=42, send_no=3, lease_s=100)

    assert (claim.target, claim.job, claim.claim_no) == (first.id, job.id, 1)
    row = store.read.target(first.id)
    assert (row.state, row.lease_worker, row.lease_pid) == (TargetState.RUNNING, "host-1", 42)
    assert claim.lease_until - claim.started_at == pytest.approx(100, abs=0.1)
    assert row.sent_at is not None, "what was claimed has been sent, whether confirmed or not"
    assert store.read.target(second.id).state is TargetState.QUEUED
    started = store.read.job(job.id)
    assert (started.phase, started.started_at) == (Phase.EXECUTING, claim.started_at)
    (recorded,) = store.read.claims(job.id)
    assert (recorded.worker, recorded.pid, recorded.send_no, recorded.end) == ("host-1", 42, 3, None)


def test_a_second_claim_does_not_restart_the_job(store: JobStore) -> None:
    job, claims = running(store, 2)
    assert store.read.job(job.id).started_at == claims[0].started_at


def _unknown(store: JobStore, engine: Engine) -> tuple[UUID, str]:
    return uuid4(), DIGEST


def _edited(store: JobStore, engine: Engine) -> tuple[UUID, str]:
    return store.read.targets(store.submissions.create_job(new_job()).id)[0].id, "0" * 64


def _live(store: JobStore, engine: Engine) -> tuple[UUID, str]:
    return running(store)[1][0].target, DIGEST


def _delivering(store: JobStore, engine: Engine) -> tuple[UUID, str]:
    claim = running(store)[1][0]
    store.claims.begin_delivery(claim, [product(url=None)])
    let_lease_expire(engine, claim.target)
    return claim.target, DIGEST


def _done(store: JobStore, engine: Engine) -> tuple[UUID, str]:
    claim = running(store)[1][0]
    store.claims.complete(claim, DONE)
    return claim.target, DIGEST


def _waiting(store: JobStore, engine: Engine) -> tuple[UUID, str]:
    claim = running(store)[1][0]
    store.claims.give_back(claim, reason="no room", not_before_in_s=60)
    return claim.target, DIGEST


def _asked_to_end(store: JobStore, engine: Engine) -> tuple[UUID, str]:
    job, (claim,) = running(store)
    store.cancellation.cancel(job.id)
    return claim.target, DIGEST


def _left_alone(store: JobStore, engine: Engine) -> tuple[UUID, str]:
    target = store.read.targets(store.submissions.create_job(new_job()).id)[0].id
    store.breakers.count_failure("demo", "it does not open", failures=1, open_s=60, cap_s=60)
    return target, DIGEST


def _cancelled(store: JobStore, engine: Engine) -> tuple[UUID, str]:
    job = store.submissions.create_job(new_job())
    store.cancellation.cancel(job.id)
    return store.read.targets(job.id)[0].id, DIGEST


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        (_unknown, StandDownReason.UNKNOWN),
        (_edited, StandDownReason.DIGEST),
        (_live, StandDownReason.LIVE),
        (_delivering, StandDownReason.DELIVERING),
        (_done, StandDownReason.ENDED),
        (_waiting, StandDownReason.NOT_BEFORE),
        (_cancelled, StandDownReason.CANCELLED),
        (_asked_to_end, StandDownReason.CANCELLED),
        (_left_alone, StandDownReason.BREAKER),
    ],
)
def test_a_message_that_is_not_to_be_run_stands_down(store: JobStore, engine: Engine, situation, reason) -> None:
    target, digest = situation(store, engine)
    before = store.read.claims(target)

    with pytest.raises(StandDown) as caught:
        claim_of(store, target, digest=digest)

    assert caught.value.reason is reason
    assert str(target) in str(caught.value)
    assert store.read.claims(target) == before


def test_what_runs_is_never_taken_over_whatever_its_lease_says(store: JobStore, engine: Engine) -> None:
    """Only a sweeper judges leases: a message that comes twice must not."""
    _, (old,) = running(store)
    let_lease_expire(engine, old.target)
    with pytest.raises(StandDown, match="live in claim 1 by w1"):
        claim_of(store, old.target, worker="w2", send_no=2)
    assert store.claims.renew(old, 60)


def test_a_claim_that_was_overtaken_can_do_nothing(store: JobStore, engine: Engine) -> None:
    job, (old,) = running(store)
    overtaken(store, engine, old)
    before = store.read.target(old.target), store.read.claims(old.target)
    made = product()
    won = Outcome(state=TargetState.DONE, products=[made], notices=[notice_of(made, old)])

    assert not store.claims.renew(old, 600)
    for attempt in (
        lambda: store.claims.complete(old, won),
        lambda: store.claims.give_back(old, reason="late"),
        lambda: store.claims.begin_delivery(old, [made]),
        lambda: store.uploads.add(old, [Upload(bucket="b", key="k")]),
        lambda: store.intents.record(old, [Intent(dataset_id=uuid4(), dataset_type="calexp", run="r")]),
    ):
        with pytest.raises(FencedOutError, match=f"Claim 1 of target {old.target} no longer holds"):
            attempt()

    assert (store.read.target(old.target), store.read.claims(old.target)) == before
    assert store.read.products(job.id) == []
    assert store.read.notices(job.id) == []
    assert store.read.job(job.id).phase is Phase.EXECUTING


def test_a_renewed_lease_is_longer(store: JobStore) -> None:
    _, (claim,) = running(store)
    assert store.claims.renew(claim, 5000)
    assert store.read.target(claim.target).lease_until > claim.lease_until + 4000


@pytest.mark.parametrize(
    ("end", "counters"), [("given_back", (0, 0, 0)), ("died", (1, 0, 0)), ("transient", (0, 1, 0))]
)
def test_each_way_to_give_back_raises_its_own_counter(store: JobStore, end, counters) -> None:
    job, (claim,) = running(store)

    store.claims.give_back(claim, reason="S3 was away", end=end, log="said", metadata={"a": 1.0})

    row = store.read.target(claim.target)
    assert (row.deaths, row.transient_retries, row.worker_deaths) == counters
    assert (row.state, row.claim_no, row.lease_until, row.sent_at) == (TargetState.QUEUED, 1, None, None)
    (recorded,) = store.read.claims(claim.target)
    assert (recorded.end, recorded.reason, recorded.log, recorded.metadata) == (end, "S3 was away", "said", {"a": 1.0})
    assert store.read.job(job.id).n_open == 1
    assert claim_of(store, claim.target).claim_no == 2


def test_a_target_that_waited_long_enough_is_claimed(store: JobStore, engine: Engine) -> None:
    _, (claim,) = running(store)
    store.claims.give_back(claim, reason="no room", not_before_in_s=3600)
    let_wait_pass(engine, claim.target)

    assert claim_of(store, claim.target).claim_no == 2
    assert store.read.target(claim.target).not_before is None


def test_a_claim_is_not_given_back_in_an_unknown_way(store: JobStore) -> None:
    _, (claim,) = running(store)
    with pytest.raises(UsageError, match="'expired'"):
        store.claims.give_back(claim, reason="?", end="expired")  # type: ignore[arg-type]


D, N, F, H, A = (
    TargetState.DONE,
    TargetState.NO_WORK,
    TargetState.FAILED,
    TargetState.HELD,
    TargetState.ABORTED,
)


@pytest.mark.parametrize(
    ("states", "phase"),
    [
        ([D, D], Phase.COMPLETED),
        ([D, N], Phase.COMPLETED),
        ([F, D], Phase.ERROR),
        ([D, H], Phase.ERROR),
        ([A, D], Phase.ABORTED),
        ([A, F], Phase.ERROR),
    ],
)
def test_the_last_target_gives_the_job_its_phase(store: JobStore, states, phase) -> None:
    job, claims = running(store, len(states))
    for n_left, (claim, state) in zip((1, 0), zip(claims, states, strict=True), strict=True):
        assert store.read.job(job.id).phase is Phase.EXECUTING
        store.claims.complete(claim, Outcome(state=state))
        assert store.read.job(job.id).n_open == n_left

    ended = store.read.job(job.id)
    assert ended.phase is phase
    assert ended.ended_at >= store.read.target(claims[-1].target).ended_at


def test_a_completed_target_keeps_what_it_measured_and_made(store: JobStore) -> None:
    job, (claim,) = running(store)
    made, small = product(), product(dataset_type="src", large=False, url=None, byte_size=None)
    notice = notice_of(made, claim)

    store.claims.begin_delivery(claim, [replace(made, url=None, sha256=None), small])
    assert [row.url for row in store.read.products(job.id)] == [None, None]
    outcome = Outcome(
        state=TargetState.DONE,
        exit_status=0,
        seconds=1.25,
        scalars={"fwhm_px": 2.5, "bad": float("nan")},
        log="said",
        metadata={"all": {"of": "it"}},
        products=[made, small],
        notices=[notice],
    )
    store.claims.complete(claim, outcome)

    row = store.read.target(claim.target)
    assert (row.state, row.exit_status, row.seconds) == (TargetState.DONE, 0, 1.25)
    assert row.scalars == {"fwhm_px": 2.5, "bad": None}
    assert row.lease_until is None
    first, second = store.read.products(job.id)
    assert (first.url, first.byte_size, first.sha256, first.data_id) == (made.url, 2**33, "e" * 64, made.data_id)
    assert first.delivered_at == row.ended_at
    assert (second.dataset_type, second.large, second.delivered_at) == ("src", False, None)
    assert store.read.notices(job.id) == [notice]
    (recorded,) = store.read.claims(job.id)
    assert (recorded.end, recorded.log, recorded.metadata) == ("done", "said", {"all": {"of": "it"}})


def test_a_repeated_completion_is_accepted_and_counts_once(store: JobStore) -> None:
    job, (claim, _) = running(store, 2)
    store.claims.complete(claim, DONE)
    store.claims.complete(claim, DONE)
    assert store.read.job(job.id).n_open == 1
    with pytest.raises(FencedOutError):
        store.claims.complete(claim, Outcome(state=TargetState.FAILED))


def test_only_the_legal_states_follow_delivering(store: JobStore) -> None:
    job, (claim,) = running(store)
    store.claims.begin_delivery(claim, [])
    with pytest.raises(FencedOutError):
        store.claims.complete(claim, Outcome(state=TargetState.NO_WORK))
    assert store.claims.renew(claim, 10)
    store.claims.complete(claim, Outcome(state=TargetState.FAILED))
    assert store.read.job(job.id).phase is Phase.ERROR


def test_a_target_does_not_end_in_a_state_that_is_not_the_last(store: JobStore) -> None:
    _, (claim,) = running(store)
    with pytest.raises(UsageError, match="'queued' is not a last state"):
        store.claims.complete(claim, Outcome(state=TargetState.QUEUED))


def test_a_product_of_another_target_stops_the_whole_completion(store: JobStore) -> None:
    job, (mine, other) = running(store, 2)
    made = product()
    store.claims.complete(mine, Outcome(state=TargetState.DONE, products=[made]))

    with pytest.raises(ConflictError, match="another target"):
        store.claims.complete(other, Outcome(state=TargetState.DONE, products=[product(), made]))

    assert store.read.target(other.target).state is TargetState.RUNNING
    assert store.read.job(job.id).n_open == 1
    assert [row.target_id for row in store.read.products(job.id)] == [mine.target]


def test_counters_that_do_not_fit_are_our_fault_and_no_conflict(store: JobStore, engine: Engine) -> None:
    _, (claim,) = running(store)
    with write(engine) as connection:
        connection.execute(update(Job).values(n_open=0))
    with pytest.raises(FatalError, match="counters of a job"):
        store.claims.complete(claim, DONE)
    assert store.read.target(claim.target).state is TargetState.RUNNING


def test_texts_that_no_database_takes_do_not_stop_a_completion(store: JobStore) -> None:
    _, (claim,) = running(store)
    text = "broken header\0 in a\udcff.fits"
    store.claims.complete(
        claim, Outcome(state=TargetState.FAILED, error_text=text, reason=text, log=text, metadata={"t": text})
    )
    assert store.read.target(claim.target).error_text == "broken header\\0 in a\\udcff.fits"


def test_a_held_target_names_how_its_last_claim_ended(store: JobStore) -> None:
    job, (claim,) = running(store)
    store.claims.complete(claim, Outcome(state=TargetState.HELD, claim_end="died", reason="its child died 3 times"))
    assert store.read.target(claim.target).deaths == 1
    assert store.read.claims(job.id)[0].end == "died"


def test_a_claim_is_a_plain_value(store: JobStore) -> None:
    _, (claim,) = running(store)
    assert isinstance(claim, Claim)
    assert replace(claim, worker="w2") != claim
