"""``underbutler submit``: from words to messages."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from underbutler.errors import UnderbutlerError
from underbutler.model.identity import short_id
from underbutler.model.job import Phase
from underbutler.model.status import status_of
from underbutler.terminal import files_table, follow_job, stderr_console, stdout_console, steps, targets_table
from underbutler.wording import counted

from .dry_run import refuse_what_would_fail, show_dry_run
from .main import json_option, task_words
from .session import answer_json, counts_json, open_records
from .token_options import read_access_token, token_options

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import JobRow
    from underbutler.submission.preparing import Prepared
    from underbutler.submission.tokens import AccessToken

__all__ = ["submit"]

PASS_THROUGH: dict[str, Any] = {
    "ignore_unknown_options": True,
    "allow_interspersed_args": True,
    "help_option_names": [],
}

DAY_S = 86400.0


def _tags(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    for word in words:
        if not word.partition("=")[0] or "=" not in word:
            raise click.BadParameter(f"{word!r} should be NAME=TEXT, e.g. night=20260101.", ctx, param)
    return tuple((name, text) for name, _, text in (word.partition("=") for word in words))


@click.command(short_help="Submit a task on data IDs of a repository.", context_settings=PASS_THROUGH)
@task_words
@click.option(
    "--dry-run", is_flag=True, help="Look at everything, list the targets, estimate the time; write and send nothing."
)
@click.option("--wait", is_flag=True, help="Wait for the job to end; exit 1 if a target failed.")
@click.option(
    "--lifetime",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DAYS",
    help="Destroy the job's rows and logs after this many days, never its datasets. Default: "
    "UNDERBUTLER_JOB_LIFETIME_S.",
)
@click.option(
    "--queue",
    metavar="NAME",
    help="Queue to send to, e.g. bulk. Default: UNDERBUTLER_QUEUE.",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    callback=_tags,
    metavar="NAME=TEXT",
    help="Keep a text of your own with the job; may be given several times.",
)
@token_options
@json_option()
@click.pass_context
def submit(
    ctx: click.Context,
    show_help: bool,
    task: str | None,
    args: tuple[str, ...],
    dry_run: bool,
    wait: bool,
    lifetime: float | None,
    queue: str | None,
    tags: tuple[tuple[str, str], ...],
    access_token_file: Path | None,
    token_lifetime: float | None,
    form: str,
) -> None:
    """Submit TASK on the data IDs of a repository, given by its label.

    `underbutler submit TASK --help` lists all options of a task; `underbutler tasks` lists the tasks. Prints the job's
    id and exits with 0 as soon as the job is recorded: what the broker does not take then is sent when it is back. With
    --wait it prints in the end how each target ended, the RUN collection, and where its files are.

    \b
    Examples:
      underbutler submit processCcd demo --id instrument=STE3 detector=0
      underbutler submit processCcd demo --id instrument=STE3 \\
          exposure=20130713000000..20130713235959 detector=0^1 -c detect.threshold=3.0 --wait
      underbutler submit processCcd demo --id instrument=SIMCAM -d "exposure.observation_type='science'" --dry-run
      underbutler submit makeFlat demo --id instrument=SIMCAM detector=0 --show config=combine*
      underbutler submit processCcd demo --id instrument=STE3 -C overrides.toml -o u/ann/try1
      underbutler submit processCcd demo --id instrument=SIMCAM detector=0 --queue bulk
      underbutler submit processCcd remote --out demo --id instrument=STE3 --access-token-file ~/.butler-token
    """
    if not task:
        click.echo(ctx.get_help())
        return
    if show_help:
        _show_task_help(task)
        return
    token = read_access_token(access_token_file, token_lifetime, args)
    from underbutler.pipe import show
    from underbutler.submission.preparing import prepare

    with (
        open_records(may_make=True) as context,
        prepare(
            task,
            args,
            repositories=context.repositories,
            user=context.settings.user,
            access_token=None if token is None else token.secret,
            queue=queue or None,
            lifetime_s=None if lifetime is None else lifetime * DAY_S,
            tags=dict(tags),
        ) as prepared,
    ):
        local = prepared.command.local
        if local.show:
            click.echo(show(prepared.command.parsed_cmd, prepared.runner.TaskClass), nl=False)
        if local.show_only:
            return
        if dry_run:
            ctx.exit(show_dry_run(context, prepared, form))
        refuse_what_would_fail(prepared)
        row, left = _make_job(context, prepared, token)
        _follow(ctx, context, row, wait, form, sent=row.n_targets - left)


def _make_job(
    context: ServiceContext,
    prepared: Prepared,
    token: AccessToken | None,
) -> tuple[JobRow, int]:
    """Make the job; return it, and how many of its messages the broker has not."""
    from underbutler.broker import make_app
    from underbutler.submission.submit import submit as make_job

    queue = prepared.command.request.queue
    settings = context.settings if queue is None else context.settings.model_copy(update={"queue": queue})
    left: list[tuple[int, str]] = []
    with steps("sending", len(prepared.targets)) as sent:
        row = make_job(
            prepared,
            jobs=context.jobs,
            app=make_app(settings),
            settings=settings,
            token=token,
            progress=sent,
            on_unsent=lambda number, reason: left.append((number, reason)),
        )
    for number, reason in left:
        stderr_console().print(
            f"Job {short_id(row.id)} is recorded, {number} of {row.n_targets} sent; the sweeper sends them (beat, or "
            f"`underbutler sweep`). Do not submit it again. {reason}",
            style="yellow",
            soft_wrap=True,
        )
    _say_if_nobody_takes(context, row, settings.queue)
    return row, row.n_targets - left[0][0] if left else 0


def _say_if_nobody_takes(context: ServiceContext, row: JobRow, queue: str) -> None:
    """Say so when no living worker takes from the job's queue: it waits, and one may be started later."""
    living = {worker.queue for worker in context.jobs.workers.known(living_within_s=context.settings.lease_s)}
    if queue not in living:
        known = f"Workers now take from {', '.join(sorted(living))}." if living else "No worker runs now."
        stderr_console().print(
            f"No worker takes from the queue {queue!r} now: job {short_id(row.id)} waits for one. {known}",
            style="yellow",
            soft_wrap=True,
        )


def _follow(ctx: click.Context, context: ServiceContext, row: JobRow, wait: bool, form: str, sent: int) -> None:
    if wait:
        row = follow_job(context.jobs, row.id)
    if form == "json":
        counts = counts_json(context.jobs.read.counts(row.id))
        answer_json(
            {
                "job": str(row.id),
                "phase": row.phase,
                "targets": row.n_targets,
                "sent": sent,
                "run": row.run,
                "counts": counts,
            }
        )
    elif wait:
        console = stdout_console()
        console.print(targets_table(context.jobs.read.targets(row.id)))
        console.print(f"job {row.id} {status_of(row.phase)}  RUN {row.run}", soft_wrap=True)
        _show_files(context, row)
    else:
        click.echo(str(row.id))
        stderr_console().print(f"{counted(sent, 'target')} sent. Follow it: `underbutler status {short_id(row.id)}`.")
    if wait and row.phase != Phase.COMPLETED:
        ctx.exit(1)


def _show_files(context: ServiceContext, row: JobRow) -> None:
    """Show where the datasets of a job are, if its repository answers: how the job ended is told already."""
    from underbutler.butlers.outputs import written_files
    from underbutler.pipe import load_task

    with suppress(UnderbutlerError), context.repositories.butler(row.out) as butler:
        names = [name for step in row.steps for name in load_task(step.task).datasetTypes]
        found = written_files(butler, row.run, dict.fromkeys(names))
        if found:
            stdout_console().print(files_table(found), soft_wrap=True)


def _show_task_help(task: str) -> None:
    from underbutler.pipe import load_task

    click.echo(load_task(task)._makeArgumentParser().format_help())
