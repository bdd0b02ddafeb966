"""``underbutler quarantine``: what is held or parked, and what becomes of it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from underbutler.errors import UsageError
from underbutler.model.identity import short_id
from underbutler.records import ParkedRow, TargetRow
from underbutler.terminal import each_view, groups_view, held_view, parked_view, stderr_console, stdout_console, steps
from underbutler.wording import counted

from .dry_run import no_check_option
from .main import json_option
from .session import answer_json, open_records
from .token_options import read_access_token, token_options

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import JobRow

__all__ = ["Rate", "quarantine", "run_targets_again"]


class Rate(click.ParamType[float]):
    """Messages per second: ``5``, ``5/s``, ``30/min``, ``100/h``."""

    name = "N/s"
    _units = {"s": 1.0, "min": 60.0, "h": 3600.0}  # noqa: RUF012 - never changed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return messages per second."""
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*(s|min|h))?\s*", str(value))
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is not a rate. Write 5/s, 30/min or 100/h.", param, ctx)
        return float(found[1]) / self._units[found[2] or "s"]


@click.group()
def quarantine() -> None:
    """List, replay or discard held targets and parked messages.

    A target is held when its child died several times, when no worker could run it, or when its access token expired.
    A message is parked when it cannot be decoded or Underbutler did not send it. Nothing of either is lost.

    \b
    Examples:
      underbutler quarantine list
      underbutler quarantine show 1a2b3c4d
      underbutler quarantine replay --group 9f8e7d6c5b4a --rate 5/s
      underbutler quarantine discard 1a2b3c4d
    """


@quarantine.command("list", short_help="List what is in quarantine, grouped by reason.")
@click.option("--all", "each", is_flag=True, help="Each target and message, not groups.")
@click.option("--group", metavar="FINGERPRINT", help="Each one of this group.")
@click.option("-n", "--last", default=200, show_default=True, help="With --all or --group: how many at most.")
@json_option()
def list_quarantine(each: bool, group: str | None, last: int, form: str) -> None:
    """List what is in quarantine, grouped by the fingerprint of the reason, the latest first.

    Reasons that differ only in numbers, ids, paths and quoted values have one fingerprint. What was replayed or
    discarded is not listed any more.

    \b
    Examples:
      underbutler quarantine list
      underbutler quarantine list --all
      underbutler quarantine list --group 9f8e7d6c5b4a
      underbutler quarantine list --format json | jq '.[] | {fingerprint, count, reason}'
    """
    with open_records() as context:
        if each or group is not None:
            _list_each(context, group, last, form)
            return
        groups = context.jobs.quarantine.groups()
        if form == "json":
            answer_json([asdict(one) for one in groups])
        elif groups:
            stdout_console().print(groups_view(groups, context.jobs.overview.take().now))
            stderr_console().print("Look at one: `underbutler quarantine show SAMPLE`.")
        else:
            stderr_console().print("Nothing is in quarantine.")


def _list_each(context: ServiceContext, group: str | None, last: int, form: str) -> None:
    targets = context.jobs.quarantine.held(fingerprint=group, limit=last)
    messages = context.jobs.quarantine.parked(fingerprint=group, limit=last)
    if form == "json":
        answer_json([_held_json(target) for target in targets] + [_parked_json(message) for message in messages])
    elif targets or messages:
        stdout_console().print(each_view(targets, messages))
        if last in {len(targets), len(messages)}:
            stderr_console().print(f"Only the last {last} of a kind are shown; more with --last N.")
    else:
        stderr_console().print(
            "Nothing is in quarantine." if group is None else f"Nothing is held or parked in {group!r}."
        )


@quarantine.command(short_help="Show one held target or parked message.")
@click.argument("name", metavar="ID")
@json_option()
def show(name: str, form: str) -> None:
    """Show everything about one held target or parked message: reason, claims, the ends of their logs, raw bytes.

    ID is its id, or its first or last characters.

    \b
    Examples:
      underbutler quarantine show 1a2b3c4d
      underbutler quarantine show 1a2b3c4d --format json | jq .claims
    """
    from underbutler.sweeper.quarantine import advice_on

    with open_records() as context:
        found = context.jobs.quarantine.find(name)
        if isinstance(found, ParkedRow):
            advice = advice_on(context.jobs, found)
            if form == "json":
                answer_json(_parked_json(found) | {"advice": advice})
            else:
                stdout_console().print(parked_view(found, advice))
            return
        claims = context.jobs.read.claims(found.id)
        if form == "json":
            answer_json(_held_json(found) | {"claims": [asdict(claim) for claim in claims]})
            return
        kwargs = found.args[1] if len(found.args) > 1 else None
        stdout_console().print(held_view(found, context.jobs.read.job(found.job_id), claims, kwargs))
        if found.replayed_as is None:
            stderr_console().print(f"Run it again: `underbutler quarantine replay {short_id(found.id)}`.")


@quarantine.command(short_help="Run held targets again, as new jobs.")
@click.argument("names", metavar="[ID]...", nargs=-1)
@click.option("--group", metavar="FINGERPRINT", help="All targets that are held for this reason.")
@click.option(
    "--edit",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="KWARGS.JSON",
    help="Run them with these keyword arguments instead of their own: a JSON object.",
)
@click.option("--rate", type=Rate(), help="Send at this rate: 5/s, 30/min. Default: all at once.")
@no_check_option()
@token_options
@json_option()
def replay(
    names: tuple[str, ...],
    group: str | None,
    edit: Path | None,
    rate: float | None,
    no_check: bool,
    access_token_file: Path | None,
    token_lifetime: float | None,
    form: str,
) -> None:
    """Run held targets again: one new job for each job that they come from, linked to it.

    ID is a target (its id, or its first or last characters), the fingerprint of a group, or a job, which means all of
    its held targets. The new job has the config and options of the old one and a RUN collection of its own. Each target
    is replayed once; if that fails too, `underbutler retry` the new job. Parked messages cannot be replayed. A target
    that is held because its access token expired needs a new one.

    The pace of --rate is recorded with the targets, so that it is kept also when this command is interrupted: the
    sweeper then sends the rest.

    \b
    Examples:
      underbutler quarantine replay 1a2b3c4d
      underbutler quarantine replay --group 9f8e7d6c5b4a --rate 5/s
      underbutler quarantine replay 1a2b3c4d --edit kwargs.json
    """
    if not names and group is None:
        raise UsageError("Name what to replay: an ID, or --group FINGERPRINT. See `underbutler quarantine list`.")
    kwargs = None if edit is None else _read_kwargs(edit)
    token = read_access_token(access_token_file, token_lifetime)
    from underbutler.sweeper.quarantine import held_targets

    with open_records() as context:
        targets = held_targets(context.jobs, names, group=group)
        run_targets_again(context, targets, form, kwargs=kwargs, check=not no_check, per_second=rate, token=token)


def run_targets_again(context: ServiceContext, targets: Sequence[TargetRow], form: str, **how: Any) -> list[JobRow]:
    """Run targets again and tell of the new jobs: their ids on stdout, one per line, or as JSON."""
    from underbutler.broker import make_app
    from underbutler.sweeper.resubmission import run_again

    left: list[str] = []
    with steps("sending", len(targets)) as sent:
        made = run_again(
            context,
            make_app(context.settings),
            targets,
            progress=sent,
            on_unsent=lambda _, reason: left.append(reason),
            **how,
        )
    for reason in left[:1]:
        stderr_console().print(
            f"All is recorded, and not all messages were sent: {reason} The rest is sent when that is over, by beat or "
            "by `underbutler sweep`. Do not run it again.",
            style="yellow",
            soft_wrap=True,
        )
    if form == "json":
        answer_json(
            [{"job": row.id, "parent": row.parent_id, "targets": row.n_targets, "run": row.run} for row in made]
        )
        return made
    say = stderr_console().print
    for row in made:
        click.echo(str(row.id))
        number, parent = counted(row.n_targets, "target"), short_id(str(row.parent_id))
        say(f"{number} of job {parent} run again. Follow: `underbutler status {short_id(row.id)}`.")
    return made


@quarantine.command(short_help="Discard held targets or parked messages.")
@click.argument("names", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def discard(names: tuple[str, ...], yes: bool) -> None:
    """Put held targets or parked messages aside: they are not listed any more.

    A target stays held and its job stays as it is; `underbutler retry JOB --states held` runs it all the same. A
    message that comes again after it was discarded is listed again.

    \b
    Examples:
      underbutler quarantine discard 1a2b3c4d
      underbutler quarantine discard 1a2b3c4d 9f8e7d6c --yes
    """
    with open_records() as context:
        found = [context.jobs.quarantine.find(name) for name in names]
        if not yes:
            stdout_console().print(
                each_view(
                    [one for one in found if isinstance(one, TargetRow)],
                    [one for one in found if isinstance(one, ParkedRow)],
                )
            )
            click.confirm("Discard?" if len(found) == 1 else f"Discard these {len(found)}?", abort=True, err=True)
        say = stderr_console().print
        for one in found:
            short = short_id(one.id)
            if not context.jobs.quarantine.discard(one.id):
                say(f"{short} was discarded before.")
            elif isinstance(one, TargetRow):
                say(f"Target {short} is discarded; it stays held in job {short_id(one.job_id)}.")
            else:
                say(f"Message {short} is discarded, with its raw bytes.")


def _read_kwargs(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--edit {path} is not JSON: {error}.", path=str(path)) from error
    if not isinstance(document, dict):
        raise UsageError(f'--edit {path} should hold a JSON object of keyword arguments, e.g. {{"threshold": 3.0}}.')
    return document


def _held_json(target: TargetRow) -> dict[str, Any]:
    return {"kind": "held"} | asdict(target)


def _parked_json(message: ParkedRow) -> dict[str, Any]:
    """Return a message as JSON values: its bytes in base64."""
    fields = asdict(message)
    return (
        {"kind": "parked", "error_type": fields.pop("kind")} | fields | {"raw": base64.b64encode(message.raw).decode()}
    )
