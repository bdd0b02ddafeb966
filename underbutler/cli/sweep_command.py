"""``underbutler sweep``: what beat does every few seconds, by hand."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from underbutler.errors import exit_code
from underbutler.wording import visible

from .main import json_option
from .session import open_records

if TYPE_CHECKING:
    from underbutler.sweeper import SweepReport

__all__ = ["sweep"]


@click.command(short_help="Run one housekeeping pass.")
@click.option(
    "--every",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Repeat every SECONDS until interrupted.",
)
@click.option("--force", is_flag=True, help="Expire leases now, even if no sweep has run for long.")
@json_option()
def sweep(every: float | None, force: bool, form: str) -> int:
    """Run one housekeeping pass.

    Queues targets whose worker is gone, sends messages and notices that were written and not sent or that the broker
    lost, removes what dead claims left in Butler and bucket, and closes jobs. Beat does the same every few seconds
    (`celery -A beat beat`, part of `underbutler up`); any number may sweep at the same time.

    Prints one line per part; with --every it goes on until Ctrl-C, and prints only what happened. Exits with 3 if a
    service was away and with 4 if something is lost that was promised.

    \b
    Examples:
      underbutler sweep
      underbutler sweep --every 5
      underbutler sweep --format json | jq '.parts[] | select(.errors != [])'
    """
    from underbutler.broker import make_app
    from underbutler.sweeper import Sweeper
    from underbutler.sweeper import sweep as sweep_once

    with open_records() as context:
        app = make_app(context.settings, "sweeper")
        if every is None:
            report = sweep_once(context, app, force=force)
            _show(report, form, every=False)
            return _exit_code(report)
        sweeper = Sweeper(context, app)
        try:
            while True:
                repeated = sweeper.sweep(force=force)
                if repeated is not None:
                    _show(repeated, form, every=True)
                force = False
                time.sleep(every)
        except KeyboardInterrupt:
            return 0


def _show(report: SweepReport, form: str, *, every: bool) -> None:
    """Print a report; of several only what happened, one JSON document a line."""
    if form == "json":
        if not every:
            click.echo(json.dumps(report.to_json(), indent=2))
        elif report.did_something:
            click.echo(json.dumps(report.to_json()))
        return
    for part in report.parts:
        if not every or part.did_something:
            click.echo(visible(part.line))


def _exit_code(report: SweepReport) -> int:
    """Return the code of the worst that was met; 0 when all went well."""
    return max(map(exit_code, report.errors), default=0)
