from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from tests.support.databases import ON_BOTH
from tests.support.records.rows import overtaken, running
from underbutler.errors import ConflictError
from underbutler.records import Intent, JobStore

pytestmark = ON_BOTH


def intent(dataset_type: str = "calexp", **fields) -> Intent:
    return Intent(**({"dataset_id": uuid4(), "dataset_type": dataset_type, "run": "r", "data_id": {"e": 1}} | fields))


def test_the_next_claim_sees_what_dead_ones_meant_to_write(store: JobStore, engine: Engine) -> None:
    _, (first,) = running(store)
    calexp, src = intent("calexp"), intent("src")
    store.intents.record(first, [calexp, src, calexp])
    assert store.intents.of_dead_claims(first) == []

    second = overtaken(store, engine, first)

    old = [replace(one, claim_no=1) for one in (calexp, src)]
    assert store.intents.of_dead_claims(second) == store.intents.of_target(second.target) == old
    store.intents.record(second, [calexp])
    assert store.intents.of_dead_claims(second) == old[1:]
    assert store.intents.of_target(second.target) == [old[1], replace(calexp, claim_no=2)]
    store.intents.forget([src.dataset_id])
    assert store.intents.of_dead_claims(second) == []


def test_a_dataset_of_another_target_is_a_conflict_by_job(store: JobStore) -> None:
    job, (owner,) = running(store)
    _, (other,) = running(store)
    wanted, free = intent(), intent()
    store.intents.record(owner, [wanted])

    with pytest.raises(ConflictError, match=f"belongs to job {job.id}") as caught:
        store.intents.record(other, [free, wanted])

    assert caught.value.fields["target"] == str(owner.target)
    store.intents.record(owner, [free])


def test_no_intent_is_no_statement(store: JobStore) -> None:
    _, (claim,) = running(store)
    store.intents.record(claim, [])
    store.intents.forget([])


def test_the_first_dataset_of_a_type_decides_for_its_job(store: JobStore) -> None:
    (job, _), (other, _) = running(store), running(store)
    assert store.deliveries.decide_large(job.id, "src", 100, 50)
    assert store.deliveries.decide_large(job.id, "src", 10, 50)
    assert not store.deliveries.decide_large(other.id, "src", 10, 50)
    assert not store.deliveries.decide_large(other.id, "src", 100, 50)
