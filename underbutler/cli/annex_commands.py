"""``underbutler annex``: whether everything is there that was announced."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import click

from underbutler.terminal import findings_table, stderr_console, stdout_console, steps
from underbutler.wording import counted

from .main import json_option
from .session import open_records

if TYPE_CHECKING:
    from underbutler.sweeper.annex_check import Finding

__all__ = ["annex"]

SHOWN = 500
"""Findings that a table shows; the rest is counted."""
DAY_S = 86400.0


@click.group()
def annex() -> None:
    """Manage the large file annex (the S3 bucket).

    \b
    Examples:
      underbutler annex verify
      underbutler annex verify --repair
    """


@annex.command(short_help="Compare records, bucket, notices and Butler.")
@click.argument("job", required=False)
@click.option("--repair", is_flag=True, help="Repair what can be repaired.")
@click.option("--deep", is_flag=True, help="Read every object and dataset and compare their SHA-256.")
@click.option(
    "--since",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DAYS",
    help="Check only what ended, or was written, since then.",
)
@json_option()
def verify(job: str | None, repair: bool, deep: bool, since: float | None, form: str) -> int:
    """Compare what the records say with the bucket, the notices and the Butler; of one JOB, or of all.

    Found are objects that are missing or have another size, ETag or SHA-256 than was announced; notices that are
    missing or were not sent; datasets that are gone or were changed; objects and unfinished uploads of dead claims
    that no record names. With --repair objects are delivered again from the Butler under the same key, if the bytes
    there are those announced; notices are recorded and sent; strays older than the hard limit of a target are removed.

    Exits with 0 when all is (or was put) in order, with 1 when findings remain.

    \b
    Examples:
      underbutler annex verify
      underbutler annex verify 1a2b3c4d --deep
      underbutler annex verify --since 7 --repair
      underbutler annex verify --format json | jq '.[] | select(.repaired | not)'
    """
    from underbutler.sweeper.annex_check import check_annex

    with open_records() as context:
        row = None if job is None else context.jobs.read.job(job)
        of_job = None if row is None else row.id
        since_s = None if since is None else since * DAY_S
        total = context.jobs.deliveries.count(job=of_job, since_s=since_s)
        check = partial(check_annex, context, job=of_job, since_s=since_s, deep=deep, repair=repair)
        if form == "json":
            counts = _tell_json(check())
        else:
            with steps("comparing", total) as looked:
                shown, counts = _gathered(check(progress=looked))
            _tell(shown, counts)
        left = sum(number for (_, repaired), number in counts.items() if not repaired)
        _sum_up(total, counts, left=left, may_repair=not repair)
    return 1 if left else 0


Counts = Counter[tuple[str, bool]]


def _gathered(findings: Iterator[Finding]) -> tuple[list[Finding], Counts]:
    """Return the first findings, and how many of each kind there are: there may be more than memory holds."""
    shown = list(islice(findings, SHOWN))
    counts: Counts = Counter((finding.kind.value, finding.repaired) for finding in shown)
    counts.update((finding.kind.value, finding.repaired) for finding in findings)
    return shown, counts


def _tell(shown: list[Finding], counts: Counts) -> None:
    if shown:
        stdout_console().print(findings_table(shown))
    if counts.total() > len(shown):
        stderr_console().print(f"… {counts.total() - len(shown)} more; all of them with --format json.")


def _tell_json(findings: Iterator[Finding]) -> Counts:
    """Write the findings one by one."""
    counts: Counts = Counter()
    before = "["
    for finding in findings:
        counts[finding.kind.value, finding.repaired] += 1
        click.echo(f"{before}\n{json.dumps(asdict(finding), default=str)}", nl=False)
        before = ","
    click.echo("\n]" if counts else "[]")
    return counts


def _sum_up(total: int, counts: Counts, *, left: int, may_repair: bool) -> None:
    say = stderr_console().print
    objects = counted(total, "object")
    if not counts:
        say(f"{objects} compared with records, notices and Butler: no findings.")
        return
    for (kind, repaired), number in sorted(counts.items()):
        say(f"{number} × {kind}{', repaired' if repaired else ''}", highlight=False)
    cure = " Repair what can be repaired: `underbutler annex verify --repair`." if left and may_repair else ""
    say(f"{objects} compared; {counted(left, 'finding remains', 'findings remain')}.{cure}")
