"""The Celery app of the workers: ``celery -A workers worker``.

One Celery task per registered science task, named after it, so that Flower, routes and time limits speak of science.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import celery
from celery import signals

import tasks
from underbutler.broker import make_app
from underbutler.pipe import known_tasks
from underbutler.settings import Settings, load_settings, settings_or_exit
from underbutler.telemetry import logs

from . import process
from .intake import revoke
from .intake.fitness import Fitness
from .intake.messaging import messaging_settings
from .liveness_file import LivenessFile
from .shutdown import Ending
from .target.celery_task import make_target_task
from .transport.compression import refuse_compressed

__all__ = ["app"]

log = logs.get_logger(__name__)


def worker_settings(settings: Settings) -> dict[str, Any]:
    """Return what a worker is configured with beyond what submitters share.

    One message in flight per child; a child is renewed after some hundred targets, or when it has grown too large, once
    its message is acknowledged; no hijacked root logger; a target is neither retried nor requeued by Celery, because
    the records decide that. Celery's soft shutdown is off: `workers.shutdown` ends a worker.
    """
    limit = settings.rss_limit_bytes
    return {
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 500,
        "worker_max_memory_per_child": None if limit is None else max(1, limit // 1024),
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": True,
        "worker_soft_shutdown_timeout": 0.0,
        "worker_enable_soft_shutdown_on_idle": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_time_limit": settings.hard_limit_s,
        "task_soft_time_limit": max(1, settings.hard_limit_s - 30),
    }


def build(settings: Settings) -> celery.Celery:
    """Build the worker's app and register every science task that loads."""
    application = make_app(settings, "workers")
    application.conf.update(worker_settings(settings) | messaging_settings(settings))
    _refuse_a_strangers_tasks()
    refuse_compressed()
    import_module("underbutler.catalog.database.insertion")  # before the fork: once, not in each child
    for entry in known_tasks():
        if entry.task_class is None:
            log.error("task_does_not_load", task=entry.name, entry_point=entry.entry_point.value, error=entry.error)
        else:
            application.register_task(make_target_task(entry.name, entry.task_class, settings))
    application.set_current()
    application.set_default()
    process.connect()
    revoke.connect()
    application.steps["worker"].add(Ending)
    application.steps["consumer"].add(Fitness)
    application.steps["consumer"].add(LivenessFile)
    return application


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: object) -> None:
    import logging

    level = logging.getLevelName(loglevel) if isinstance(loglevel, int) else loglevel or "INFO"
    settings = load_settings()
    logs.configure(level, settings.log_format, settings.log_levels)


def _refuse_a_strangers_tasks() -> None:
    """Say so when another ``tasks`` package shadows ours: Celery puts the current directory first."""
    found = Path(tasks.__file__ or "").resolve().parent
    expected = Path(__file__).resolve().parent.parent / "tasks"
    if found != expected:
        raise ImportError(
            f"The package 'tasks' that Python found is {found}, not Underbutler's. Start the worker from another "
            "folder than the one that holds it."
        )


app = build(settings_or_exit())
