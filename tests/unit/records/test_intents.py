from __future__ import annotations

from uuid import uuid4

import pytest
from record_rows import claim_of, let_lease_expire, running
from sqlalchemy import Engine

from underbutler.errors import ConflictError
from underbutler.records import Intent, JobStore


def intent(dataset_type: str = "calexp", **fields) -> Intent:
    return Intent(**({"dataset_id": uuid4(), "dataset_type": dataset_type, "run": "r", "data_id": {"e": 1}} | fields))


def test_the_next_claim_sees_what_dead_ones_meant_to_write(store: JobStore, engine: Engine) -> None:
    _, (first,) = running(store)
    calexp, src = intent("calexp"), intent("src")
    store.intend(first, [calexp, src, calexp])
    assert store.intents_of_dead_claims(first) == []
    let_lease_expire(engine, first.target)

    second = claim_of(store, first.target)

    assert store.intents_of_dead_claims(second) == [calexp, src]
    store.intend(second, [calexp])
    assert store.intents_of_dead_claims(second) == [src]
    store.forget_intents([src.dataset_id])
    assert store.intents_of_dead_claims(second) == []


def test_a_dataset_of_another_target_is_a_conflict_that_names_its_job(store: JobStore) -> None:
    job, (owner,) = running(store)
    _, (other,) = running(store)
    wanted, free = intent(), intent()
    store.intend(owner, [wanted])

    with pytest.raises(ConflictError, match=f"belongs to job {job.id}") as caught:
        store.intend(other, [free, wanted])

    assert caught.value.fields["target"] == str(owner.target)
    store.intend(owner, [free])


def test_no_intent_is_no_statement(store: JobStore) -> None:
    _, (claim,) = running(store)
    store.intend(claim, [])
    store.forget_intents([])


def test_the_first_dataset_of_a_type_decides_for_its_job(store: JobStore) -> None:
    (job, _), (other, _) = running(store), running(store)
    assert store.decide_large(job.id, "src", 100, 50)
    assert store.decide_large(job.id, "src", 10, 50)
    assert not store.decide_large(other.id, "src", 10, 50)
    assert not store.decide_large(other.id, "src", 100, 50)
