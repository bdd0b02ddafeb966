"""Beat's metrics: what it counts, and what the records say. Any number of beats say the same of the records."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from functools import cache
from typing import Any

import psutil
from celery import signals

from underbutler import metrics
from underbutler.context import ServiceContext
from underbutler.notices_collector import NoticesCollector, ask_consumers
from underbutler.records_collector import RecordsCollector
from underbutler.settings import load_settings
from workers.measuring import start_counting

__all__ = ["connect"]


@cache
def connect() -> None:
    """Connect to Celery's signals, once."""
    signals.beat_init.connect(_on_start, weak=False)


def _on_start(**_: Any) -> None:
    """Count and serve, if the settings name a port; the processes that do what was fired count in the same folder."""
    settings = load_settings()
    folder = start_counting(settings, "beat")
    if folder is None:
        return
    atexit.register(folder.remove)
    context = ServiceContext(settings)
    records = RecordsCollector(lambda: context.jobs, settings)
    consumers = NoticesCollector(lambda: ask_consumers(settings))
    metrics.Exporter(settings, _Counted(folder), records, consumers).keep_trying()


class _Counted:
    """What beat and its processes have counted; those that are gone are added up first."""

    def __init__(self, folder: metrics.MetricsFolder) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Any]:
        self._folder.tidy(psutil.pid_exists)
        yield from self._folder.collect()
