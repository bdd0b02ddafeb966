"""A job of several steps: each target goes by the config of its own, and the run has a stream for each."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select

from tests.support.catalog.truths import check_runs
from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, ended, new_job, new_step, new_target, product, sent
from underbutler.catalog import Broker
from underbutler.catalog.handlers.array_layout import FileLayout
from underbutler.errors import UsageError
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobStore, NewJob, NewStep, Outcome
from underbutler.records.tables.jobs import Job
from underbutler.sql import read

pytestmark = ON_BOTH

REQUEST = {"v": 1, "repo": "demo", "steps": [{"label": "isr", "z": 1, "a": [1e22]}, {"label": "stack"}]}


def step(label: str, *data_ids: dict[str, Any], **fields: Any) -> NewStep:
    """Return a step of targets with these data IDs; its task, config and digest are made of its label."""
    own = {"task": f"{label}Task", "config": {"of": label}, "config_digest": label[0] * 64}
    return new_step([new_target(data_id=one) for one in data_ids], label=label, **(own | fields))


def of_two_steps(**fields: Any) -> NewJob:
    """Return a job that reduces two frames and then combines them."""
    frames = [{"instrument": "STE3", "exposure": number, "detector": 0} for number in (11, 12)]
    isr = step("isr", *frames, overrides=[["doFlat", False]], options={"replace": True})
    return new_job(steps=[isr, step("stack", {"instrument": "STE3", "band": "r"})], **fields)


def test_a_job_of_two_steps_comes_back_as_it_was_recorded(store: JobStore) -> None:
    new = of_two_steps(request=REQUEST)
    row = store.submissions.create_job(new)
    assert row == store.read.job(row.id) == store.read.jobs()[0]
    assert [(one.ordinal, one.label, one.task, one.config, one.config_digest) for one in row.steps] == [
        (0, "isr", "isrTask", {"of": "isr"}, "i" * 64),
        (1, "stack", "stackTask", {"of": "stack"}, "s" * 64),
    ]
    assert [(one.overrides, one.options) for one in row.steps] == [([["doFlat", False]], {"replace": True}), ([], {})]
    assert (row.task, row.n_targets) == ("isrTask + stackTask", 3)
    assert repr(row.request) == repr(REQUEST), "in the order in which it was said"
    assert [(one.id, one.ordinal, one.step, one.task) for one in store.read.targets(row.id)] == [
        (target.id, ordinal, of_step, task)
        for target, ordinal, of_step, task in zip(
            new.targets, range(3), (0, 0, 1), ("isrTask", "isrTask", "stackTask"), strict=True
        )
    ]


def test_a_job_of_one_step_is_called_like_its_task(store: JobStore) -> None:
    row = store.submissions.create_job(new_job(1))
    assert (row.task, row.request) == ("processCcd", None)
    assert [(one.ordinal, one.label, one.task) for one in row.steps] == [(0, "processCcd", "processCcd")]


def test_the_last_release_reads_the_first_step_of_a_job(store: JobStore, engine: Engine) -> None:
    job = store.submissions.create_job(of_two_steps())
    with read(engine) as connection:
        known = (Job.config, Job.config_digest, Job.overrides, Job.options)
        row = connection.execute(select(*known).where(Job.id == job.id)).one()
    assert tuple(row) == ({"of": "isr"}, "i" * 64, [["doFlat", False]], {"replace": True})


def test_a_message_says_task_and_config_of_its_step(store: JobStore) -> None:
    other = store.submissions.create_job(new_job(1))
    row = store.submissions.create_job(of_two_steps(traceparent="00-trace"))
    said = [
        (one.message.envelope.job, one.message.task, one.message.envelope.config, one.message.envelope.traceparent)
        for one in store.outbox.take()
    ]
    assert said == [
        (other.id, "processCcd", "c" * 64, None),
        (row.id, "isrTask", "i" * 64, "00-trace"),
        (row.id, "isrTask", "i" * 64, "00-trace"),
        (row.id, "stackTask", "s" * 64, "00-trace"),
    ]


def test_a_claim_says_which_step_it_is_for(store: JobStore) -> None:
    row = store.submissions.create_job(of_two_steps())
    sent(store)
    assert [claim_of(store, target.id).step for target in store.read.targets(row.id)] == [0, 0, 1]


def test_each_step_has_counts_of_its_own(store: JobStore) -> None:
    steps = [*of_two_steps().steps, step("nothing")]
    row = store.submissions.create_job(new_job(steps=steps))
    claim_of(store, store.read.targets(row.id)[1].id)
    counts = {
        ordinal: {state.value: number for state, number in of.items() if number}
        for ordinal, of in store.read.counts_of_steps(row.id).items()
    }
    assert counts == {0: {"queued": 1, "running": 1}, 1: {"queued": 1}, 2: {}}


def test_a_job_of_two_steps_is_one_run_with_a_stream_for_each(store: JobStore, engine: Engine) -> None:
    job = store.submissions.create_job(of_two_steps())
    isr, failing, stack = (target.id for target in store.read.targets(job.id))
    done = Outcome(state=TargetState.DONE, seconds=2.0)
    store.claims.complete(claim_of(store, stack), done.replaced(scalars={"n_frames": 2}))
    store.claims.complete(claim_of(store, isr), done.replaced(scalars={"overscan_adu": 512.5}))
    ended(store, claim_of(store, failing), "timed_out")

    assert (store.read.job(job.id).phase, store.read.job(job.id).n_open) == (Phase.ERROR, 0)
    catalogue = Broker(engine.url.render_as_string(hide_password=False))
    run = catalogue[str(job.id)]
    start, stop = run.metadata["start"], run.metadata["stop"]
    assert stop["num_events"] == {"isr": 1, "problems": 1, "stack": 1}
    assert run["isr"].read()["overscan"].values.tolist() == [512.5]
    assert run["isr"].read()["exposure"].values.tolist() == [11]
    assert run["stack"].read()["n_frames"].values.tolist() == [2]
    assert run["stack"].read()["target"].values.tolist() == [2], "numbered through the whole job"
    assert run["problems"].read()["exposure"].values.tolist() == [12]
    objects = {document["name"]: list(document["object_keys"]) for document in run["isr"].descriptors}
    assert objects == {"isr": ["isrTask"]}
    assert (start["task"], start["num_points"]) == ("isrTask + stackTask", 3)
    assert not {"config_digest", "overrides", "options"} & start.keys()
    assert start["steps"][0] == {
        "label": "isr",
        "task": "isrTask",
        "num_points": 2,
        "config_digest": "i" * 64,
        "overrides": [["doFlat", False]],
        "options": {"replace": True},
    }
    assert [one["label"] for one in start["steps"]] == ["isr", "stack"]
    assert list(catalogue.search({"steps.task": "stackTask"})) == [str(job.id)]
    assert list(catalogue.search({"steps.task": "warpTask"})) == []
    check_runs(engine)


def test_pictures_of_other_shapes_stay_with_their_step(store: JobStore, engine: Engine) -> None:
    frames = [{"instrument": "CAM", "exposure": 1, "detector": number} for number in (0, 1)]
    job = store.submissions.create_job(new_job(steps=[step("isr", *frames), step("warp", *frames)]))
    for target in store.read.targets(job.id):
        side = 100 + 10 * int(target.data_id["detector"])
        made = product(layout=FileLayout((side, side), "<f4", ("y", "x")))
        store.claims.complete(claim_of(store, target.id), Outcome(state=TargetState.DONE, products=[made]))
    run = Broker(engine.url.render_as_string(hide_password=False))[str(job.id)]
    assert run.metadata["stop"]["num_events"] == {"isr": 1, "isr_CAM_1": 1, "warp": 1, "warp_CAM_1": 1}
    check_runs(engine)


def test_targets_of_two_steps_cancelled_at_once_are_problems(store: JobStore, engine: Engine) -> None:
    job = store.submissions.create_job(of_two_steps())
    store.claims.complete(claim_of(store, store.read.targets(job.id)[2].id), Outcome(state=TargetState.DONE))
    store.cancellation.cancel(job.id)
    run = Broker(engine.url.render_as_string(hide_password=False))[str(job.id)]
    assert run.metadata["stop"]["num_events"] == {"problems": 2, "stack": 1}
    check_runs(engine)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([], "has no step"),
        (["isr", "isr"], "2 steps .* label 'isr'"),
        (["isr", "problems"], "label 'problems'"),
        ([""], "label ''"),
    ],
)
def test_steps_that_cannot_be_told_apart_are_refused(store: JobStore, labels: list[str], words: str) -> None:
    steps = [new_step(label=label) for label in labels]
    with pytest.raises(UsageError, match=words):
        store.submissions.create_job(new_job(steps=steps, id=uuid4()))
    assert store.read.jobs() == []
