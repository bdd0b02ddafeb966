"""The beats of others on a schedule of one second: ``celery -A tests.support.drills.beats beat``."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

KIND = os.environ.get("DRILL_BEAT", "stock")
BROKER = os.environ.get("DRILL_BROKER", "redis://127.0.0.1:1/0")
FOLDER = os.environ.get("DRILL_FOLDER", ".")

LOCK_S = 5
"""Shortest lock of redbeat that its documentation allows for its loop of one second."""

SCHEDULERS = {
    "stock": "celery.beat:PersistentScheduler",
    "redbeat": "redbeat.RedBeatScheduler",
    "sqlalchemy-celery-beat": "sqlalchemy_celery_beat.schedulers:DatabaseScheduler",
}

settings: dict[str, Any] = {
    "broker_url": BROKER,
    "task_default_queue": KIND,
    "task_ignore_result": True,
    "beat_scheduler": SCHEDULERS[KIND],
    "beat_max_loop_interval": 1,
    "beat_schedule": {"second": {"task": "drill.second", "schedule": 1.0}},
    "redbeat_redis_url": BROKER,
    "redbeat_lock_timeout": LOCK_S,
    "redbeat_key_prefix": "drill-redbeat:",
    "beat_dburi": f"sqlite:///{FOLDER}/schedule.db",
}

app = Celery("drill_beats", set_as_current=False)
app.conf.update(settings)
