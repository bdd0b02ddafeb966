from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, new_job, product, running
from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.identity import short_id
from underbutler.model.job import TargetState
from underbutler.records import JobStore, Outcome

ONE = UUID("1a2b3c4d-0000-4000-8000-000000000001")
TWO = UUID("1a2b3c4d-ffff-4000-8000-000000000002")
THREE = UUID("ff000000-0000-4000-8000-000000000003")

pytestmark = ON_BOTH


@pytest.fixture
def three(store: JobStore) -> JobStore:
    for job in (ONE, TWO, THREE):
        store.submissions.create_job(new_job(2, id=job))
    return store


@pytest.mark.parametrize(
    ("name", "job"),
    [(ONE, ONE), (str(TWO), TWO), (TWO.hex, TWO), ("f", THREE), ("1a2b3c4d-0", ONE), ("1A2B3C4Df", TWO)],
)
def test_a_job_is_found_by_what_begins_only_its_id(three: JobStore, name, job) -> None:
    assert three.read.job(name).id == job


@pytest.mark.parametrize("name", [short_id(TWO), "0002", "8000-000000000002", "FFFF-4000-8000-000000000002"])
def test_a_job_is_found_by_the_end_of_its_id(three: JobStore, name) -> None:
    assert three.read.job(name).id == TWO


def test_what_begins_one_id_and_ends_another_is_ambiguous(three: JobStore) -> None:
    three.submissions.create_job(new_job(1, id=UUID("00000003-0000-4000-8000-000000000009")))
    with pytest.raises(UsageError, match="begin or end with '00000003'"):
        three.read.job("00000003")


def test_an_ambiguous_beginning_names_the_candidates(three: JobStore) -> None:
    with pytest.raises(UsageError, match="Several jobs") as caught:
        three.read.job("1a2b")
    assert caught.value.fields["candidates"] == [str(TWO), str(ONE)]


@pytest.mark.parametrize("name", ["2", "no job", "", "1a2b3c4d" * 5, uuid4()])
def test_a_job_that_does_not_exist_is_said_with_the_cure(three: JobStore, name) -> None:
    with pytest.raises(UnknownNameError, match="underbutler status"):
        three.read.job(name)


def test_jobs_come_newest_first(three: JobStore) -> None:
    assert [job.id for job in three.read.jobs()] == [THREE, TWO, ONE]
    assert [job.id for job in three.read.jobs(limit=1)] == [THREE]


def test_every_state_is_counted(three: JobStore) -> None:
    first, second = three.read.targets(ONE)
    three.claims.complete(claim_of(three, first.id), Outcome(state=TargetState.FAILED))
    claim_of(three, second.id)

    counts = three.read.counts(ONE)

    assert {state: n for state, n in counts.items() if n} == {TargetState.FAILED: 1, TargetState.RUNNING: 1}
    assert set(counts) == set(TargetState)
    assert three.read.counts_of_jobs([ONE, TWO])[TWO][TargetState.QUEUED] == 2


def test_targets_are_listed_by_state(three: JobStore) -> None:
    first, second = three.read.targets(ONE)
    claim_of(three, first.id)
    assert [row.id for row in three.read.targets(ONE, states=[TargetState.QUEUED])] == [second.id]
    assert [row.id for row in three.read.targets(ONE, limit=1)] == [first.id]


def test_an_unknown_target_is_said(store: JobStore) -> None:
    with pytest.raises(UnknownNameError):
        store.read.target(uuid4())


def test_claims_and_products_are_those_of_the_job_asked_for(store: JobStore) -> None:
    job, claims = running(store, 2)
    other, (foreign,) = running(store)
    for claim in (*claims, foreign):
        store.claims.complete(claim, Outcome(state=TargetState.DONE, products=[product()]))

    assert [row.target_id for row in store.read.claims(job.id)] == [claim.target for claim in claims]
    assert [row.target_id for row in store.read.claims(claims[1].target)] == [claims[1].target]
    assert [row.target_id for row in store.read.products(job.id)] == [claim.target for claim in claims]
    assert len(store.read.products(other.id)) == 1
