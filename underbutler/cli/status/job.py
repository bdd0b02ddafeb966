"""One job in a terminal: numbers and reasons first; ids, addresses and attempts where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from underbutler.cli.session import answer_json, open_records
from underbutler.model.identity import short_id
from underbutler.model.job import Phase, TargetState
from underbutler.terminal import (
    ClaimsView,
    jobs_table,
    notices_table,
    stderr_console,
    stdout_console,
    steps_table,
    targets_table,
)
from underbutler.wording import size_text

from .document import job_json

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.model.notice import LargeFileObjectAvailable
    from underbutler.records import JobRow, TargetRow

__all__ = ["show_job"]

SHOWN_TARGETS: Final = 200


def show_job(name: str, *, verbose: bool, form: str) -> None:
    """Show one job.

    Parameters
    ----------
    name
        Its id, or the first or last characters of it.
    verbose
        Also ids, addresses of objects, and attempts.
    form
        ``text`` or ``json``.
    """
    with open_records() as context:
        row = context.jobs.read.job(name)
        if form == "json":
            _answer(context, row, verbose=verbose)
        else:
            _show(context, row, verbose=verbose)


def _answer(context: ServiceContext, row: JobRow, *, verbose: bool) -> None:
    read = context.jobs.read
    document = job_json(row, read.counts(row.id)) | {
        "targets": [asdict(target) for target in read.targets(row.id)],
        "products": [asdict(product) for product in read.products(row.id)],
        "notices": [notice.to_json() for notice in read.notices(row.id)],
    }
    answer_json(document | ({"claims": [asdict(claim) for claim in read.claims(row.id)]} if verbose else {}))


def _show(context: ServiceContext, row: JobRow, *, verbose: bool) -> None:
    read = context.jobs.read
    counts = read.counts(row.id)
    targets = read.targets(row.id, limit=SHOWN_TARGETS)
    notices = read.notices(row.id)
    console = stdout_console()
    console.print(jobs_table([(row, counts)]))
    if row.error:
        console.print(f"{'error':<16}{row.error}", style="red")
    if len(row.steps) > 1:
        console.print()
        console.print(steps_table(row.steps, read.counts_of_steps(row.id)))
    console.print()
    console.print(targets_table(targets, ids=verbose))
    if row.n_targets > len(targets):
        console.print(f"… {row.n_targets - len(targets)} more; all of them with --format json")
    console.print()
    for name, value in _facts(row, targets, notices, verbose=verbose):
        console.print(f"{name:<16}{value}", highlight=False, soft_wrap=True)
    if verbose:
        if notices:
            console.print()
            console.print(notices_table(notices))
        if claims := read.claims(row.id):
            console.print()
            console.print(ClaimsView(claims))
    _say_what_to_do(row, counts, targets)


def _facts(
    row: JobRow, targets: list[TargetRow], notices: list[LargeFileObjectAvailable], *, verbose: bool
) -> list[tuple[str, str]]:
    facts = [("RUN collection", row.run)]
    if notices:
        where = "" if verbose else f"; where: `underbutler status {short_id(row.id)} -v`"
        facts.append(("in the annex", f"{_in_the_annex(notices)}{where}"))
    if len(row.steps) == 1:
        facts.append(("config digest", row.steps[0].config_digest[:16]))
    if row.parent_id is not None:
        facts.append(("runs again", f"targets of job {short_id(row.parent_id)}"))
    again = dict.fromkeys(short_id(target.replayed_as) for target in targets if target.replayed_as is not None)
    if again:
        facts.append(("run again by", f"job {', '.join(again)}"))
    if row.cancel_requested and not Phase(row.phase).ended:
        facts.append(("cancelled", "its running targets are being stopped"))
    return facts


def _in_the_annex(notices: list[LargeFileObjectAvailable]) -> str:
    sizes: dict[str, list[int]] = {}
    for notice in notices:
        sizes.setdefault(notice.generator, []).append(notice.byteSize)
    return ", ".join(f"{name} {len(each)} ({size_text(sum(each))})" for name, each in sorted(sizes.items()))


def _say_what_to_do(row: JobRow, counts: Mapping[TargetState, int], targets: list[TargetRow]) -> None:
    say, short = stderr_console().print, short_id(row.id)
    if any(
        target.state is TargetState.HELD and target.discarded_at is None and target.replayed_as is None
        for target in targets
    ):
        say(
            "Look at a held target: `underbutler quarantine show ID`; run it again: `underbutler quarantine replay ID`."
        )
    if counts.get(TargetState.FAILED) or counts.get(TargetState.HELD):
        say(f"See why: `underbutler logs {short}`.")
    if counts.get(TargetState.FAILED) and not any(target.replayed_as for target in targets):
        say(f"Run failed targets again: `underbutler retry {short}`.")
