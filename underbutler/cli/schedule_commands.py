"""``underbutler schedule``: manage scheduled submissions: entries, the next firings, and their history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from underbutler.errors import UsageError
from underbutler.terminal import coming_table, firings_table, schedules_table, stderr_console, stdout_console, when_text
from underbutler.wording import counted, visible

from .main import json_option
from .session import answer_json, open_records

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import ScheduleRow
    from underbutler.schedules.files import ScheduleFile
    from underbutler.schedules.preview import Coming

__all__ = ["schedule"]

DAY_S = 86400.0
TOML = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(short_help="Manage scheduled submissions.")
def schedule() -> None:
    """Manage scheduled submissions.

    Beat (`celery -A beat beat`, part of `underbutler up`) reads the file that UNDERBUTLER_SCHEDULES names, by default
    schedules.toml in the home folder, whenever it changes. Any number of beats may run: each slot fires once.

    ID is an entry's name, or its id or its first or last characters.

    \b
    Examples:
      underbutler schedule check schedules.toml
      underbutler schedule list
      underbutler schedule next --days 3
      underbutler schedule history process-night
    """


@schedule.command("list", short_help="List the entries.")
@json_option()
def list_schedules(form: str) -> None:
    """List the entries: when each fires, when next, what became of the last firing, and what is wrong with it.

    \b
    Examples:
      underbutler schedule list
      underbutler schedule list --format json | jq '.[] | select(.error)'
    """
    with open_records() as context:
        last = context.jobs.firings.last_of_each()
        rows = [(row, last.get(row.id)) for row in context.jobs.schedules.entries()]
        if form == "json":
            answer_json([asdict(row) | {"last": None if one is None else asdict(one)} for row, one in rows])
        elif rows:
            stdout_console().print(schedules_table(rows, context.jobs.now()))
            for row, _ in rows:
                if row.error:
                    stderr_console().print(f"{row.name}: {row.error}", style="red", soft_wrap=True, highlight=False)
        else:
            stderr_console().print(
                f"Nothing is scheduled. Write {context.settings.schedules_file}, check it with `underbutler schedule "
                "check`, and beat reads it; or `underbutler schedule load FILE`.",
                soft_wrap=True,
            )


@schedule.command("next", short_help="List the coming firings, and those left out with the reason.")
@click.argument("name", metavar="[ID]", required=False)
@click.option("--days", type=click.FloatRange(min=0, max=400, min_open=True), default=1.0, show_default=True)
@click.option("--file", "path", type=TOML, metavar="FILE", help="Use this file instead of the loaded schedule.")
@click.option("--fires", "only_fires", is_flag=True, help="Leave out skipped slots.")
@json_option()
def next_slots(name: str | None, days: float, path: Path | None, only_fires: bool, form: str) -> None:
    """Show the slots to come, in UTC and in the site's time; skipped slots with the reason.

    \b
    Examples:
      underbutler schedule next --days 3
      underbutler schedule next process-night
      underbutler schedule next --file schedules.toml --fires
    """
    if path is not None:
        slots = list(_slots_of_file(path, name, days))
    else:
        with open_records() as context:
            rows = context.jobs.schedules.entries() if name is None else [context.jobs.schedules.entry(name)]
            slots = list(_slots_of_rows(context, rows, days))
    slots = sorted(
        (one for one in slots if not (only_fires and one.why_not)),
        key=lambda one: (one.at is None, one.at, one.name),
    )
    if form == "json":
        answer_json([_slot_json(one) for one in slots])
    elif slots:
        stdout_console().print(coming_table(slots))
    else:
        stderr_console().print(f"Nothing in the next {days:g} days.")


@schedule.command(short_help="Fire an entry now.")
@click.argument("name", metavar="ID")
@json_option()
def run(name: str, form: str) -> None:
    """Fire an entry now, beside its slots; also one that is paused. A beat must run: it does what was fired.

    Prints the id that the job will have.

    \b
    Examples:
      underbutler schedule run process-night
    """
    from underbutler.schedules.firing import definition_of

    with open_records() as context:
        row = _living(context, name)
        definition = definition_of(row)
        user = context.settings.user
        now = round(context.jobs.now() - 0.5) + 0.5  # no slot of the clock is at half a second
        job = context.jobs.schedules.fire_by_hand(row, now, lane=definition.lane, fired_by=user)
        if form == "json":
            answer_json({"schedule": row.name, "job": str(job), "due_at": now})
        else:
            click.echo(str(job))
            stderr_console().print(f"Fired. Follow it: `underbutler schedule history {row.name}`.")


@schedule.command(short_help="Pause a schedule entry.")
@click.argument("name", metavar="ID")
def pause(name: str) -> None:
    """Pause a schedule entry until it is resumed. Its slots until then are left out.

    \b
    Examples:
      underbutler schedule pause process-night
    """
    with open_records() as context:
        row = _living(context, name)
        paused = context.jobs.schedules.pause(row.id, who=context.settings.user)
        stderr_console().print(f"Schedule {row.name} {'is paused' if paused else 'was paused before'}.")


@schedule.command(short_help="Resume a paused entry.")
@click.argument("name", metavar="ID")
def resume(name: str) -> None:
    """Let an entry that was paused fire again, from its next slot on.

    \b
    Examples:
      underbutler schedule resume process-night
    """
    from underbutler.schedules.clocks import clock_of
    from underbutler.schedules.firing import definition_of

    with open_records() as context:
        row = _living(context, name)
        now = context.jobs.now()
        due = clock_of(definition_of(row)).due_after(now)
        resumed = context.jobs.schedules.resume(row.id, next_due=due, since=now, who=context.settings.user)
        then = f" It is due at {when_text(due)}." if due is not None and resumed else ""
        stderr_console().print(f"Schedule {row.name} {'is resumed.' if resumed else 'was not paused.'}{then}")


@schedule.command(short_help="Show the history of an entry's firings.")
@click.argument("name", metavar="[ID]", required=False)
@click.option("-n", "--last", default=20, show_default=True, help="Largest number to list.")
@json_option()
def history(name: str | None, last: int, form: str) -> None:
    """Show the latest firings of an entry, or of all: when each was due, how late, its job, what became of it.

    \b
    Examples:
      underbutler schedule history process-night
      underbutler schedule history -n 100 --format json | jq '.[] | select(.state == "failed")'
    """
    with open_records() as context:
        row = None if name is None else context.jobs.schedules.entry(name)
        firings = context.jobs.firings.latest(None if row is None else row.id, limit=last)
        if form == "json":
            answer_json([asdict(one) for one in firings])
        elif firings:
            stdout_console().print(firings_table(firings, with_names=row is None))
        else:
            stderr_console().print("Nothing was fired.")


@schedule.command(short_help="Check a schedule file without loading it.")
@click.argument("path", metavar="FILE", type=TOML)
def check(path: Path) -> int:
    """Check a file: its form, times and names. Needs no records and no broker. Exits with 2 if anything is wrong.

    \b
    Examples:
      underbutler schedule check schedules.toml && cp schedules.toml ~/.local/share/underbutler/
    """
    from underbutler.schedules.file_check import check_file

    file, problems = check_file(path)
    for problem in problems:
        click.echo(visible(str(problem)), err=True)
    right = len(file.entries)
    said = counted(right, "entry is valid", "entries are valid")
    stderr_console().print(f"{said}, {counted(len(problems), 'fault')} found.")
    return 2 if problems else 0


@schedule.command(short_help="Load a file into the job database.")
@click.argument("path", metavar="FILE", type=TOML)
def load(path: Path) -> None:
    """Bring a file into the records, for beats that have none of their own. All or nothing.

    The records then hold the entries of this file and no others. A beat that finds a file of its own brings in that one
    when it starts and whenever it changes.

    \b
    Examples:
      underbutler schedule load schedules.toml
    """
    from underbutler.schedules.file_check import check_file
    from underbutler.schedules.firing import bring

    file, problems = check_file(path)
    if problems:
        raise UsageError("Nothing was loaded: " + "\n".join(problems), path=str(path))
    with open_records(may_make=True) as context:
        changed = bring(context.jobs, file, who=context.settings.user, now=context.jobs.now())
    stderr_console().print(f"{len(file.entries)} entries; changed: {', '.join(changed) or 'none'}.")


def _living(context: ServiceContext, name: str) -> ScheduleRow:
    row = context.jobs.schedules.entry(name)
    if row.removed_at is not None:
        raise UsageError(f"Schedule {row.name!r} was removed; only its history is left.", schedule=row.name)
    return row


def _slots_of_rows(context: ServiceContext, rows: list[ScheduleRow], days: float) -> Iterator[Coming]:
    from underbutler.schedules.firing import definition_of
    from underbutler.schedules.preview import coming

    now = context.jobs.now()
    for row in rows:
        if row.definition is not None and row.removed_at is None:
            definition = definition_of(row)
            yield from coming(definition, now, now + days * DAY_S, next_due=row.next_due, paused=row.paused)


def _slots_of_file(path: Path, name: str | None, days: float) -> Iterator[Coming]:
    import time

    from underbutler.schedules.files import read_schedules
    from underbutler.schedules.preview import coming

    file: ScheduleFile = read_schedules(path)
    for problem in file.problems:
        click.echo(visible(problem.text(path)), err=True)
    now = time.time()
    for definition in file.entries:
        if name in (None, definition.name):
            yield from coming(definition, now, now + days * DAY_S, next_due=None, paused=False)


def _slot_json(one: Coming) -> dict[str, Any]:
    from underbutler.schedules.preview import local_time

    return asdict(one) | {
        "utc": when_text(one.at),
        "local": "" if one.at is None else local_time(one.at, one.zone),
    }
