"""``underbutler status``."""

from __future__ import annotations

import time

import click

from underbutler.cli.main import json_option

__all__ = ["status"]


@click.command(short_help="Show what is wrong, the parts of the service, and jobs; or one job.")
@click.argument("job", required=False)
@click.option("-n", "--last", default=20, show_default=True, help="Number of jobs to list.")
@click.option("-v", "--verbose", is_flag=True, help="With JOB: also ids, addresses, and each attempt.")
@json_option()
def status(job: str | None, last: int, verbose: bool, form: str) -> int:
    """Show what is wrong and its cure, each part of the service, the latest jobs and failures; or one JOB.

    JOB is a job's id or its first or last characters. Without JOB every part is asked, side by side, and none is waited
    for longer than two seconds: broker, records, S3, each repository, workers, beat, schedule, consumers of notices,
    disks. Exit code: 0 nothing is wrong, 1 something is wrong, 2 a service refuses us, 3 a service is away.

    \b
    Examples:
      underbutler status
      underbutler status 1a2b3c4d
      underbutler status 1a2b3c4d -v
      underbutler status --format json | jq '.wrong[] | .what, .cure'
    """
    if job is None:
        return _show_service(last, form)
    from .job import show_job

    show_job(job, verbose=verbose, form=form)
    return 0


def _show_service(last: int, form: str) -> int:
    began_at = time.monotonic()
    from underbutler.status import take

    found = take(last=last, began_at=began_at, shown=form == "text")
    if form == "json":
        from underbutler.cli.session import answer_json

        from .document import service_json

        answer_json(service_json(found))
        return found.exit_code
    from underbutler.terminal.consoles import stdout_console

    from .service import service_view

    stdout_console().print(service_view(found), highlight=False)
    return found.exit_code
