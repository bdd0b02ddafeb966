from __future__ import annotations

from uuid import uuid4

import pytest

from tests.support.databases import ON_BOTH
from tests.support.records.rows import new_job, new_target
from underbutler.errors import ConflictError
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobStore

pytestmark = ON_BOTH


def test_a_job_comes_back_as_it_was_recorded(store: JobStore) -> None:
    targets = [new_target(args=[{"n": n}, {}], data_id={"detector": n, "instrument": "STE3"}) for n in (0, 1)]
    new = new_job(
        targets,
        overrides=[["detect.threshold", 3.0]],
        options={"replace": True},
        versions={"numpy": "2.3"},
        collections=["STE3/raw"],
        config={"detect": {"threshold": 3.0, "name": "é"}},
    )

    row = store.submissions.create_job(new)

    assert (row.id, row.phase, row.n_targets, row.n_open) == (new.id, Phase.QUEUED, 2, 2)
    assert row.steps[0].overrides == [["detect.threshold", 3.0]]
    assert row.steps[0].config == {"detect": {"threshold": 3.0, "name": "é"}}
    assert (row.steps[0].options, row.versions, row.collections) == ({"replace": True}, {"numpy": "2.3"}, ["STE3/raw"])
    assert [(t.id, t.ordinal, t.args, t.state) for t in store.read.targets(row.id)] == [
        (targets[0].id, 0, [{"n": 0}, {}], TargetState.QUEUED),
        (targets[1].id, 1, [{"n": 1}, {}], TargetState.QUEUED),
    ]
    assert list(store.read.targets(row.id)[0].data_id) == ["detector", "instrument"], "people chose this order"


def test_a_job_without_targets_is_completed_at_once(store: JobStore) -> None:
    row = store.submissions.create_job(new_job(0))
    assert (row.phase, row.n_open, row.ended_at) == (Phase.COMPLETED, 0, row.created_at)


def test_scan_ids_count(store: JobStore) -> None:
    assert [store.submissions.create_job(new_job()).scan_id for _ in range(3)] == [1, 2, 3]


def test_a_job_that_retries_another_names_it(store: JobStore) -> None:
    parent = store.submissions.create_job(new_job())
    assert store.submissions.create_job(new_job(parent_id=parent.id)).parent_id == parent.id


def test_what_cannot_be_recorded_leaves_nothing(store: JobStore) -> None:
    first = store.submissions.create_job(new_job(1))
    (taken,) = store.read.targets(first.id)

    with pytest.raises(ConflictError, match=f"Job {first.id}"):
        store.submissions.create_job(new_job(id=first.id))
    repeated = new_job([new_target(), new_target(id=taken.id)])
    with pytest.raises(ConflictError):
        store.submissions.create_job(repeated)
    with pytest.raises(ConflictError):
        store.submissions.create_job(new_job(parent_id=uuid4()))

    assert [job.id for job in store.read.jobs()] == [first.id]
    assert store.read.targets(repeated.id) == []
    assert store.submissions.create_job(new_job()).scan_id == 2
