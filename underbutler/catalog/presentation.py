"""Runs and streams for the eyes: in IPython and in notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Protocol

import numpy as np

from underbutler.wording import counted

__all__ = ["ShownRun", "ShownStream", "run_html", "run_text", "stream_html", "stream_text"]

_SHOWN = ("task", "label", "scan_id", "plan_name")
"""Keys of a start document that are shown, if it has them."""

_LEFT = 'style="text-align: left"'
"""Of every cell: notebooks put them to the right."""


class ShownStream(Protocol):
    """What is shown of a stream."""

    @property
    def stream_name(self) -> str:
        """Such as ``primary``."""

    @property
    def descriptors(self) -> Sequence[Mapping[str, Any]]:
        """Its descriptors."""

    def event_count(self) -> int:
        """Return how many events there are."""


class ShownRun(Protocol):
    """What is shown of a run."""

    @property
    def start(self) -> Mapping[str, Any]:
        """The start document."""

    @property
    def stop(self) -> Mapping[str, Any] | None:
        """The stop document; None while the run is open."""

    def items(self) -> Iterable[tuple[str, ShownStream]]:
        """Return names and streams."""


def run_text(run: ShownRun) -> str:
    """Return a run as lines of text: when, how it ended, its streams."""
    lines = [type(run).__name__, *(f"  {name}: {value}" for name, value in _facts(run).items()), "  Streams:"]
    lines += [f"    * {name}: {_events(stream)}" for name, stream in run.items()] or ["    none yet"]
    return "\n".join(lines)


def run_html(run: ShownRun) -> str:
    """Return a run as two tables: facts, streams."""
    facts = _table([[name, str(value)] for name, value in _facts(run).items()])
    streams = _table(
        [[name, str(stream.event_count()), ", ".join(_fields(stream))] for name, stream in run.items()],
        ["stream", "events", "fields"],
    )
    return f"<div><strong>{escape(type(run).__name__)}</strong>{facts}{streams}</div>"


def stream_text(stream: ShownStream) -> str:
    """Return a stream as lines of text: its fields, with shape, dtype and units."""
    lines = [f"{stream!r}: {_events(stream)}"]
    lines += [f"  {name}: {' '.join(filter(None, said))}" for name, said in _fields(stream).items()]
    return "\n".join(lines)


def stream_html(stream: ShownStream) -> str:
    """Return a stream as a table of its fields."""
    rows = [[name, *said] for name, said in _fields(stream).items()]
    title = f"{stream.stream_name}: {_events(stream)}"
    return f"<div><strong>{escape(title)}</strong>{_table(rows, ['field', 'dtype', 'shape', 'units', 'where'])}</div>"


def _events(stream: ShownStream) -> str:
    count = stream.event_count()
    return counted(count, "event")


def _facts(run: ShownRun) -> dict[str, Any]:
    start, stop = run.start, run.stop
    facts: dict[str, Any] = {"uid": start["uid"]}
    facts |= {name: start[name] for name in _SHOWN if name in start}
    facts["begun"] = _time(start)
    if stop is None:
        facts["ended"] = "still running"
        return facts
    facts["ended"] = _time(stop)
    facts["exit status"] = stop.get("exit_status", "not said")
    if stop.get("reason"):
        facts["reason"] = stop["reason"]
    return facts


def _time(document: Mapping[str, Any]) -> str:
    seconds = document.get("time")
    return "not said" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _fields(stream: ShownStream) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for descriptor in stream.descriptors:
        for name, said in descriptor["data_keys"].items():
            shape = "×".join("?" if size is None else str(size) for size in said.get("shape") or ()) or "scalar"
            where = "external" if said.get("external") else "in events"
            fields.setdefault(name, [_dtype(said), shape, str(said.get("units") or ""), where])
    return fields


def _dtype(said: Mapping[str, Any]) -> str:
    """Return a dtype in words: ``float32`` for ``<f4``."""
    named = said.get("dtype_numpy") or said.get("dtype_str")
    try:
        return np.dtype(named).name if isinstance(named, str) else str(said.get("dtype", "?"))
    except TypeError:
        return str(named)


def _table(rows: list[list[str]], header: list[str] | None = None) -> str:
    head = "".join(f"<th {_LEFT}>{escape(cell)}</th>" for cell in header or ())
    body = "".join("<tr>" + "".join(f"<td {_LEFT}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"
