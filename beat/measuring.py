"""Beat's metrics: what it counts, and what the records say. Any number of beats say the same of the records."""

from __future__ import annotations

from functools import cache
from typing import Any

from celery import signals

from underbutler import metrics
from underbutler.context import WorkerContext
from underbutler.exposition import RecordsCollector
from underbutler.settings import load_settings

__all__ = ["connect"]


@cache
def connect() -> None:
    """Connect to Celery's signals, once."""
    signals.beat_init.connect(_on_start, weak=False)


def _on_start(**_: Any) -> None:
    """Count and serve, if the settings name a port."""
    settings = load_settings()
    if settings.metrics_port and metrics.begin("beat"):
        context = WorkerContext(settings)
        records = RecordsCollector(lambda: context.jobs, settings)
        metrics.Exporter(settings, *metrics.own(), records).keep_trying()
