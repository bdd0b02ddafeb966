"""The Celery app of the drain benchmark: one task that does nothing and writes down when it ran."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import Any

from underbutler.broker import make_app
from underbutler.settings import load_settings
from workers.intake.messaging import messaging_settings

TASK = "benchDrain"
FOLDER = "BENCH_FOLDER"
CONSUMER = "BENCH_CONSUMER"
EVENTS = "BENCH_EVENTS"

settings = load_settings()
app = make_app(settings, "drain")
app.conf.update(
    messaging_settings(settings)
    | {
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_send_sent_event": False,
        "worker_send_task_events": EVENTS in os.environ,
    }
)
if CONSUMER in os.environ:
    app.conf.worker_consumer = os.environ[CONSUMER]

_files: dict[int, int] = {}


@app.task(name=TASK)
def drained(*_: Any) -> None:
    """Write the time."""
    pid = os.getpid()
    if pid not in _files:
        path = Path(os.environ[FOLDER]) / f"ran-{pid}"
        _files[pid] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(_files[pid], struct.pack("d", time.monotonic()))
