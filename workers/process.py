"""The life of a worker: its keeper starts before its pool; what a process has open is made after the fork."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import uuid
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from celery import signals

from underbutler.context import ServiceContext
from underbutler.settings import load_settings
from underbutler.telemetry import claim_log_file as black_box
from underbutler.telemetry import tracing
from underbutler.telemetry.logs import get_logger

from . import log_bindings, stray_prints
from .intake import fitness
from .keeper import link as keeper_link
from .measuring import start_counting

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["WORKER_ID", "connect", "current", "worker_id"]

log = get_logger(__name__)

WORKER_ID: Final = "UNDERBUTLER_WORKER_ID"
"""Environment variable by which the children know whose they are."""

_contexts: dict[int, ServiceContext] = {}
_opening = threading.Lock()


def current() -> ServiceContext:
    """Return what this process has open, opening it at the first call: also in solo and thread pools."""
    with _opening:
        context = _contexts.get(os.getpid())
        if context is None:
            _contexts.clear()  # a forked child forgets its parent's, and does not close it
            context = _contexts[os.getpid()] = ServiceContext(load_settings())
        return context


def worker_id(otherwise: str) -> str:
    """Return the identity of the worker that this process belongs to; new for every start of a worker."""
    return os.environ.get(WORKER_ID, otherwise)


def close() -> None:
    """Close what this process has open, if anything."""
    context = _contexts.pop(os.getpid(), None)
    if context is not None:
        context.close()


@cache
def connect() -> None:
    """Connect to Celery's signals, once."""
    signals.worker_init.connect(_on_worker_start, weak=False)
    signals.worker_process_init.connect(_on_process_start, weak=False)
    signals.worker_process_shutdown.connect(_on_end, weak=False)
    signals.worker_shutdown.connect(_on_worker_end, weak=False)
    log_bindings.connect()


def _on_worker_start(sender: Any, **_: Any) -> None:
    """Begin to count, and start the keeper: before the pool, which is forked from this process."""
    settings = load_settings()
    app: Celery = sender.app
    identity = f"{sender.hostname}/{uuid.uuid4().hex[:8]}"
    os.environ[WORKER_ID] = identity
    box = black_box.make_folder(settings.scratch_folder)
    os.environ[black_box.FOLDER] = str(box or "")
    if box is None:
        log.warning("no_black_box", folder=str(settings.scratch_folder))
    counted = start_counting(settings, "worker")
    queues = getattr(app.amqp.queues, "consume_from", None) or {settings.queue: None}
    keeper_link.set_current(
        keeper_link.KeeperLink(
            identity,
            lease_s=settings.lease_s,
            name=str(sender.hostname),
            queue=",".join(sorted(queues)),
            concurrency=sender.concurrency if isinstance(sender.concurrency, int) else 0,
            level=_level(sender.loglevel),
            box=str(box or ""),
            limits={name: float(task.time_limit) for name, task in app.tasks.items() if task.time_limit},
            metrics=None if counted is None else str(counted.path),
        )
    )


def _level(level: int | str | None) -> str:
    name = logging.getLevelName(level) if isinstance(level, int) else str(level or "INFO")
    return name if name in logging.getLevelNamesMapping() else "INFO"


def _on_process_start(**_: Any) -> None:
    fitness.judge_children_by_present_memory()
    stray_prints.catch_prints()
    context = current()
    try:
        context.jobs.ping()
    except Exception as error:  # noqa: BLE001 - the worker starts all the same, and each target says it again
        log.warning("records_not_reachable", error=str(error))
    log.info("process_ready", pid=os.getpid())


def _on_end(**_: Any) -> None:
    close()
    tracing.close()


def _on_worker_end(**_: Any) -> None:
    """Close, and let the keeper end what is left."""
    close()
    tracing.close()
    link = keeper_link.current()
    if link is not None:
        link.close()
    box = os.environ.get(black_box.FOLDER)
    if box:
        shutil.rmtree(box, ignore_errors=True)
