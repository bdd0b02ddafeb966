"""``underbutler cancel``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.identity import is_named, short_id
from underbutler.model.job import Phase, TargetState
from underbutler.model.status import status_of
from underbutler.terminal import follow_job, stderr_console
from underbutler.wording import counted

from .session import open_records

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import JobRow, TargetRow

__all__ = ["cancel"]


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
