"""``underbutler run``: the same task here and now, without the queue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from underbutler.model.job import TargetState
from underbutler.redaction import redacted_text
from underbutler.wording import counted, visible

from .main import task_words
from .run_summary import RunSummary

if TYPE_CHECKING:
    pass

__all__ = ["run"]

PASS_THROUGH: dict[str, Any] = {
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
    "help_option_names": [],
}


DRY_RUN = "--dry-run"


@click.command(short_help="Run a task in this process, without the queue.", context_settings=PASS_THROUGH)
@task_words
@click.option("--pdb", "debugs", is_flag=True, help="Stop in the debugger at the first error.")
@click.pass_context
def run(ctx: click.Context, show_help: bool, task: str | None, args: tuple[str, ...], debugs: bool) -> None:
    """Run TASK in this process (or -j N), without queue and records: `CmdLineTask.parseAndRun`.

    At its end it prints what `submit --wait` prints: how each target ended, the RUN collection, the files in it. Once
    targets have started, the exit code is the number of those that failed, at most 255; those that the time limit -t
    ended are among them. --pdb may stand anywhere: it runs one process, up to the first error. --dry-run says what
    `underbutler submit --dry-run` says.

    \b
    Examples:
      underbutler run processCcd demo --id instrument=STE3 detector=0 -c doBias=false doDark=false doFlat=false
      underbutler run processCcd demo --id instrument=SIMCAM detector=0^1 -j 2
      underbutler run processCcd demo --id instrument=SIMCAM exposure=2026112000007 detector=0 --pdb
      underbutler run processCcd demo --id instrument=SIMCAM --show data
      underbutler run processCcd demo --id instrument=SIMCAM detector=0 --dry-run
      underbutler run processCcd --help
    """
    if task is None or show_help:
        click.echo(ctx.get_help())
        return
    if DRY_RUN in args:
        ctx.exit(_dry_run(task, [word for word in args if word != DRY_RUN]))
    words = [word for word in args if word != "--pdb"]
    debugs = debugs or len(words) < len(args)
    with RunSummary() as summary:
        _run(task, [*words, "--doraise", "-j", "1"] if debugs else words, summary, debugs=debugs)


def _run(task: str, words: list[str], summary: RunSummary, *, debugs: bool) -> None:
    from lsst.pipe.base import NoWorkFound

    from underbutler.pipe import load_task
    from underbutler.pipe.running.process_farm import TimeLimitError
    from underbutler.telemetry.tracebacks import folded_traceback
    from underbutler.terminal import steps

    task_class = load_task(task)
    started = False
    try:
        with steps(task, None) as step:

            def told(ended: int, total: int) -> None:
                nonlocal started
                started = True
                step(ended, total)

            task_class.parseAndRun(words, progress=told, ended=summary.take)
    except NoWorkFound as reason:
        click.echo(visible(f"No work: {reason}"), err=True)
    except TimeLimitError as error:
        unfinished = [one for one in summary.endings if one.state is TargetState.ABORTED]
        click.echo(
            visible(f"Error: {error}") + f" {counted(len(unfinished), 'target')} did not end: raise -t SECONDS.",
            err=True,
        )
        sys.exit(summary.n_bad)
    except Exception as error:
        if not started:
            raise
        # What a target raised under --doraise: one has failed, whatever the reason.
        # Told by its text alone: an error that is made again without secrets leaves the debugger no variables.
        click.echo(visible(redacted_text(folded_traceback(error))), err=True)
        if debugs:
            import pdb

            pdb.post_mortem(error.__traceback__)
        sys.exit(1)


def _dry_run(task: str, words: list[str]) -> int:
    from underbutler.submission.preparing import prepare

    from .dry_run import show_dry_run
    from .session import open_records

    with (
        open_records(may_make=True) as context,
        prepare(task, words, repositories=context.repositories, user=context.settings.user) as prepared,
    ):
        return show_dry_run(context, prepared, "text")
