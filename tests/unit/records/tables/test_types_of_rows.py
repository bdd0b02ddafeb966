"""Rows come back with the types and the order that they went with, on each database."""

from __future__ import annotations

import pytest

import underbutler.catalog.database.tables
import underbutler.records.tables.jobs  # noqa: F401
from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, new_job, new_target, notice_of, product, running
from underbutler.errors import ConflictError
from underbutler.model.job import TargetState
from underbutler.records import JobStore, Outcome, StandDown

pytestmark = ON_BOTH


def test_rows_come_back_as_they_went(store: JobStore) -> None:
    args = [{"big": 1e16, "z": 1, "a": [0.1, None, "é\u0000"]}, {"n": 2**60}]
    data_id = {"instrument": "STE3", "exposure": 20130713005733, "detector": 0}
    job = store.submissions.create_job(
        new_job([new_target(args=args, data_id=data_id)], config={"b": 1.0, "a": [1e22]})
    )

    (outgoing,) = store.outbox.take()

    assert outgoing.message.args == tuple(args)
    assert type(outgoing.message.args[0]["big"]) is float
    (row,) = store.read.targets(job.id)
    assert list(row.data_id.items()) == list(data_id.items())
    assert repr(store.read.job(job.id).steps[0].config) == "{'b': 1.0, 'a': [1e+22]}"


def test_what_was_made_is_kept_with_its_types(store: JobStore) -> None:
    job, (claim, other) = running(store, 2)
    made = product(data_id={"z": 1, "a": "b"})
    notice = notice_of(made, claim)
    outcome = Outcome(
        state=TargetState.DONE,
        exit_status=0,
        error_text="a\0b\udcff",
        seconds=1.25,
        scalars={"fwhm_px": 2.5, "bad": float("nan")},
        metadata={"text": "\udcff"},
        products=[made, product(large=False, url=None, byte_size=None, sha256=None, etag=None, mime_type=None)],
        notices=[notice],
    )
    store.claims.complete(claim, outcome)

    row = store.read.target(claim.target)
    assert (row.scalars, row.seconds, row.error_text) == ({"fwhm_px": 2.5, "bad": None}, 1.25, "a\\0b\\udcff")
    assert store.read.notices(job.id) == store.outbox.take_notices() == [notice]
    assert type(store.read.notices(job.id)[0].version) is float
    (first,) = [one for one in store.read.products(job.id) if one.large]
    assert (first.dataset_id, list(first.data_id), first.byte_size) == (made.dataset_id, ["z", "a"], 2**33)
    assert first.delivered_at == row.ended_at
    with pytest.raises(ConflictError):
        store.claims.complete(other, Outcome(state=TargetState.DONE, products=[made]))
    assert store.read.target(other.target).state is TargetState.RUNNING
    assert store.read.job(job.id).n_open == 1


def test_a_second_delivery_stands_down_with_its_reason(store: JobStore) -> None:
    _, (claim,) = running(store)
    with pytest.raises(StandDown, match="live in claim 1 by w1"):
        claim_of(store, claim.target)
