"""Runs and streams for the eyes: in IPython and in notebooks. May import errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import BlueskyRun
    from .stream import BlueskyEventStream

__all__ = ["run_html", "run_text", "stream_html", "stream_text"]

_SHOWN = ("task", "label", "scan_id", "plan_name")
"""Keys of a start document that are shown, if it has them."""


def run_text(run: BlueskyRun) -> str:
    """Return a run as lines of text: when, how it ended, its streams."""
    lines = [type(run).__name__, *(f"  {name}: {value}" for name, value in _facts(run).items()), "  Streams:"]
    lines += [f"    * {name}: {stream.event_count()} events" for name, stream in run.items()] or ["    none yet"]
    return "\n".join(lines)


def run_html(run: BlueskyRun) -> str:
    """Return a run as two tables: facts, streams."""
    facts = _table([[name, str(value)] for name, value in _facts(run).items()])
    streams = _table(
        [[name, str(stream.event_count()), ", ".join(_fields(stream))] for name, stream in run.items()],
        ["stream", "events", "fields"],
    )
    return f"<div><strong>{escape(type(run).__name__)}</strong>{facts}{streams}</div>"


def stream_text(stream: BlueskyEventStream) -> str:
    """Return a stream as lines of text: its fields, with shape, dtype and units."""
    lines = [f"{stream!r}: {stream.event_count()} events"]
    lines += [f"  {name}: {' '.join(said)}" for name, said in _fields(stream).items()]
    return "\n".join(lines)


def stream_html(stream: BlueskyEventStream) -> str:
    """Return a stream as a table of its fields."""
    rows = [[name, *said] for name, said in _fields(stream).items()]
    title = f"{stream.stream_name}: {stream.event_count()} events"
    return f"<div><strong>{escape(title)}</strong>{_table(rows, ['field', 'dtype', 'shape', 'units', 'where'])}</div>"


def _facts(run: BlueskyRun) -> dict[str, Any]:
    start, stop = run.start, run.stop
    facts: dict[str, Any] = {"uid": start["uid"]}
    facts |= {name: start[name] for name in _SHOWN if name in start}
    facts["begun"] = _time(start)
    if stop is None:
        facts["ended"] = "still open"
        return facts
    facts["ended"] = _time(stop)
    facts["exit status"] = stop.get("exit_status", "not said")
    if stop.get("reason"):
        facts["reason"] = stop["reason"]
    return facts


def _time(document: Mapping[str, Any]) -> str:
    seconds = document.get("time")
    return "not said" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _fields(stream: BlueskyEventStream) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for descriptor in stream.descriptors:
        for name, said in descriptor["data_keys"].items():
            shape = "×".join("?" if size is None else str(size) for size in said.get("shape") or ()) or "scalar"
            where = "external" if said.get("external") else "in events"
            dtype = str(said.get("dtype_numpy") or said.get("dtype", "?"))
            fields.setdefault(name, [dtype, shape, str(said.get("units") or ""), where])
    return fields


def _table(rows: list[list[str]], header: list[str] | None = None) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header or ())
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"
