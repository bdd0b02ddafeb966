"""What every line about a target carries: job, target, task, data ID, the attempt, and the trace that it belongs to.

In a child it is bound before Celery calls the task and cleared after Celery has told how it ended, so that Celery's own
lines carry it too; in the main process it is bound around what is done with one message.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from celery import signals

from underbutler.model.message import HEADER, Envelope
from underbutler.telemetry import logs
from underbutler.telemetry.tracing import trace_id_of

from .stray_prints import finish_lines

__all__ = ["about", "connect", "names_of"]


def names_of(envelope: Envelope, task: str, data_id: str) -> dict[str, str]:
    """Return what is bound of a target."""
    names = {"job": str(envelope.job), "target": str(envelope.target), "task": task, "data_id": data_id}
    trace = trace_id_of(envelope.traceparent)
    return names if trace is None else {**names, "trace_id": trace}


def about(headers: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Bind what the headers of a message tell of its target, for lines of the main process."""
    return logs.bound(**_of_headers(headers))


def _of_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Read the names without believing in them: any message comes here."""
    ours = headers.get(HEADER)
    if not isinstance(ours, Mapping):
        return {}
    names = {"job": ours.get("job"), "target": ours.get("target"), "task": headers.get("task")}
    names["data_id"] = headers.get("argsrepr")
    trace = ours.get("traceparent")
    names["trace_id"] = trace_id_of(trace) if isinstance(trace, str) else None
    return {name: value for name, value in names.items() if isinstance(value, str)}


@cache
def connect() -> None:
    """Connect to Celery's signals, once."""
    signals.task_prerun.connect(_bind, weak=False)
    signals.task_postrun.connect(_clear, weak=False)


def _bind(task: Any = None, **_: Any) -> None:
    logs.clear_target()
    logs.take_over_libraries()
    request = task.request
    headers = {HEADER: request.get(HEADER), "task": task.name, "argsrepr": request.get("argsrepr")}
    logs.bind_target(**_of_headers(headers))


def _clear(**_: Any) -> None:
    finish_lines()
    logs.clear_target()
