"""The life of a worker process: what it has open is made after the fork and closed at its end."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import Any

from celery import signals

from underbutler.context import WorkerContext
from underbutler.logs import get_logger
from underbutler.settings import load_settings

__all__ = ["connect", "current"]

log = get_logger(__name__)

_contexts: dict[int, WorkerContext] = {}
_opening = threading.Lock()


def current() -> WorkerContext:
    """Return what this process has open, opening it at the first call: also in solo and thread pools."""
    with _opening:
        context = _contexts.get(os.getpid())
        if context is None:
            _contexts.clear()  # a forked child forgets its parent's, and does not close it
            context = _contexts[os.getpid()] = WorkerContext(load_settings())
        return context


def close() -> None:
    """Close what this process has open, if anything."""
    context = _contexts.pop(os.getpid(), None)
    if context is not None:
        context.close()


@cache
def connect() -> None:
    """Connect to Celery's signals, once."""
    signals.worker_process_init.connect(_on_process_start, weak=False)
    signals.worker_process_shutdown.connect(_on_end, weak=False)
    signals.worker_shutdown.connect(_on_end, weak=False)


def _on_process_start(**_: Any) -> None:
    context = current()
    try:
        context.jobs.ping()
    except Exception as error:  # noqa: BLE001 - the worker starts all the same, and each target says it again
        log.warning("records_not_reachable", error=str(error))
    log.info("process_ready", pid=os.getpid())


def _on_end(**_: Any) -> None:
    close()
