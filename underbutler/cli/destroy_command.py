"""``underbutler destroy``: what an ended job left, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from underbutler.errors import TransientError, UsageError
from underbutler.model.identity import short_id
from underbutler.model.job import Phase
from underbutler.model.status import status_of
from underbutler.terminal import stderr_console, steps
from underbutler.wording import counted

from .session import open_records

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import JobRow

__all__ = ["destroy"]


@click.command(short_help="Remove an ended job's rows and logs.")
@click.argument("job")
@click.option("--datasets", is_flag=True, help="Remove its datasets from the Butler too.")
@click.option("--objects", is_flag=True, help="Remove its objects from the annex too.")
@click.option("--unlink", is_flag=True, help="With --datasets: take its RUN out of CHAINED collections.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def destroy(job: str, datasets: bool, objects: bool, unlink: bool, yes: bool) -> None:
    """Remove an ended JOB's targets, claims, logs and notices now; its own row stays, ARCHIVED.

    Datasets and objects stay unless you say otherwise. Of a RUN collection that other jobs write to only this job's
    datasets are removed. A RUN that somebody put into a CHAINED collection is removed with --unlink alone; without it
    nothing is removed.

    \b
    Examples:
      underbutler destroy 1a2b3c4d
      underbutler destroy 1a2b3c4d --datasets --objects --yes
      underbutler destroy 1a2b3c4d --datasets --unlink
    """
    with open_records() as context:
        row = context.jobs.read.job(job)
        _refuse_destruction(context, row, everything=datasets or objects)
        if datasets and not unlink:
            _refuse_chained(context, row)
        if not yes:
            what = [f"rows and logs of job {short_id(row.id)} ({row.task}, {counted(row.n_targets, 'target')})"]
            what += [f"its datasets in RUN {row.run} of {row.out}"] if datasets else []
            what += ["its objects in the annex"] if objects else []
            click.confirm(f"Remove {', '.join(what)}?", abort=True, err=True)
        _destroy(context, row, datasets=datasets, objects=objects, unlink=unlink)


def _refuse_destruction(context: ServiceContext, row: JobRow, *, everything: bool) -> None:
    short = short_id(row.id)
    if row.phase == Phase.ARCHIVED:
        raise UsageError(f"Job {short} was destroyed before; its row stays.", job=str(row.id))
    if not Phase(row.phase).ended:
        raise UsageError(
            f"Job {short} is {status_of(row.phase)}. Cancel it first: `underbutler cancel {short} --wait`.",
            job=str(row.id),
        )
    if everything and not context.jobs.lifetimes.may_be_destroyed(row.id):
        raise TransientError(
            f"Job {short} has notices that were not sent yet, or datasets that were not compared with the registry. "
            "Let the sweeper do it (`underbutler sweep`), then destroy the job.",
            job=str(row.id),
        )


def _refuse_chained(context: ServiceContext, row: JobRow) -> None:
    """Refuse before anything is removed: objects of the annex go first."""
    from underbutler.pipe.precall import refuse_chained
    from underbutler.sweeper.removal import has_own_run

    if has_own_run(context, row):
        with context.repositories.butler(row.out) as butler:
            refuse_chained(butler, row.run)


def _destroy(context: ServiceContext, row: JobRow, *, datasets: bool, objects: bool, unlink: bool) -> None:
    """Remove what was asked for; the rows come last, because they say what else there is to remove."""
    from underbutler.sweeper.removal import remove_datasets, remove_objects

    say, short = stderr_console().print, short_id(row.id)
    if objects:
        with steps("removing objects", context.jobs.deliveries.count(job=row.id)) as removed:
            number = remove_objects(context, row, removed)
        say(f"{counted(number, 'object')} removed from the annex.")
    if datasets:
        pruned = remove_datasets(context, row, unlink=unlink)
        say(
            f"RUN {row.run} removed." if pruned is None else f"{counted(pruned, 'dataset')} removed from RUN {row.run}."
        )
    if context.jobs.lifetimes.destroy(row.id):
        say(f"Job {short} is archived: its rows and logs are removed.")
    else:
        say(f"Job {short} goes as soon as its notices are sent and its datasets compared: the sweeper does it.")
