"""``underbutler watch`` (notices, live) and ``underbutler notices`` (those recorded)."""

from __future__ import annotations

import contextlib
import json

import click

from underbutler.terminal import notice_line, notices_table, stderr_console, stdout_console

from .main import json_option
from .session import answer_json, open_records

__all__ = ["notices", "watch"]


@click.command(short_help="Show notices as they arrive.")
@click.argument("pattern", default="#")
@click.option("-n", "--count", type=click.IntRange(min=1), help="Stop after this many notices.")
@json_option()
def watch(pattern: str, count: int | None, form: str) -> None:
    """Show notices as they arrive; Ctrl-C ends it.

    PATTERN is a topic of three words, instrument.task.dataset_type; * stands for one word and # for any number.
    What was announced before is read with `underbutler notices JOB`.

    \b
    Examples:
      underbutler watch
      underbutler watch 'STE3.processCcd.calexp'
      underbutler watch '*.*.preview' --format json | jq -r .url
    """
    from underbutler.annex import watch as watch_notices
    from underbutler.settings import load_settings

    console = stdout_console()
    if form == "text":
        stderr_console().print(f"Waiting for notices of {pattern} …  (Ctrl-C ends)")
    with contextlib.suppress(KeyboardInterrupt), watch_notices(load_settings(), [pattern]) as arriving:
        for number, notice in enumerate(arriving, start=1):
            if form == "json":
                click.echo(json.dumps(notice.to_json()))
            else:
                console.print(notice_line(notice))
                console.print(f"       {notice.url}", soft_wrap=True)
            if number == count:
                return


@click.command(short_help="Show the recorded notices of a job.")
@click.argument("job")
@json_option()
def notices(job: str, form: str) -> None:
    """Show the recorded notices of a JOB, sent or not yet.

    \b
    Examples:
      underbutler notices 1a2b3c4d
      underbutler notices 1a2b3c4d --format json | jq -r '.[].url'
    """
    with open_records() as context:
        recorded = context.jobs.read.notices(context.jobs.read.job(job).id)
    if form == "json":
        answer_json([notice.to_json() for notice in recorded])
    else:
        stdout_console().print(notices_table(recorded))
