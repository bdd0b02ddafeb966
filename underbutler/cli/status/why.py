"""``underbutler why``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from underbutler.cli.main import json_option
from underbutler.cli.session import answer_json, open_records
from underbutler.model.identity import short_id
from underbutler.model.job import TargetState

if TYPE_CHECKING:
    from rich.console import RenderableType

    from underbutler.context import ServiceContext
    from underbutler.records import JobRow, TargetRow
    from underbutler.status.why import Explanation

__all__ = ["why"]

_LOOKED_AT: Final = {TargetState.QUEUED, TargetState.FAILED, TargetState.HELD}


@click.command(short_help="Show why a job, or a target of it, is where it is.")
@click.argument("job")
@click.argument("target", nargs=-1)
@click.option("--no-look", is_flag=True, help="Do not open the repository to look what is missing there.")
@json_option()
def why(job: str, target: tuple[str, ...], no_look: bool, form: str) -> None:
    """Show why the targets of a JOB are where they are, one for each kind; or one TARGET.

    A chain of reasons: what it waits for, what is before it in its queue and who takes from that, an open circuit
    breaker, who runs it and since when, why it failed and at which line of its task, what its earlier attempts met; and
    what the repository lacks of what it needs.

    JOB is a job's id or its first or last characters. TARGET is its place in the job (1 is the first), its id or at
    least 4 characters of it, or words of its data ID (exposure=42 detector=0).

    \b
    Examples:
      underbutler why 1a2b3c4d
      underbutler why 1a2b3c4d 3
      underbutler why 1a2b3c4d exposure=20130713005733 --no-look
      underbutler why 1a2b3c4d --format json | jq '.targets[].reasons[].text'
    """
    from underbutler.cli.target_names import named_targets
    from underbutler.status.why import explain, one_of_each

    with open_records() as context:
        row = context.jobs.read.job(job)
        chosen = one_of_each(named_targets(context.jobs.read.targets(row.id), row, target))
        found = [
            _looked(context, row, one, explain(context.jobs, context.settings, one, alike=alike), look=not no_look)
            for one, alike in chosen
        ]
        if form == "json":
            answer_json({"job": str(row.id), "phase": row.phase, "targets": [asdict(one) for one in found]})
            return
        from underbutler.terminal.consoles import stdout_console

        console = stdout_console()
        for one in found:
            console.print(_view(one), highlight=False)


def _looked(context: ServiceContext, row: JobRow, target: TargetRow, found: Explanation, *, look: bool) -> Explanation:
    """Add what the repository lacks, of a target that may still need it."""
    if not look or target.state not in _LOOKED_AT:
        return found
    from dataclasses import replace

    from underbutler.status.why import lacking

    return replace(found, reasons=(*found.reasons, *lacking(context, row, target)))


def _view(found: Explanation) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from underbutler.redaction import redacted_text
    from underbutler.terminal.reasons import told_once

    also = f", and {found.alike} more like it" if found.alike else ""
    head = f"target {found.ordinal + 1} ({short_id(found.target)})  {found.data}  {found.state.value}{also}"
    lines: list[RenderableType] = [Text(head, style="bold")]
    for reason in found.reasons:
        lines.append(Padding(Text(redacted_text(told_once(reason.text))), (0, 0, 0, 2), expand=False))
        if reason.cure:
            lines.append(Padding(Text(redacted_text(reason.cure), style="cyan"), (0, 0, 0, 4), expand=False))
    return Group(*lines)
