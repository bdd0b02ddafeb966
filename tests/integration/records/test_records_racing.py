"""Real processes that meet in one database: what two do at once is as if one had been first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.records.rows import claim_of, new_job, running
from tests.support.warm_processes import warm_processes
from underbutler.errors import ConflictError, FencedOutError
from underbutler.migrations import is_current, upgrade
from underbutler.model.job import Phase, TargetState
from underbutler.recording import JobRecorder
from underbutler.records import Claim, Intent, JobStore, Outcome, StandDown
from underbutler.sql import open_engine

RACERS = 4


def _get_ready(barrier: Any) -> None:
    globals()["start_together"] = barrier.wait


def _race(function: Callable[..., Any], url: str, args: tuple[Any, ...]) -> Any:
    engine = open_engine(url)
    try:
        globals()["start_together"](60)
        return function(JobStore(engine, JobRecorder()), *args)
    finally:
        engine.dispose()


class Racers:
    """Processes that call the same function at the same time."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def run(self, function: Callable[..., Any], url: str, *args: tuple[Any, ...]) -> list[Any]:
        """Call ``function(store, *args[n])`` in process n, all at once; return the answers."""
        assert len(args) == RACERS
        running = [self._pool.submit(_race, function, url, one) for one in args]
        return [one.result(timeout=120) for one in running]


@pytest.fixture(scope="module")
def racers() -> Iterator[Racers]:
    context = warm_processes()
    barrier = context.Barrier(RACERS)
    with ProcessPoolExecutor(RACERS, mp_context=context, initializer=_get_ready, initargs=(barrier,)) as pool:
        yield Racers(pool)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def url(empty_url: str) -> str:
    upgrade(empty_url)
    return empty_url


@pytest.fixture
def store(url: str) -> Iterator[JobStore]:
    engine = open_engine(url)
    yield JobStore(engine, JobRecorder())
    engine.dispose()


def _upgrade(store: JobStore, url: str) -> bool:
    upgrade(url)
    return is_current(url)


def test_racing_upgrades_all_find_the_schema_made(racers: Racers, empty_url: str) -> None:
    assert racers.run(_upgrade, empty_url, *[(empty_url,)] * RACERS) == [True] * RACERS


def _create(store: JobStore, number: int) -> list[int]:
    return [store.submissions.create_job(new_job(3)).scan_id for _ in range(number)]


def test_racing_submitters_count_without_gap_or_double(racers: Racers, url: str) -> None:
    scan_ids = racers.run(_create, url, *[(10,)] * RACERS)
    assert sorted(chain.from_iterable(scan_ids)) == list(range(1, 10 * RACERS + 1))
    assert all(own == sorted(own) for own in scan_ids)


def _claim_all(store: JobStore, targets: list[UUID], worker: str) -> list[UUID]:
    mine = []
    for target in targets:
        try:
            mine.append(claim_of(store, target, worker=worker).target)
        except StandDown:
            continue
    return mine


def test_one_target_is_claimed_by_one_of_many(racers: Racers, url: str, store: JobStore) -> None:
    job = store.submissions.create_job(new_job(60))
    targets = [row.id for row in store.read.targets(job.id)]

    claimed = racers.run(_claim_all, url, *[(targets, f"w{n}") for n in range(RACERS)])

    assert sorted(chain.from_iterable(claimed)) == sorted(targets)
    assert {row.claim_no for row in store.read.claims(job.id)} == {1}
    assert len(store.read.claims(job.id)) == 60


def _complete_all(store: JobStore, claims: list[Claim], state: TargetState) -> int:
    for claim in claims:
        store.claims.complete(claim, Outcome(state=state))
    return len(claims)


def test_two_that_complete_at_once_never_leave_the_job_open(racers: Racers, url: str, store: JobStore) -> None:
    """Each racer ends one target of every job, in the same order: so they meet at the same job again and again."""
    jobs = [running(store, RACERS) for _ in range(40)]
    states = [TargetState.DONE, TargetState.FAILED, TargetState.DONE, TargetState.ABORTED]

    racers.run(_complete_all, url, *[([claims[n] for _, claims in jobs], state) for n, state in enumerate(states)])

    for job, _ in jobs:
        ended = store.read.job(job.id)
        assert (ended.n_open, ended.n_failed, ended.n_aborted, ended.phase) == (0, 1, 1, Phase.ERROR)
        assert ended.ended_at >= max(row.ended_at for row in store.read.targets(job.id))


def _complete_the_same(store: JobStore, claims: list[Claim], state: TargetState) -> int:
    won = 0
    for claim in claims:
        try:
            store.claims.complete(claim, Outcome(state=state))
        except FencedOutError:
            continue
        won += 1
    return won


def test_one_target_ends_in_one_of_many_ways(racers: Racers, url: str, store: JobStore) -> None:
    job, claims = running(store, 40)
    states = [TargetState.DONE, TargetState.FAILED, TargetState.NO_WORK, TargetState.HELD]

    won = racers.run(_complete_the_same, url, *[(claims, state) for state in states])

    assert sum(won) == 40
    counts = store.read.counts(job.id)
    assert [counts[state] for state in states] == won
    assert store.read.job(job.id).n_open == 0


def _cancel(store: JobStore, job: UUID, claims: list[Claim]) -> None:
    if claims:
        _complete_the_same(store, claims, TargetState.DONE)
    else:
        store.cancellation.cancel(job)


def test_a_cancel_that_meets_completions_leaves_a_closed_job(racers: Racers, url: str, store: JobStore) -> None:
    for _ in range(5):
        job = store.submissions.create_job(new_job(40))
        claims = [claim_of(store, row.id) for row in store.read.targets(job.id)[:30]]

        racers.run(_cancel, url, (job.id, claims[:15]), (job.id, []), (job.id, claims[:14:-1]), (job.id, []))

        ended, counts = store.read.job(job.id), store.read.counts(job.id)
        assert (counts[TargetState.DONE], counts[TargetState.ABORTED]) == (30, 10)
        assert (ended.n_open, ended.n_aborted, ended.phase) == (0, 10, Phase.ABORTED)
        assert {row.end for row in store.read.claims(job.id)} == {"done"}, "a completion that came first stays"


def _send_all(store: JobStore) -> list[tuple[UUID, int]]:
    sent = []
    while taken := store.outbox.take(limit=7):
        sent += [(one.message.envelope.target, one.message.envelope.send_no) for one in taken]
        store.outbox.mark_sent(sent[-len(taken) :])
    return sent


def test_racing_senders_send_each_message_once(racers: Racers, url: str, store: JobStore) -> None:
    jobs = [store.submissions.create_job(new_job(50)) for _ in range(4)]

    sent = list(chain.from_iterable(racers.run(_send_all, url, *[()] * RACERS)))

    if len(sent) < 200:  # whoever found only rows that another had just taken went home early
        sent += _send_all(store)
    assert sorted(sent) == sorted((row.id, 1) for job in jobs for row in store.read.targets(job.id))
    assert all(row.sent_at for job in jobs for row in store.read.targets(job.id))


def _intend(store: JobStore, claim: Claim, datasets: list[UUID]) -> bool:
    try:
        store.intents.record(claim, [Intent(dataset_id=one, dataset_type="calexp", run="r") for one in datasets])
    except ConflictError:
        return False
    return True


def test_datasets_that_many_want_belong_to_one(racers: Racers, url: str, store: JobStore) -> None:
    for _ in range(5):
        _, claims = running(store, RACERS)
        datasets = [uuid4() for _ in range(20)]
        wishes = [datasets if n % 2 else datasets[::-1] for n in range(RACERS)]

        won = racers.run(_intend, url, *zip(claims, wishes, strict=True))

        assert sorted(won) == [False] * (RACERS - 1) + [True]


def _decide(store: JobStore, jobs: list[UUID], size: int) -> list[bool]:
    return [store.deliveries.decide_large(job, "src", size, 100) for job in jobs]


def test_racing_deliveries_decide_alike(racers: Racers, url: str, store: JobStore) -> None:
    jobs = [store.submissions.create_job(new_job()).id for _ in range(30)]
    first, *others = racers.run(_decide, url, *[(jobs, size) for size in (10, 1000, 10, 1000)])
    assert all(other == first for other in others)
