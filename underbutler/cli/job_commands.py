"""``underbutler status`` and ``underbutler cancel``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from underbutler.model.job import Phase, TargetState
from underbutler.terminal import answers, jobs_table, notices_table, sayings, targets_table

from .main import json_option
from .session import answer_json, counts_json, open_records

if TYPE_CHECKING:
    from underbutler.context import WorkerContext
    from underbutler.records import JobRow

__all__ = ["cancel", "status"]

SHOWN_TARGETS = 200


@click.command(short_help="Show jobs, newest first; or one job.")
@click.argument("job", required=False)
@click.option("-n", "--last", default=20, show_default=True, help="How many jobs to list.")
@click.option("-v", "--verbose", is_flag=True, help="With JOB: also its claims: worker, start, end and reason.")
@json_option()
def status(job: str | None, last: int, verbose: bool, form: str) -> None:
    """Show jobs, newest first; or one JOB with its targets, products and notices.

    JOB is a job's id or its first characters.

    \b
    Examples:
      underbutler status
      underbutler status 1a2b3c4d
      underbutler status 1a2b3c4d -v
      underbutler status --format json | jq '.[0].phase'
    """
    with open_records() as context:
        if job is None:
            _list_jobs(context, last, form)
        else:
            _show_job(context, context.jobs.job(job), verbose, form)


def _list_jobs(context: WorkerContext, last: int, form: str) -> None:

    found = context.jobs.jobs(limit=last)
    counts = context.jobs.counts_of_jobs(row.id for row in found)
    rows = [(row, counts[row.id]) for row in found]
    if form == "json":
        answer_json([_job_json(row, counts) for row, counts in rows])
    elif rows:
        answers().print(jobs_table(rows))
    else:
        sayings().print("No jobs yet. Submit one: `underbutler submit --help`.")


def _show_job(context: WorkerContext, row: JobRow, verbose: bool, form: str) -> None:

    counts = context.jobs.counts(row.id)
    targets = context.jobs.targets(row.id, limit=None if form == "json" else SHOWN_TARGETS)
    notices = context.jobs.notices(row.id)
    claims = context.jobs.claims(row.id) if verbose else []
    if form == "json":
        document = _job_json(row, counts) | {
            "targets": [asdict(target) for target in targets],
            "products": [asdict(product) for product in context.jobs.products(row.id)],
            "notices": [notice.to_json() for notice in notices],
        }
        answer_json(document | ({"claims": [asdict(claim) for claim in claims]} if verbose else {}))
        return
    console = answers()
    console.print(jobs_table([(row, counts)]))
    console.print(f"\nRUN collection  {row.run}\nconfig digest   {row.config_digest[:16]}")
    if row.error:
        console.print(f"error           {row.error}", style="red")
    console.print()
    console.print(targets_table(targets))
    if row.n_targets > len(targets):
        console.print(f"… {row.n_targets - len(targets)} more; all of them with --format json")
    if notices:
        console.print()
        console.print(notices_table(notices))
    for claim in claims:
        ended = claim.end or "live"
        console.print(
            f"claim {claim.claim_no} of {str(claim.target_id)[:8]} by {claim.worker}: {ended} {claim.reason or ''}"
        )


def _job_json(row: JobRow, counts: dict[TargetState, int]) -> dict[str, Any]:
    return asdict(row) | {"counts": counts_json(counts)}


@click.command(short_help="Cancel a job.")
@click.argument("job")
def cancel(job: str) -> None:
    """Cancel a JOB: what is queued never runs, what runs is stopped and leaves nothing visible.

    \b
    Examples:
      underbutler cancel 1a2b3c4d
    """
    from underbutler.broker import make_app, reachable

    with open_records() as context:
        row = context.jobs.job(job)
        say = sayings().print
        if Phase(row.phase).ended:
            say(f"Job {str(row.id)[:8]} has ended already: {row.phase}.")
            return
        sent = context.jobs.cancel(row.id)
        app = make_app(context.settings)
        if sent:
            with reachable(context.settings):
                app.control.revoke(sent, terminate=True, signal="SIGTERM")
        ended = context.jobs.job(row.id)
        say(f"Job {str(row.id)[:8]} is {ended.phase}; {len(sent)} targets were sent and are revoked.")
