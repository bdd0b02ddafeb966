"""`underbutler status JOB`: the steps of a job that has several."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.command_line import CommandLine
from tests.support.records.rows import claim_of, new_job, new_step
from underbutler.migrations import upgrade
from underbutler.model.job import TargetState
from underbutler.recording import JobRecorder
from underbutler.records import JobStore, Outcome
from underbutler.settings import load_settings
from underbutler.sql import open_engine
from underbutler.terminal.runs import RunView, run_facts


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[JobStore]:
    """Return the records of this home."""
    monkeypatch.setenv("COLUMNS", "120")
    url = load_settings().records_url
    upgrade(url)
    engine = open_engine(url)
    yield JobStore(engine, JobRecorder())
    engine.dispose()


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Return the command line of the same home."""
    return CommandLine(capsys)


def test_a_job_of_several_steps_shows_how_far_each_is(store: JobStore, command: CommandLine) -> None:
    steps = [
        new_step(2, label="isr", task="isrTask", config_digest="1" * 64),
        new_step(1, label="stack", task="combine", config_digest="2" * 64),
    ]
    job = store.submissions.create_job(new_job(steps=steps))
    first, second, third = store.read.targets(job.id)
    for target in (first, second):
        store.claims.complete(claim_of(store, target.id), Outcome(state=TargetState.DONE))
    claim_of(store, third.id)

    said = command("status", job.id)
    assert said.code == 0, said.err
    assert ["isr", "isrTask", "done", "2", "1" * 16] in [line.split() for line in said.out.splitlines()]
    assert ["stack", "combine", "running", "1", "2" * 16] in [line.split() for line in said.out.splitlines()]
    told = command("status", job.id, "--format", "json").json
    assert [(one["label"], one["config_digest"][0]) for one in told["steps"]] == [("isr", "1"), ("stack", "2")]
    assert "config_digest" not in told
    run = command("runs", "show", job.id).out
    assert "steps           isr (isrTask, 2), stack (combine, 1)\n" in run
    assert "\nisr  2 events\n" in run


def test_a_job_of_one_step_shows_what_it_always_showed(store: JobStore, command: CommandLine) -> None:
    job = store.submissions.create_job(new_job(overrides=[["detect.threshold", 5.0]]))
    shown = command("status", job.id).out
    assert f"config digest   {'c' * 16}\n" in shown
    assert "\nstep " not in shown
    told = command("status", job.id, "--format", "json").json
    assert (told["task"], told["config_digest"]) == ("processCcd", "c" * 64)
    assert told["overrides"] == told["steps"][0]["overrides"] == [["detect.threshold", 5.0]]
    assert (told["options"], told["request"]) == ({}, None)


@pytest.mark.parametrize(("steps", "words"), [(10, "10"), ([10, {"label": "x"}], "10, {'label': 'x'}")])
def test_a_run_of_another_program_may_call_anything_its_steps(steps: object, words: str) -> None:
    assert dict(run_facts(RunView({"uid": "u", "time": 0.0, "steps": steps}, None)))["steps"] == words
