"""The Celery app of beat: ``celery -A beat beat``.

It keeps its schedule in memory, so it needs no file in the current folder, and imports no science.
"""

from __future__ import annotations

from typing import Any

import celery
from celery import signals

from underbutler.broker import make_app
from underbutler.settings import Settings, load_settings, settings_or_exit
from underbutler.telemetry import logs

from . import measuring

__all__ = ["app"]


def build(settings: Settings) -> celery.Celery:
    """Build beat's app: that of a submitter, with a scheduler of ours."""
    application = make_app(settings, "beat")
    application.conf.update(beat_scheduler="beat.scheduler:Scheduler")
    measuring.connect()
    return application


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: Any) -> None:
    import logging

    level = logging.getLevelName(loglevel) if isinstance(loglevel, int) else loglevel or "INFO"
    settings = load_settings()
    logs.configure(level, settings.log_format, settings.log_levels)


app = build(settings_or_exit())
