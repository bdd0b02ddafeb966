"""``underbutler submit``: from words to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from underbutler.model.job import Phase
from underbutler.model.message import describe
from underbutler.terminal import answers, follow_job, sayings, steps, targets_table

from .main import json_option, task_words
from .session import answer_json, counts_json, open_records

if TYPE_CHECKING:
    from underbutler.context import WorkerContext
    from underbutler.submit import Prepared

__all__ = ["submit"]

PASS_THROUGH: dict[str, Any] = {
    "ignore_unknown_options": True,
    "allow_interspersed_args": True,
    "help_option_names": [],
}


@click.command(short_help="Submit a task on data IDs of a repository.", context_settings=PASS_THROUGH)
@task_words
@click.option("--dry-run", is_flag=True, help="Check everything and show the targets; write and send nothing.")
@click.option("--wait", is_flag=True, help="Follow the job to its end; exit 1 if a target failed.")
@json_option()
@click.pass_context
def submit(
    ctx: click.Context, show_help: bool, task: str | None, args: tuple[str, ...], dry_run: bool, wait: bool, form: str
) -> None:
    """Submit TASK on the data IDs of a repository, given by its label.

    `underbutler submit TASK --help` lists all options of a task; `underbutler tasks` lists the tasks.

    \b
    Examples:
      underbutler submit processCcd demo --id instrument=STE3 detector=0
      underbutler submit processCcd demo --id instrument=STE3 \\
          exposure=20130713000000..20130713235959 detector=0^1 -c detect.threshold=3.0 --wait
      underbutler submit processCcd demo --id instrument=SIMCAM -d "exposure.observation_type='science'" --dry-run
      underbutler submit makeFlat demo --id instrument=SIMCAM detector=0 --show config=combine*
      underbutler submit processCcd demo --id instrument=STE3 -C overrides.toml -o u/ann/try1
    """
    if not task:
        click.echo(ctx.get_help())
        return
    if show_help:
        _show_task_help(task)
        return
    from underbutler.pipe import show
    from underbutler.submit import prepare

    with (
        open_records() as context,
        prepare(task, args, repositories=context.repositories, user=context.settings.user) as prepared,
    ):
        if prepared.command.show:
            click.echo(show(prepared.command, prepared.runner.TaskClass), nl=False)
        if prepared.command.show_only:
            return
        if dry_run:
            _show_targets(prepared, form)
            return
        _submit(ctx, context, prepared, wait, form)


def _submit(ctx: click.Context, context: WorkerContext, prepared: Prepared, wait: bool, form: str) -> None:
    from underbutler.broker import make_app
    from underbutler.submit import submit as make_job

    with steps("sending", len(prepared.targets)) as sent:
        row = make_job(
            prepared,
            jobs=context.jobs,
            app=make_app(context.settings),
            settings=context.settings,
            progress=sent,
        )
    if wait:
        row = follow_job(context.jobs, row.id)
    if form == "json":
        counts = counts_json(context.jobs.counts(row.id))
        answer_json(
            {"job": str(row.id), "phase": row.phase, "targets": row.n_targets, "run": row.run, "counts": counts}
        )
    elif wait:
        console = answers()
        console.print(targets_table(context.jobs.targets(row.id)))
        console.print(f"job {row.id} {row.phase}  RUN {row.run}", soft_wrap=True)
    else:
        click.echo(str(row.id))
        sayings().print(f"{row.n_targets} targets sent. Follow it: `underbutler status {str(row.id)[:8]}`.")
    if wait and row.phase != Phase.COMPLETED:
        ctx.exit(1)


def _show_targets(prepared: Prepared, form: str) -> None:
    if form == "json":
        answer_json([{"args": target.args, "digest": target.digest} for target in prepared.targets])
        return
    console = answers()
    for target in prepared.targets:
        console.print("  ".join(part for part in describe(tuple(target.args)) if part), highlight=False)
    sayings().print(f"{len(prepared.targets)} targets would be sent; RUN {prepared.command.run}. Nothing was written.")


def _show_task_help(task: str) -> None:
    from underbutler.pipe import load_task

    click.echo(load_task(task)._makeArgumentParser().format_help())
