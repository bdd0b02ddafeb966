"""``underbutler retry``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.identity import short_id
from underbutler.model.job import Phase, TargetState
from underbutler.model.status import status_of
from underbutler.terminal import (
    follow_job,
    stdout_console,
    targets_table,
)

from .dry_run import no_check_option
from .main import json_option
from .quarantine_commands import Rate, run_targets_again
from .session import open_records
from .token_options import read_access_token, token_options

if TYPE_CHECKING:
    from underbutler.records import JobRow, TargetRow

__all__ = ["retry"]

RETRIED = ("failed", "held", "aborted")


@click.command(short_help="Run the failed targets of a job again.")
@click.argument("job")
@click.option(
    "--states",
    default=",".join(RETRIED),
    show_default=True,
    metavar="A,B",
    help="Run targets in these states again.",
)
@click.option("--step", metavar="LABEL", help="Run only targets of this step of JOB again.")
@click.option(
    "-c",
    "--config",
    "words",
    multiple=True,
    metavar="PATH=VALUE",
    help="Config override, after those of JOB.",
)
@click.option("--rate", type=Rate(), help="Send at this rate: 5/s, 30/min. Default: all at once.")
@click.option("--wait", is_flag=True, help="Wait for the new job to end; exit 1 if a target failed.")
@no_check_option()
@token_options
@json_option()
@click.pass_context
def retry(
    ctx: click.Context,
    job: str,
    states: str,
    step: str | None,
    words: tuple[str, ...],
    rate: float | None,
    wait: bool,
    no_check: bool,
    access_token_file: Path | None,
    token_lifetime: float | None,
    form: str,
) -> None:
    """Run the failed targets of a JOB again: as a new job, linked to the old one.

    The new job has the config and options of the old one and a RUN collection of its own; the old job stays as it is.
    A target is run again once: if that fails too, retry the new job.

    \b
    Examples:
      underbutler retry 1a2b3c4d
      underbutler retry 1a2b3c4d --states failed -c detect.threshold=5 --wait
    """
    wanted = _states(states)
    token = read_access_token(access_token_file, token_lifetime)
    with open_records() as context:
        row = context.jobs.read.job(job)
        targets = _of_step(row, context.jobs.read.targets(row.id, states=wanted), step)
        free = [target for target in targets if target.replayed_as is None]
        if not free:
            raise _nothing_to_retry(row, targets, states)
        how: dict[str, Any] = {"config_words": words, "check": not no_check, "per_second": rate, "token": token}
        (again,) = run_targets_again(context, free, form, **how)
        if not wait:
            return
        again = follow_job(context.jobs, again.id)
        if form == "text":
            stdout_console().print(targets_table(context.jobs.read.targets(again.id)))
        if again.phase != Phase.COMPLETED:
            ctx.exit(1)


def _states(words: str) -> list[TargetState]:
    ended = [state.value for state in TargetState if state.ended]
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        if name not in ended:
            raise UnknownNameError.of("state of an ended target", name, ended)
    if not names:
        raise UsageError(f"--states names none. Known: {', '.join(ended)}.")
    return [TargetState(name) for name in names]


def _of_step(row: JobRow, targets: list[TargetRow], label: str | None) -> list[TargetRow]:
    if label is None:
        return targets
    ordinals = {step.label: step.ordinal for step in row.steps}
    if label not in ordinals:
        raise UnknownNameError.of(f"step of job {short_id(row.id)}", label, ordinals)
    return [target for target in targets if target.step == ordinals[label]]


def _nothing_to_retry(row: JobRow, targets: list[TargetRow], states: str) -> UsageError:
    short = short_id(row.id)
    if not targets:
        return UsageError(
            f"Job {short} ({status_of(row.phase)}) has no target that is {' or '.join(states.split(','))}.", job=short
        )
    jobs = ", ".join(dict.fromkeys(short_id(str(target.replayed_as)) for target in targets))
    return UsageError(
        f"These targets of job {short} were run again already, by job {jobs}. If they failed too, retry that one.",
        job=short,
    )
