"""Children, keepers, sweepers and people at the same rows at the same time: no deadlock, nothing counted twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from tests.support.examples import examples
from tests.support.records.rows import (
    DIGEST,
    claim_of,
    ended,
    keys,
    let_lease_expire,
    let_wait_pass,
    new_job,
    notice_of,
    product,
)
from tests.support.records.steps import upload_of
from underbutler.errors import FencedOutError
from underbutler.migrations import upgrade
from underbutler.model.job import Phase, TargetState, phase_when_ended
from underbutler.recording import JobRecorder
from underbutler.records import Claim, JobStore, Outcome, StandDown
from underbutler.sql import open_engine

JOBS, TARGETS, TURNS = 6, 6, examples(200)
SEED = 1
WORKERS = ("w1", "w2")
BOUNDS = {"max_deaths": 4, "max_worker_deaths": 6}

Turn = Callable[["Site", random.Random], None]


class Site:
    """A database that all roles share, and what is in it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.store = JobStore(engine, JobRecorder())
        self.jobs = [self.store.submissions.create_job(new_job(TARGETS)).id for _ in range(JOBS)]
        self.targets = [row.id for job in self.jobs for row in self.store.read.targets(job)]
        self.won: list[tuple[UUID, TargetState]] = []


@pytest.fixture(params=["sqlite", "postgres_url"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Return jobs that wait to be run, on each database."""
    on_server = request.param != "sqlite"
    url = request.getfixturevalue(request.param) if on_server else f"sqlite:///{tmp_path / 'records.db'}"
    upgrade(url)
    engine = open_engine(url)
    yield Site(engine)
    engine.dispose()


def child(site: Site, chance: random.Random) -> None:
    """Claim something; then complete it, give it back, or vanish."""
    try:
        claim = claim_of(
            site.store, chance.choice(site.targets), worker=chance.choice(WORKERS), pid=chance.randrange(4)
        )
    except StandDown:
        return
    with suppress(FencedOutError):
        if not claim.delivering and chance.random() < 0.5:
            site.store.claims.begin_delivery(claim, [], uploads=[upload_of(claim)])
        match chance.randrange(4):
            case 0:
                site.store.claims.give_back(claim, reason="shutdown", end=chance.choice(["given_back", "transient"]))
            case 1 | 2:
                complete(site, claim, chance.choice([TargetState.DONE, TargetState.DONE, TargetState.FAILED]))


def complete(site: Site, claim: Claim, state: TargetState) -> None:
    made = product()
    site.store.claims.complete(claim, Outcome(state=state, products=[made], notices=[notice_of(made, claim)]))
    site.won.append((claim.target, state))


def keeper(site: Site, chance: random.Random) -> None:
    """Renew what a worker holds, cut what is to be aborted, end what has died."""
    worker = chance.choice(WORKERS)
    site.store.leases.renew_worker(worker, [0, 1, 2], 600)
    for held in site.store.leases.of_worker(worker):
        if held.cancel_requested:
            ended(site.store, held, "aborted", **BOUNDS)
        elif chance.random() < 0.3:
            ended(site.store, held, chance.choice(["died", "worker_died", "given_back"]), **BOUNDS)


def sweeper(site: Site, chance: random.Random) -> None:
    """Judge leases, send, forget what was lost, close what is left open: there is never anything to close."""
    if chance.random() < 0.3:
        let_lease_expire(site.engine, chance.choice(site.targets))
    for held in site.store.leases.expired():
        ended(site.store, held, "expired", **BOUNDS)
    taken = keys(site.store.outbox.take(limit=5))
    site.store.outbox.mark_sent(taken)
    site.store.outbox.forget_sent(site.store.outbox.oldest_sent("reduce", 4))
    site.store.sweep.mark_checked(row.id for row in site.store.sweep.ended_unchecked())
    rows = site.store.uploads.to_clean()
    site.store.uploads.mark_cleaned(rows)
    assert site.store.lifetimes.close_jobs() == []


def person(site: Site, chance: random.Random) -> None:
    """Cancel now and then, hold, defer, lose a message."""
    target = chance.choice(site.targets)
    match chance.randrange(12):
        case 0:
            site.store.cancellation.cancel(chance.choice(site.jobs[1:]))
        case 1:
            site.store.cancellation.cancel_target(target)
        case 2:
            site.store.waiting.hold(target, "test")
        case _:
            number = site.store.read.target(target).send_no
            site.store.waiting.defer(target, DIGEST, number, reason="no task", delay_s=0)
            site.store.outbox.lost(target, number)


def play(site: Site, role: Turn, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(TURNS):
        role(site, chance)


def test_all_roles_at_once_leave_every_target_ended_once(site: Site) -> None:
    roles = [child, child, child, keeper, keeper, sweeper, sweeper, person]
    with ThreadPoolExecutor(len(roles)) as pool:
        playing = [pool.submit(play, site, role, SEED * 100 + number) for number, role in enumerate(roles)]
        for one in playing:
            one.result(timeout=240)

    bring_to_an_end(site)

    check(site)


def bring_to_an_end(site: Site) -> None:
    """One good worker and one sweeper are left."""
    for target in site.targets:
        let_wait_pass(site.engine, target)
        let_lease_expire(site.engine, target)
    for held in site.store.leases.expired():
        ended(site.store, held, "expired", **BOUNDS)
    for target in site.targets:
        if not site.store.read.target(target).state.ended:
            complete(site, claim_of(site.store, target), TargetState.DONE)


def check(site: Site) -> None:
    assert site.store.lifetimes.close_jobs() == []
    won = dict(site.won)
    assert len(won) == len(site.won), "no target was completed twice"
    for job in site.jobs:
        row, counts = site.store.read.job(job), site.store.read.counts(job)
        assert (row.n_open, row.n_failed, row.n_aborted) == (
            0,
            counts[TargetState.FAILED] + counts[TargetState.HELD],
            counts[TargetState.ABORTED],
        )
        assert row.phase is phase_when_ended(counts, cancelled=row.cancel_requested)
        assert row.phase in {Phase.COMPLETED, Phase.ERROR, Phase.ABORTED}
        claims = site.store.read.claims(job)
        assert all(claim.end for claim in claims)
        made = Counter(one.target_id for one in site.store.read.products(job))
        for target in site.store.read.targets(job):
            tries = [claim for claim in claims if claim.target_id == target.id]
            assert [claim.claim_no for claim in tries] == list(range(1, target.claim_no + 1))
            by_end = Counter(claim.end for claim in tries)
            counted = (target.deaths, target.worker_deaths, target.transient_retries)
            assert counted == (by_end["died"], by_end["worker_died"] + by_end["expired"], by_end["transient"])
            assert by_end["done"] + by_end["failed"] == made[target.id] == (target.id in won)
            if target.id in won:
                assert target.state is won[target.id]


def test_of_many_who_judge_a_lease_one_ends_it(site: Site) -> None:
    """All sweepers see the same expired claims, and a keeper renews some of them at the last moment."""
    claims = [claim_of(site.store, target, worker="w1", pid=number % 2) for number, target in enumerate(site.targets)]
    for claim in claims:
        let_lease_expire(site.engine, claim.target)
    expired = site.store.leases.expired()
    assert len(expired) == len(claims)

    def judge() -> int:
        return sum(ended(site.store, held, "expired") is not None for held in expired)

    with ThreadPoolExecutor(4) as pool:
        judging = [pool.submit(judge) for _ in range(3)]
        renewed = pool.submit(site.store.leases.renew_worker, "w1", [0], 600).result(timeout=120)
        for one in judging:
            one.result(timeout=120)

    kept = {held.target for held in renewed}
    for target in site.targets:
        row = site.store.read.target(target)
        assert (row.state is TargetState.RUNNING) == (target in kept)
        assert row.worker_deaths == (target not in kept)


def test_a_cancellation_that_meets_ends_leaves_nothing_queued(site: Site) -> None:
    """A claim given back at the very moment must not slip through into a queue that nobody serves."""
    for job in site.jobs:
        claims = [claim_of(site.store, row.id) for row in site.store.read.targets(job)]

        def give_back(some: list[Claim]) -> None:
            for claim in some:
                with suppress(FencedOutError):
                    site.store.claims.give_back(claim, reason="shutdown")

        with ThreadPoolExecutor(3) as pool:
            racing = [
                pool.submit(give_back, claims[::2]),
                pool.submit(give_back, claims[1::2]),
                pool.submit(site.store.cancellation.cancel, job),
            ]
            for one in racing:
                one.result(timeout=120)

        assert site.store.read.job(job).phase is Phase.ABORTED
        assert site.store.read.counts(job)[TargetState.ABORTED] == TARGETS


def test_who_changes_many_rows_at_once_waits_in_one_order(site: Site) -> None:
    """Renewals and cancellations of the same two hundred claims, again and again: PostgreSQL finds no deadlock."""
    job = site.store.submissions.create_job(new_job(200))
    claims = [claim_of(site.store, row.id) for row in site.store.read.targets(job.id)]

    def renew() -> list[int]:
        return [len(site.store.leases.renew_worker("w1", None, 600)) for _ in range(15)]

    def cancel() -> None:
        for _ in range(15):
            site.store.cancellation.cancel(job.id)

    def end() -> None:
        for claim in claims[::-2]:
            ended(site.store, claim, "died", **BOUNDS)

    with ThreadPoolExecutor(5) as pool:
        racing = [pool.submit(one) for one in (renew, cancel, renew, cancel, end)]
        for one in racing:
            one.result(timeout=240)

    assert site.store.read.counts(job.id)[TargetState.ABORTED] == 100
    assert site.store.read.job(job.id).n_open == 100
