"""``underbutler status`` and ``cancel``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.identity import is_named, short_id
from underbutler.model.job import Phase, TargetState
from underbutler.model.status import status_of
from underbutler.terminal import (
    ClaimsView,
    follow_job,
    jobs_table,
    notices_table,
    problems_of,
    problems_text,
    stderr_console,
    stdout_console,
    steps_table,
    targets_table,
)
from underbutler.wording import counted

from .main import json_option
from .session import answer_json, counts_json, open_records

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import JobRow, TargetRow

__all__ = ["cancel", "status"]

SHOWN_TARGETS = 200


@click.command(short_help="List jobs and problems, or show one job.")
@click.argument("job", required=False)
@click.option("-n", "--last", default=20, show_default=True, help="Number of jobs to list.")
@click.option("-v", "--verbose", is_flag=True, help="With JOB: also ids, and attempts: worker, start, end and reason.")
@json_option()
def status(job: str | None, last: int, verbose: bool, form: str) -> None:
    """List jobs and problems, or show one JOB with its targets, products and notices.

    JOB is a job's id or its first or last characters. Problems are: workers that take nothing or have no heartbeat,
    repositories whose circuit breaker is open, targets that wait, what is in quarantine, and that no sweep runs.

    \b
    Examples:
      underbutler status
      underbutler status 1a2b3c4d
      underbutler status 1a2b3c4d -v
      underbutler status --format json | jq '.jobs[0].phase, .problems'
    """
    with open_records() as context:
        if job is None:
            _list_jobs(context, last, form)
        else:
            _show_job(context, context.jobs.read.job(job), verbose, form)


def _list_jobs(context: ServiceContext, last: int, form: str) -> None:
    found = context.jobs.read.jobs(limit=last)
    counts = context.jobs.read.counts_of_jobs(row.id for row in found)
    overview = context.jobs.overview.take()
    problems = problems_of(overview, context.settings)
    if form == "json":
        answer_json(
            {
                "jobs": [_job_json(row, counts[row.id]) for row in found],
                "workers": [asdict(worker) for worker in overview.workers],
                "problems": [asdict(problem) for problem in problems],
            }
        )
        return
    console = stdout_console()
    if found:
        console.print(jobs_table([(row, counts[row.id]) for row in found]))
    else:
        stderr_console().print("No jobs yet. Submit one: `underbutler submit --help`.")
    if problems:
        console.print()
        console.print(problems_text(problems))


def _show_job(context: ServiceContext, row: JobRow, verbose: bool, form: str) -> None:
    counts = context.jobs.read.counts(row.id)
    targets = context.jobs.read.targets(row.id, limit=None if form == "json" else SHOWN_TARGETS)
    notices = context.jobs.read.notices(row.id)
    claims = context.jobs.read.claims(row.id) if verbose else []
    if form == "json":
        document = _job_json(row, counts) | {
            "targets": [asdict(target) for target in targets],
            "products": [asdict(product) for product in context.jobs.read.products(row.id)],
            "notices": [notice.to_json() for notice in notices],
        }
        answer_json(document | ({"claims": [asdict(claim) for claim in claims]} if verbose else {}))
        return
    console = stdout_console()
    console.print(jobs_table([(row, counts)]))
    console.print()
    for name, value in _facts(row, targets):
        console.print(f"{name:<16}{value}", highlight=False, soft_wrap=True)
    if len(row.steps) > 1:
        console.print()
        console.print(steps_table(row.steps, context.jobs.read.counts_of_steps(row.id)))
    if row.error:
        console.print(f"{'error':<16}{row.error}", style="red", markup=False)
    console.print()
    console.print(targets_table(targets, ids=verbose))
    if row.n_targets > len(targets):
        console.print(f"… {row.n_targets - len(targets)} more; all of them with --format json")
    if notices:
        console.print()
        console.print(notices_table(notices))
    if claims:
        console.print()
        console.print(ClaimsView(claims))
    _say_what_to_do(row, counts, targets)


def _facts(row: JobRow, targets: list[TargetRow]) -> list[tuple[str, str]]:
    facts = [("RUN collection", row.run)]
    if len(row.steps) == 1:
        facts.append(("config digest", row.steps[0].config_digest[:16]))
    if row.parent_id is not None:
        facts.append(("runs again", f"targets of job {short_id(row.parent_id)}"))
    again = dict.fromkeys(short_id(target.replayed_as) for target in targets if target.replayed_as is not None)
    if again:
        facts.append(("run again by", f"job {', '.join(again)}"))
    if row.cancel_requested and not Phase(row.phase).ended:
        facts.append(("cancelled", "its running targets are being stopped"))
    return facts


def _say_what_to_do(row: JobRow, counts: Mapping[TargetState, int], targets: list[TargetRow]) -> None:
    say, short = stderr_console().print, short_id(row.id)
    if any(
        target.state is TargetState.HELD and target.discarded_at is None and target.replayed_as is None
        for target in targets
    ):
        say(
            "Look at a held target: `underbutler quarantine show ID`; run it again: `underbutler quarantine replay ID`."
        )
    if counts.get(TargetState.FAILED) or counts.get(TargetState.HELD):
        say(f"See why: `underbutler logs {short}`.")
    if counts.get(TargetState.FAILED) and not any(target.replayed_as for target in targets):
        say(f"Run failed targets again: `underbutler retry {short}`.")


def _job_json(row: JobRow, counts: Mapping[TargetState, int]) -> dict[str, Any]:
    """Return a job as JSON; what is of its step stands with the job itself too, if it has only one."""
    step = row.steps[0]
    of_step = {
        "overrides": step.overrides,
        "config": step.config,
        "config_digest": step.config_digest,
        "options": step.options,
    }
    return asdict(row) | (of_step if len(row.steps) == 1 else {}) | {"counts": counts_json(counts)}


@click.command(short_help="Cancel a job, or one target of it.")
@click.argument("job")
@click.option("--target", metavar="ID", help="Only this target of the job, by its id or an abbreviation.")
@click.option("--wait", is_flag=True, help="Wait until nothing runs any more.")
@click.pass_context
def cancel(ctx: click.Context, job: str, target: str | None, wait: bool) -> None:
    """Cancel a JOB: what is queued never runs, what runs is stopped within seconds and leaves nothing visible.

    A target that completes at the same moment stays done. With --wait the exit code is 1 if the job ended otherwise
    than ABORTED.

    \b
    Examples:
      underbutler cancel 1a2b3c4d
      underbutler cancel 1a2b3c4d --wait
      underbutler cancel 1a2b3c4d --target 9f8e7d6c
    """
    with open_records() as context:
        row = context.jobs.read.job(job)
        say, short = stderr_console().print, short_id(row.id)
        if Phase(row.phase).ended:
            say(f"Job {short} has ended already: {status_of(row.phase)}.")
            return
        if target is not None:
            _cancel_target(context, row, target, wait=wait)
            return
        before = context.jobs.read.counts(row.id)[TargetState.ABORTED]
        context.jobs.cancellation.cancel(row.id)
        counts = context.jobs.read.counts(row.id)
        stopping = counts[TargetState.RUNNING] + counts[TargetState.DELIVERING]
        aborted = counts[TargetState.ABORTED] - before
        say(f"Job {short}: {counted(aborted, 'target')} aborted, {stopping} being stopped.")
        row = context.jobs.read.job(row.id)
        if wait and not Phase(row.phase).ended:
            row = follow_job(context.jobs, row.id, label="stopping")
        if Phase(row.phase).ended:
            say(f"Job {short} is {status_of(row.phase)}.")
            if wait and row.phase != Phase.ABORTED:
                ctx.exit(1)


def _cancel_target(context: ServiceContext, row: JobRow, name: str, *, wait: bool) -> None:
    found = [one for one in context.jobs.read.targets(row.id) if is_named(one.id, name)]
    if not found:
        raise UnknownNameError(
            f"Job {short_id(row.id)} has no target whose id is, begins or ends with {name!r}. List them: "
            f"`underbutler status {short_id(row.id)} -v`.",
            name=name,
        )
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} targets have ids that begin or end with {name!r}. Give more characters.", name=name
        )
    say, short = stderr_console().print, short_id(found[0].id)
    if found[0].state.ended:
        say(f"Target {short} has ended already: {found[0].state.value}.")
        return
    state = context.jobs.cancellation.cancel_target(found[0].id)
    if wait and not state.ended:
        state = _wait_for_target(context, found[0])
    say(f"Target {short} is {state.value}{'.' if state.ended else ' and is being stopped.'}")


def _wait_for_target(context: ServiceContext, target: TargetRow) -> TargetState:
    import time

    while not (state := context.jobs.read.target(target.id).state).ended:
        time.sleep(0.25)
    return state
