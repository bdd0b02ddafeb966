"""``underbutler run``: the same task here and now, without the queue."""

from __future__ import annotations

import traceback
from typing import Any

import click

from underbutler.redaction import redacted_error

from .main import task_words

__all__ = ["run"]

PASS_THROUGH: dict[str, Any] = {
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
    "help_option_names": [],
}


DRY_RUN = "--dry-run"


@click.command(short_help="Run a task in this process, without the queue.", context_settings=PASS_THROUGH)
@task_words
@click.pass_context
def run(ctx: click.Context, show_help: bool, task: str | None, args: tuple[str, ...]) -> None:
    """Run TASK in this process (or -j N), without queue and records: `CmdLineTask.parseAndRun`.

    Once targets have started, the exit code is the number of those that failed, at most 255. With --dry-run it says
    what `underbutler submit --dry-run` says.

    \b
    Examples:
      underbutler run processCcd demo --id instrument=STE3 detector=0 -c doBias=false doDark=false doFlat=false
      underbutler run processCcd demo --id instrument=SIMCAM detector=0^1 -j 2
      underbutler run processCcd demo --id instrument=SIMCAM --show data
      underbutler run processCcd demo --id instrument=SIMCAM detector=0 --dry-run
      underbutler run processCcd --help
    """
    if task is None or show_help:
        click.echo(ctx.get_help())
        return
    if DRY_RUN in args:
        ctx.exit(_dry_run(task, [word for word in args if word != DRY_RUN]))
    from underbutler.pipe import load_task
    from underbutler.terminal import steps

    task_class = load_task(task)
    started = False
    with steps(task, None) as step:

        def told(ended: int, total: int) -> None:
            nonlocal started
            started = True
            step(ended, total)

        try:
            task_class.parseAndRun(list(args), progress=told)
        except Exception as error:
            if not started:
                raise
            # What a target raised under --doraise: one has failed, whatever the reason.
            traceback.print_exception(redacted_error(error))
            ctx.exit(1)


def _dry_run(task: str, words: list[str]) -> int:
    from underbutler.submission.preparing import prepare

    from .dry_run import show_dry_run
    from .session import open_records

    with (
        open_records() as context,
        prepare(task, words, repositories=context.repositories, user=context.settings.user) as prepared,
    ):
        return show_dry_run(context, prepared, "text")
