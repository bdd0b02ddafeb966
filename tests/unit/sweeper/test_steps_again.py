"""Targets of a job of several steps that are to run again."""

from __future__ import annotations

import pytest

from tests.support.command_line import CommandLine
from tests.support.records.rows import new_job, new_step, new_target
from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.errors import UsageError
from underbutler.migrations import upgrade
from underbutler.model.identity import short_id
from underbutler.records import JobRow
from underbutler.settings import Settings
from underbutler.sweeper.resubmission import run_again


@pytest.fixture
def job(settings: Settings) -> JobRow:
    """Return an aborted job of two steps, each of one target."""
    upgrade(settings.records_url)
    with ServiceContext(settings) as context:
        steps = [new_step([new_target()], label=label, task=f"{label}Task") for label in ("isr", "stack")]
        made = context.jobs.submissions.create_job(new_job(steps=steps))
        context.jobs.cancellation.cancel(made.id)
        return context.jobs.read.job(made.id)


def test_targets_of_two_steps_are_refused_before_a_job_is_made(job: JobRow, settings: Settings) -> None:
    with ServiceContext(settings) as context:
        targets = context.jobs.read.targets(job.id)
        with pytest.raises(UsageError, match=r"2 steps \(isr, stack\).*--step isr"):
            run_again(context, make_app(settings), targets)
        assert [one.id for one in context.jobs.read.jobs()] == [job.id]
        assert [one.replayed_as for one in context.jobs.read.targets(job.id)] == [None, None]


def test_retry_says_how_to_choose_a_step(job: JobRow, capsys: pytest.CaptureFixture[str]) -> None:
    command = CommandLine(capsys)
    refused = command("retry", short_id(job.id), "--states", "aborted")
    assert (refused.code, "--step isr" in refused.err) == (2, True)
    unknown = command("retry", short_id(job.id), "--step", "ist", "--states", "aborted")
    assert (unknown.code, "Did you mean 'isr'?" in unknown.err) == (2, True)
    none = command("retry", short_id(job.id), "--step", "stack", "--states", "failed")
    assert (none.code, "no target that is failed" in none.err) == (2, True)
