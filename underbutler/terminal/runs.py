"""Runs of the catalogue as tables: a list of them, and one with its streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from underbutler.model.identity import short_id
from underbutler.model.status import status_of
from underbutler.wording import when_text

__all__ = ["FieldView", "RunView", "fields_table", "run_facts", "runs_table"]

_STYLES: Final = {"done": "green", "failed": "red", "aborted": "yellow", "running": "cyan"}
_UID: Final = 8
_ASKED_FOR: Final = ("underbutler", "lsst-daf-butler", "lsst-pipe-base", "astropy", "numpy")
_LISTED: Final = 3
"""Values of a data ID's dimension, and of other lists, that are written out."""

_TOLD: Final = {
    "task": "task",
    "plan_name": "plan",
    "label": "repository",
    "out": "written to",
    "run": "RUN collection",
    "collections": "collections",
    "owner": "owner",
    "config_digest": "config digest",
    "overrides": "overrides",
    "steps": "steps",
    "parent": "runs again",
}
"""Keys of a start document and what they are called, in their order."""


@dataclass(frozen=True)
class RunView:
    """A run as a list shows it.

    Parameters
    ----------
    start, stop
        Its documents; the stop is None while it is open.
    events
        How many events each stream has, if that is known otherwise than from the stop.
    """

    start: Mapping[str, Any]
    stop: Mapping[str, Any] | None
    events: Mapping[str, int] | None = None

    @property
    def status(self) -> str:
        """How it ended, or ``running``."""
        return "running" if self.stop is None else status_of(str(self.stop.get("exit_status", "")))

    @property
    def counts(self) -> str:
        """How many targets ended how; or how many events there are in which stream."""
        stop = self.stop or {}
        counts = stop.get("counts") or stop.get("num_events") or self.events
        if counts is None:
            return ""
        words = [f"{name} {number}" for name, number in sorted(counts.items()) if number]
        if self.stop is None and isinstance(self.start.get("num_points"), int):
            return f"{' '.join(words) or 'none'} of {self.start['num_points']}"
        return " ".join(words) or "none"

    @property
    def took(self) -> str:
        """How long it took, as text."""
        begun, ended = self.start.get("time"), (self.stop or {}).get("time")
        if not isinstance(begun, int | float) or not isinstance(ended, int | float):
            return ""
        return f"{ended - begun:.1f} s"


@dataclass(frozen=True)
class FieldView:
    """A field of a stream.

    Parameters
    ----------
    name
        Its name.
    data_key
        What its descriptor says.
    spec
        Spec of the resource that its first value is in, if it is kept outside of the events.
    """

    name: str
    data_key: Mapping[str, Any]
    spec: str | None = None

    @property
    def dtype(self) -> str:
        """Its numpy dtype by name, or the broad one of its descriptor."""
        import numpy as np

        named = self.data_key.get("dtype_numpy") or self.data_key.get("dtype_str")
        try:
            return np.dtype(named).name if named else str(self.data_key.get("dtype", "?"))
        except TypeError:
            return str(named)

    @property
    def shape(self) -> str:
        """The shape of one value: ``1024×1024``; nothing for a scalar."""
        shape = self.data_key.get("shape") or ()
        if not shape and self.data_key.get("dtype") == "array":
            return "?"
        return "×".join("?" if not isinstance(size, int) or size < 1 else str(size) for size in shape)

    @property
    def where(self) -> str:
        """Where its values are."""
        if not self.data_key.get("external"):
            return "in events"
        return f"external, {self.spec}" if self.spec else "external"


def runs_table(runs: Sequence[RunView]) -> Table:
    """Return a table of runs: as much of each uid as tells them apart, when, how they ended, how much they hold."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("run", "scan", "task", "label", "begun", "took", "status", "counts"):
        table.add_column(
            heading,
            justify="right" if heading in {"scan", "took"} else "left",
            no_wrap=heading in {"run", "scan", "begun", "took", "status"},
            overflow="fold",
        )
    size = _length_of_uids([str(run.start["uid"]) for run in runs])
    for run in runs:
        start = run.start
        table.add_row(
            str(start["uid"])[-size:],
            Text(str(start.get("scan_id", ""))),
            Text(str(start.get("task") or start.get("plan_name") or "")),
            Text(str(start.get("label") or "")),
            when_text(_seconds(start)),
            run.took,
            Text(run.status, style=_STYLES.get(run.status, "")),
            Text(run.counts),
        )
    return table


def run_facts(run: RunView) -> Iterator[tuple[str, str]]:
    """Yield what start and stop say of a run: names and texts."""
    start, stop = run.start, run.stop
    yield "uid", str(start["uid"])
    if "scan_id" in start:
        yield "scan id", str(start["scan_id"])
    for key, name in _TOLD.items():
        if start.get(key) and not (key == "plan_name" and start.get("task")):
            yield name, _told(key, start[key])
    if isinstance(start.get("data_id"), Mapping):
        yield "data IDs", "; ".join(f"{key} {_listed(value)}" for key, value in start["data_id"].items())
    if isinstance(start.get("versions"), Mapping):
        yield "versions", _versions(start["versions"])
    told = {*_TOLD, "uid", "scan_id", "data_id", "versions", "time", "options", "num_points"}
    for key, value in start.items():
        if key not in told and isinstance(value, str | int | float):
            yield key, str(value)
    yield "begun", when_text(_seconds(start)) or "not said"
    if stop is None:
        yield "ended", "still running"
        return
    took = f", {run.took} later" if run.took else ""
    yield "ended", (when_text(_seconds(stop)) or "not said") + took
    words = [status_of(str(stop.get("exit_status", "not said"))), str(stop.get("reason") or "")]
    yield "exit status", ": ".join(word for word in words if word)
    if isinstance(stop.get("dataset_counts"), Mapping):
        yield "datasets", ", ".join(f"{number} {kind}" for kind, number in stop["dataset_counts"].items()) or "none"


def fields_table(fields: Sequence[FieldView]) -> Table:
    """Return a table of fields: dtype, shape, units, and where the values are."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("field", "dtype", "shape", "units", "values"):
        table.add_column(heading, overflow="fold")
    for field in fields:
        units = str(field.data_key.get("units") or "")
        table.add_row(Text(f"  {field.name}"), field.dtype, field.shape, Text(units), Text(field.where))
    return table


def _length_of_uids(uids: Sequence[str]) -> int:
    """Return how many characters tell all of them apart; eight at least."""
    size, longest = _UID, max(map(len, uids), default=0)
    while size < longest and len({uid[-size:] for uid in uids}) < len(uids):
        size += 1
    return size


def _seconds(document: Mapping[str, Any]) -> float | None:
    seconds = document.get("time")
    return float(seconds) if isinstance(seconds, int | float) else None


def _told(key: str, value: Any) -> str:
    if key == "config_digest":
        return str(value)[:16]
    if key == "overrides":
        return ", ".join(_override(one) for one in value)
    if key == "steps" and isinstance(value, list):
        return ", ".join(_step(one) for one in value)
    if key == "parent":
        return f"targets of {short_id(str(value))}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _override(one: Any) -> str:
    """Return ``path=value``, and the instrument whose map says it; in runs of others it may be anything."""
    if not isinstance(one, list) or len(one) not in (2, 3):
        return str(one)
    return f"{one[0]}={one[1]}" + (f" (of {one[2]})" if len(one) == 3 else "")


def _step(step: Any) -> str:
    """Return a step of a job in words; in runs of others `steps` may be anything."""
    if not isinstance(step, Mapping) or not {"label", "task", "num_points"} <= step.keys():
        return str(step)
    return f"{step['label']} ({step['task']}, {step['num_points']})"


def _versions(versions: Mapping[str, Any]) -> str:
    """Return the versions that people ask for first, and how many more there are."""
    first = [name for name in _ASKED_FOR if name in versions] or list(versions)[: 2 * _LISTED]
    more = len(versions) - len(first)
    return ", ".join(f"{name} {versions[name]}" for name in first) + (f" … and {more} more" if more else "")


def _listed(value: Any) -> str:
    """Return the first and the last of many values."""
    if not isinstance(value, list | tuple):
        return str(value)
    if len(value) <= 2 * _LISTED:
        return " ".join(map(str, value))
    if all(isinstance(one, int) for one in value):
        return f"{value[0]} … {value[-1]} ({len(value)} of them)"
    return f"{' '.join(map(str, value[: 2 * _LISTED]))} … ({len(value)} of them)"
