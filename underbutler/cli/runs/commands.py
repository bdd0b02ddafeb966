"""``underbutler runs``: what was recorded of jobs, searched, looked at and read back."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click
from rich.text import Text

from underbutler.errors import UnderbutlerError, suggest
from underbutler.model.identity import short_id
from underbutler.terminal import fields_table, run_facts, runs_table, stderr_console, stdout_console, steps
from underbutler.terminal.runs import FieldView, RunView
from underbutler.wording import counted

from .catalog import RunCommand, answer_form, catalog_option, chosen_catalog, open_catalog, run_named
from .diff import diff_runs
from .files import export_runs, import_runs
from .plot import plot_run
from .serve import serve_runs

if TYPE_CHECKING:
    from underbutler.catalog import BlueskyEventStream, BlueskyRun, Broker
    from underbutler.catalog.run_store import RunHeader

__all__ = ["runs"]

_MANY: Final = 500
"""A list of more runs than this shows how far it is."""
_UNITS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class RunsGroup(click.Group):
    """The group, which knows that a word in the place of a command may be a run."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say how a run is shown."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            ctx.fail(
                f"`runs` has no command {args[0]!r}.{suggest(args[0], known)} Known: {', '.join(known)}. "
                f"To see one run: `underbutler runs show {args[0]}`."
            )
        return super().resolve_command(ctx, args)


class Moment(click.ParamType[Any]):
    """A time: ``2026-11-19``, ``2026-11-19 21:30`` (UTC), ISO 8601, seconds since 1970; or so long ago: ``12h``."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since 1970 UTC."""
        from underbutler.catalog.query.queries import QueryError, timestamp, zone_of

        ago = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d|w)\s*", str(value))
        if ago is not None:
            return time.time() - float(ago[1]) * _UNITS[ago[2]]
        if re.fullmatch(r"\s*\d{9,}(\.\d*)?\s*", str(value)):
            return float(value)
        try:
            return timestamp(str(value), zone_of("UTC"))
        except QueryError:
            self.fail(
                f"{value!r} is not a time. Write 2026-11-19, '2026-11-19 21:30' (UTC), or so long ago: 2d, 12h, 30min.",
                param,
                ctx,
            )


class Where(click.ParamType[Any]):
    """A query in MongoDB's words, written as JSON."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the query."""
        example = """'{"exit_status": "fail"}'"""
        try:
            query = json.loads(value)
        except ValueError as error:
            place = ""
            if isinstance(error, json.JSONDecodeError):
                place = f"\n  {error.doc}\n  {' ' * error.pos}^\n" if "\n" not in error.doc else "\n"
            self.fail(f"this is not JSON: {error}{place or '. '}Write a mapping, such as {example}.", param, ctx)
        if not isinstance(query, dict):
            self.fail(f"{value} is JSON, but no mapping. Write one, such as {example}.", param, ctx)
        return query


@click.group(cls=RunsGroup, invoke_without_command=True, short_help="Search, read, plot and exchange catalogue runs.")
@click.option("--since", type=Moment(), help="Runs that began then or later: 2026-11-19, '2026-11-19 21:30', 2d, 12h.")
@click.option("--until", type=Moment(), help="Runs that began before.")
@click.option("--task", metavar="NAME", help="Runs of this task.")
@click.option("--where", type=Where(), multiple=True, help="More that must hold, in MongoDB's words. Repeatable.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Largest number of runs to list."
)
@catalog_option
@answer_form
@click.pass_context
def runs(
    ctx: click.Context,
    since: float | None,
    until: float | None,
    task: str | None,
    where: tuple[dict[str, Any], ...],
    limit: int,
    catalog: str | None,
    form: str,
) -> None:
    """List runs, newest first; and show, compare, plot, import, export and serve them.

    Each job is one run: start, events of its targets, stop. Runs of other Bluesky tools are read as well. Times are
    UTC. --where asks start documents; `exit_status`, `num_events` and `stop.…` ask the stop.

    \b
    Examples:
      underbutler runs
      underbutler runs --since 2d --task processCcd
      underbutler runs --where '{"exit_status": "fail"}'
      underbutler runs --where '{"data_id.exposure": {"$gte": 2026112000015, "$lte": 2026112000026}}'
      underbutler runs --catalog /data/beamline/2026 --limit 100
      underbutler runs --json | jq -r '.[].uid'
      underbutler runs show 1a2b3c4d
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options_of_the_list(ctx)
        return
    found = _searched(open_catalog(catalog), since, until, task, where)
    if form == "json":
        _tell_json(found.headers(limit=limit), limit)
        return
    shown = [_view(found, header) for header in _told(found.headers(limit=limit + 1), limit + 1)]
    if not shown:
        _say_that_there_are_none(found, catalog, task)
        return
    stdout_console().print(runs_table(shown[:limit]))
    if len(shown) > limit:
        stderr_console().print(f"… and older ones: {len(found)} in all. See more with --limit.", highlight=False)


def _refuse_options_of_the_list(ctx: click.Context) -> None:
    for name in ("since", "until", "task", "where", "limit", "as_json", "form"):
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = next(param.opts[-1] for param in ctx.command.params if param.name == name)
            ctx.fail(f"{option} is an option of the list. Write it after `{ctx.invoked_subcommand}` if that has it.")


def _searched(
    catalog: Broker, since: float | None, until: float | None, task: str | None, where: Iterable[dict[str, Any]]
) -> Broker:
    from underbutler.catalog import TimeRange

    found = catalog.search(TimeRange(since, until))
    if task is not None:
        found = found.search({"$or": [{"task": task}, {"plan_name": task}]})
    for query in where:
        found = found.search(query)
    return found


def _told(headers: Iterator[RunHeader], limit: int) -> Iterator[RunHeader]:
    """Pass runs on, with a bar if they may be many."""
    with steps("reading", None) as read:
        for header in headers:
            if limit > _MANY:
                read()
            yield header


def _tell_json(headers: Iterator[RunHeader], limit: int) -> None:
    """Write the runs one by one: they may be many."""
    before = "["
    for header in _told(headers, limit):
        document = {"uid": header.uid, "start": header.start, "stop": header.stop}
        click.echo(f"{before}\n{json.dumps(document, default=_plain)}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def _plain(value: Any) -> Any:
    """Return what JSON can say of an array or a number of numpy."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _view(catalog: Broker, header: RunHeader) -> RunView:
    """Return a run as it is listed; of one that is open the events are counted."""
    if header.stop is not None:
        return RunView(header.start, header.stop)
    try:
        run = catalog[header.uid]
        return RunView(header.start, None, {name: stream.event_count() for name, stream in run.items()})
    except UnderbutlerError:  # it went away meanwhile, or ended: the list says of it what it knows
        return RunView(header.start, None)


def _say_that_there_are_none(found: Broker, place: str | None, task: str | None) -> None:
    say = stderr_console().print
    everything = open_catalog(place)
    newest = list(everything.headers(limit=200))
    if not newest:
        say(
            f"There are no runs in {everything.place} yet. Each job becomes one: `underbutler submit --help`; those in "
            "files are brought in by `underbutler runs import`.",
            highlight=False,
            soft_wrap=True,
        )
        return
    tasks = {str(header.start.get("task") or header.start.get("plan_name")) for header in newest}
    hint = "" if task is None or task in tasks else suggest(task, tasks)
    say(f"None of the {len(everything)} runs of {found.place} is like that.{hint}", highlight=False, soft_wrap=True)


@runs.command("show", cls=RunCommand, short_help="Show one run: facts, streams, fields.")
@click.argument("uid")
@catalog_option
@answer_form
@click.pass_context
def show_run(ctx: click.Context, uid: str, catalog: str | None, form: str) -> None:
    """Show one run: what it was, how it ended, its streams and their fields.

    UID is a uid, its first or last characters, a scan id, or -1, -2 … for the newest runs.

    \b
    Examples:
      underbutler runs show 1a2b3c4d
      underbutler runs show -1
      underbutler runs show 1a2b3c4d --json | jq '.streams.primary.fields | keys'
    """
    run = run_named(open_catalog(chosen_catalog(ctx, catalog)), uid)
    streams = {name: (stream, _fields(stream)) for name, stream in run.items()}
    if form == "json":
        click.echo(json.dumps(_run_json(run, streams), indent=2, default=_plain))
        return
    console = stdout_console()
    counts = {name: stream.event_count() for name, (stream, _) in streams.items()}
    view = RunView(run.start, run.stop, counts)
    for name, value in run_facts(view):
        console.print(f"{name:<16}{value}", highlight=False, markup=False, soft_wrap=True)
    for name, (_, fields) in streams.items():
        console.print()
        events = counted(counts[name], "event")
        console.print(Text.assemble((name, "bold"), f"  {events}"))
        console.print(fields_table(fields))
    if not streams:
        stderr_console().print(
            "It has no streams yet: none of its targets has ended." if run.stop is None else "No streams."
        )
    _say_how_to_plot(run, streams)


_Streams = Mapping[str, tuple["BlueskyEventStream", list[FieldView]]]


def _say_how_to_plot(run: BlueskyRun, streams: _Streams) -> None:
    """Name a field that may be plotted: one that the descriptor says is shown and has units, or else a number."""
    for stream, fields in streams.values():
        hints = {name for one in stream.descriptors for of in one.get("hints", {}).values() for name in of["fields"]}
        numbers = [field for field in fields if field.data_key.get("dtype") == "number"]
        numbers.sort(key=lambda field: (field.name not in hints, not field.data_key.get("units")))
        for field in numbers[:1]:
            stderr_console().print(
                f"\nPlot a field: `underbutler runs plot {short_id(run.uid)} {field.name}`.", highlight=False
            )
            return


def _run_json(run: BlueskyRun, streams: _Streams) -> dict[str, Any]:
    return {
        "uid": run.uid,
        "start": run.start,
        "stop": run.stop,
        "streams": {
            name: {
                "events": stream.event_count(),
                "fields": {field.name: {**field.data_key, "spec": field.spec} for field in fields},
            }
            for name, (stream, fields) in streams.items()
        },
    }


def _fields(stream: BlueskyEventStream) -> list[FieldView]:
    specs = _specs(stream)
    keys: dict[str, Mapping[str, Any]] = {}
    for descriptor in stream.descriptors:
        keys = {**descriptor["data_keys"], **keys}
    return [FieldView(name, data_key, specs.get(name)) for name, data_key in keys.items()]


def _specs(stream: BlueskyEventStream) -> dict[str, str]:
    """Return the spec of the resource that each external field of the first event is in."""
    if not any(key.get("external") for one in stream.descriptors for key in one["data_keys"].values()):
        return {}
    if stream.event_count() == 0:
        return {}
    specs: dict[str, str] = {}
    resource_of: dict[str, str] = {}
    found: dict[str, str] = {}
    for name, document in stream.read_partition(0, fill="no", partition_size=1):
        match name:
            case "resource":
                specs[document["uid"]] = document["spec"]
            case "datum":
                resource_of[document["datum_id"]] = document["resource"]
            case "datum_page":
                resource_of |= dict.fromkeys(document["datum_id"], document["resource"])
            case "event" | "event_page":
                data = document["data"]
                first = {key: value if name == "event" else value[0] for key, value in data.items()}
                of = {key: specs.get(resource_of.get(str(value), "")) for key, value in first.items()}
                found |= {key: spec for key, spec in of.items() if spec is not None}
    return found


for _command in (diff_runs, plot_run, import_runs, export_runs, serve_runs):
    runs.add_command(_command)
