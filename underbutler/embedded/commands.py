"""Commands that need a stack on this machine: ``underbutler up``. The command line finds them by entry point."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click

from underbutler.redaction import redacted_text
from underbutler.settings import Settings, default_home, load_settings, usual_home
from underbutler.wording import counted, visible

from .process import ProcessFailedError
from .stack import PARTS, Stack

__all__ = ["up"]

COLOURS = dict(zip(PARTS, ("magenta", "yellow", "cyan", "green", "white", "blue"), strict=True))
WIDTH = max(map(len, PARTS)) + 1


class PrefixedLines:
    """Writes lines of several processes to stderr, each line whole and with the name of its process in front."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ

    def __call__(self, part: str, line: str) -> None:
        prefix = f"{part:<{WIDTH}}|"
        if self._colour:
            prefix = click.style(prefix, fg=COLOURS[part])
        with self._lock:
            click.echo(f"{prefix} {_without_orders(line)}", err=True)


def _without_orders(line: str) -> str:
    """Return a line of a process as it may be shown: its colours stay, and nothing else that a terminal obeys."""
    pieces = _COLOUR.split(line)
    return "".join(piece if number % 2 else visible(piece) for number, piece in enumerate(pieces))


_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


class Stopping:
    """Turns SIGINT, SIGTERM and SIGHUP into an orderly end; the second signal cuts it short.

    Parameters
    ----------
    stack
        What is ended.
    """

    def __init__(self, stack: Stack) -> None:
        self.asked = False
        self._stack = stack
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks to outlive the terminal
            numbers.append(signal.SIGHUP)
        self._before = {number: signal.signal(number, self._on_signal) for number in numbers}

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            self._stack.kill()
            return
        self.asked = True
        raise KeyboardInterrupt

    def restore(self) -> None:
        """Put back the handlers that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


@click.command(short_help="Run broker, S3, a worker, beat and the API on this machine until Ctrl-C.")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of records, index and logs. Default: UNDERBUTLER_HOME, else ~/.local/share/underbutler.",
)
@click.option(
    "-c",
    "--workers",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Number of worker processes: so many targets run at the same time.",
)
def up(home: Path | None, workers: int) -> None:
    """Run a whole Underbutler on this machine, in the foreground.

    Starts a real Redis or Valkey as broker, an S3 server for the annex, a worker, beat, which sweeps up what was lost
    or left behind, and the submission API (extra `api`), on free ports of 127.0.0.1; the records are a SQLite file.
    Other terminals find the stack by themselves. Ctrl-C stops all of it; targets that run get 20 seconds to end, a
    second Ctrl-C gives them none.

    A broker or an S3 server that the environment names (UNDERBUTLER_BROKER_URL, UNDERBUTLER_S3_ENDPOINT_URL) is used,
    and none started in its place. The S3 server that is started keeps its objects in memory: this is for trying. The
    datasets are in the Butler and stay; out of it the objects are brought back at the next start, in the background.

    \b
    Examples:
      underbutler up
      underbutler up -c 4
      underbutler up --home /data/underbutler
    """
    home = (home or default_home()).expanduser().absolute()
    click.echo(f"Starting in {home} …", err=True)
    stack = Stack(home, concurrency=workers, on_line=PrefixedLines(), use_configured=True, with_api=_has_api())
    stopping = Stopping(stack)
    code = 0
    try:
        stack.start()
        click.echo(_banner(stack), err=True)
        stack.supervise(lambda: False)
    except KeyboardInterrupt:
        click.echo("Stopping; Ctrl-C again does not wait for running targets.", err=True)
    except ProcessFailedError as error:
        click.echo(visible(f"Error: {error}"), err=True)
        code = _exit_code(error)
    finally:
        stopping.asked = True  # from here on a signal only hastens
        stack.stop()
        stopping.restore()
    click.echo("Everything is stopped.", err=True)
    sys.exit(code)


def _has_api() -> bool:
    """Tell whether what the submission API needs is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("fastapi", "uvicorn", "vo_models"))


def _exit_code(error: ProcessFailedError) -> int:
    """Return the exit code of the part that ended by itself, as a shell would say it; never 0."""
    code = error.fields.get("exit_code")
    if not isinstance(code, int) or code == 0:
        return 1
    return code if code > 0 else 128 - code


def _banner(stack: Stack) -> str:
    settings = stack.settings
    lines = [
        "",
        f"Underbutler is up, with {stack.concurrency} worker processes.",
        f"  broker   {redacted_text(settings.broker_url)}{'' if 'redis' in stack.started else '  (yours)'}",
        f"  annex    {settings.s3_endpoint_url}  {_about_s3(stack)}",
        f"  records  {_without_password(settings.records_url)}",
        f"  beat     sweeps every {settings.sweep_interval_s:g} s what was lost or left behind",
        *(
            []
            if stack.api_url is None
            else [f"  API      {stack.api_url}  (token: UNDERBUTLER_API_TOKEN in stack.env)"]
        ),
        f"  index    {settings.index_uri}",
        f"  logs     {stack.home / 'stack'}",
        "",
        "In another terminal:",
        *([] if settings.home == usual_home() else [f"  export UNDERBUTLER_HOME={shlex.quote(str(settings.home))}"]),
        "  underbutler repo create DIR --label demo",
        "  underbutler ingest demo FILE...",
        "  underbutler submit processCcd demo --id detector=0 --wait",
        "  underbutler watch",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines + _contradictions(settings))


def _about_s3(stack: Stack) -> str:
    if "s3" not in stack.started:
        return "(S3; yours)"
    if not stack.announced:
        return "(S3; in memory: its objects are gone when this stops)"
    return (
        f"(S3; in memory: {counted(stack.announced, 'announced object is', 'announced objects are')} brought back from "
        "the Butler now; `underbutler status` counts what is missing)"
    )


def _contradictions(settings: Settings) -> list[str]:
    """Say where this environment leads other commands away from the stack: variables win over its file."""
    seen = load_settings(home=settings.home)
    return [
        f"Warning: {name} is set in this terminal to something else than this stack's {getattr(settings, field)}; "
        "unset it where you type commands."
        for field, name in (("broker_url", "the broker's URL"), ("s3_endpoint_url", "the S3 endpoint"))
        if getattr(seen, field) != getattr(settings, field)
    ]


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)
