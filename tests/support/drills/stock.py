"""Stock Celery with every switch that makes it safer: what stands beside us in the drills.

``celery -A tests.support.drills.stock worker``. A job appends a line to a tally file when it starts and when it ends.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

BROKER = os.environ.get("DRILL_BROKER", "redis://127.0.0.1:1/0")
TALLY = Path(os.environ.get("DRILL_TALLY", "tally"))


def settings(broker: str) -> dict[str, Any]:
    """Return the safest settings that stock Celery has; times are short, as ours are in the drills."""
    common: dict[str, Any] = {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure_or_timeout": True,
        "worker_prefetch_multiplier": 1,
        "task_ignore_result": True,
        "accept_content": ["json"],
        "task_default_queue": "stock",
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "worker_soft_shutdown_timeout": 2.0,
        "worker_enable_soft_shutdown_on_idle": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_time_limit": 60,
    }
    if not broker.startswith("redis"):
        queue = Queue("stock", Exchange("stock"), routing_key="stock", queue_arguments={"x-queue-type": "quorum"})
        return common | {
            "broker_transport_options": {"confirm_publish": True},
            "task_queues": [queue],
            "worker_detect_quorum_queues": True,
        }
    return common | {
        "broker_transport_options": {
            "visibility_timeout": 10,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 10,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "global_keyprefix": "stock:",
            "priority_steps": [0],
        }
    }


app = Celery("drill_stock", broker=BROKER, set_as_current=False)
app.conf.update(settings(BROKER))


def tell(word: str, name: str) -> None:
    """Append one line to the tally; lines of several processes never mix."""
    line = f"{word} {name} {os.getpid()} {time.time():.3f}\n".encode()
    handle = os.open(TALLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


@app.task(name="stock.sleep")
def sleep(name: str, seconds: float = 0.0) -> None:
    """Do what the drills' targets do: nothing, for a while."""
    tell("start", name)
    time.sleep(seconds)
    tell("end", name)


@app.task(name="stock.die")
def die(name: str) -> None:
    """Kill the process that runs it."""
    tell("start", name)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="stock.limited", time_limit=6, soft_time_limit=4)
def limited(name: str, seconds: float = 0.0) -> None:
    """Sleep under a short time limit."""
    tell("start", name)
    time.sleep(seconds)
    tell("end", name)
