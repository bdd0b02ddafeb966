"""The command group ``underbutler``: commands load when they are called, errors become a sentence and an exit code."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import click

from underbutler import __version__
from underbutler.errors import UnderbutlerError, exit_code
from underbutler.redaction import redacted_error, redacted_text
from underbutler.wording import visible

__all__ = ["LazyGroup", "main"]

F = TypeVar("F", bound=Callable[..., Any])

_COMMANDS = {
    "annex": ".annex_commands:annex",
    "cancel": ".job_commands:cancel",
    "db": ".database_commands:db",
    "debug": ".debug_command:debug",
    "destroy": ".destroy_command:destroy",
    "ingest": ".repository_commands:ingest",
    "instrument": ".instrument.commands:instrument",
    "logs": ".logs_command:logs",
    "metrics": ".metrics_command:metrics",
    "night": ".night_command:night",
    "notices": ".watch_command:notices",
    "quarantine": ".quarantine_commands:quarantine",
    "raw": ".raw_commands:raw",
    "repo": ".repository_commands:repo",
    "retry": ".retry_command:retry",
    "run": ".run_command:run",
    "runs": ".runs.commands:runs",
    "schedule": ".schedule_commands:schedule",
    "status": ".status.commands:status",
    "submit": ".submit_command:submit",
    "sweep": ".sweep_command:sweep",
    "tasks": ".task_commands:tasks",
    "token": ".tokens.commands:token",
    "watch": ".watch_command:watch",
    "why": ".status.why:why",
}


_OURS = (
    "Error: this is a fault of Underbutler, not of what you typed. Please report it to whoever maintains Underbutler "
    "for you, with the lines above, the command, and this: "
    f"underbutler {__version__}, Python {platform.python_version()}."
)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called.

    Besides our own there are those of the entry-point group ``underbutler.commands``: rooms that the command line may
    not import bring theirs along.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return sorted({*_COMMANDS, *(point.name for point in entry_points(group="underbutler.commands"))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name in _COMMANDS:
            module, _, name = _COMMANDS[cmd_name].partition(":")
            command: click.Command = getattr(importlib.import_module(module, __package__), name)
            return command
        for point in entry_points(group="underbutler.commands", name=cmd_name):
            loaded: click.Command = point.load()
            return loaded
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, suggesting the nearest name."""
        from underbutler.errors import suggest

        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            ctx.fail(f"No command is called {args[0]!r}.{suggest(args[0], known)} Known: {', '.join(known)}.")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of records, index and running stack. Default: $UNDERBUTLER_HOME, else the user's data folder.",
)
@click.option("-v", "--verbose", count=True, help="Log more on stderr; twice for every detail.")
@click.version_option(__version__, prog_name="underbutler")
def group(home: Path | None, verbose: int) -> None:
    """Reduce CCD frames as a service: submit tasks on data IDs, get verified pictures, notices and a record of all.

    \b
    Examples:
      underbutler demo                                  see all of it work, on this machine
      underbutler up                                    start broker, S3, worker, beat here; Ctrl-C stops them
      underbutler repo create ./repo --label demo       make a Butler repository
      underbutler ingest demo night/*.fits              bring raw frames in
      underbutler submit processCcd demo --id instrument=STE3 detector=0 --wait
      underbutler status                                what is wrong, jobs, last failures
    """
    from underbutler.telemetry import logs

    if home is not None:
        os.environ["UNDERBUTLER_HOME"] = str(home.expanduser().absolute())
    logs.configure(("WARNING", "INFO", "DEBUG")[min(verbose, 2)])


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 (targets failed), 2 (usage), 3 (a service is away) or 4 (our fault).

    An error in the code of a task, met before its targets are run, is 1 too.
    """
    try:
        result = group.main(args=None if args is None else list(args), prog_name="underbutler", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UnderbutlerError as error:
        click.echo(visible(redacted_text(f"Error: {error}")), err=True)
        sys.exit(exit_code(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:  # noqa: BLE001 - its traceback is shown, without any access token
        clean = redacted_error(error)
        if _was_raised_in_a_task(clean):
            _tell_of_a_task(clean)
            sys.exit(1)
        click.echo(visible("".join(traceback.format_exception(clean))), err=True, nl=False)
        click.echo(_OURS, err=True)
        sys.exit(exit_code(error))
    sys.exit(result if isinstance(result, int) else 0)


def _was_raised_in_a_task(error: BaseException) -> bool:
    from underbutler.pipe.plugins import was_raised_in_a_task

    return was_raised_in_a_task(error)


def _tell_of_a_task(error: BaseException) -> None:
    from underbutler.telemetry.tracebacks import folded_traceback

    click.echo(visible(redacted_text(f"Error in the code of a task.\n{folded_traceback(error)}")), err=True)


def task_words(command: F) -> F:
    """Add what a command takes that passes a TASK and its own options on: ``-h``, TASK, ARGS."""
    words = click.argument("args", nargs=-1, type=click.UNPROCESSED)(command)
    words = click.argument("task", required=False)(words)
    return click.option(
        "-h", "--help", "show_help", is_flag=True, is_eager=True, help="Show this text; after TASK its own options."
    )(words)


def json_option() -> Callable[[F], F]:
    """Return the option ``--format text|json``."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        help="json: machine-readable output.",
    )
