"""A small Celery app over Underbutler's transport and consumer: its tasks only say that they ran."""

from __future__ import annotations

import os
import time
from pathlib import Path

from kombu import Exchange, Queue

from underbutler.broker import make_app
from underbutler.settings import load_settings
from workers.intake.messaging import messaging_settings

QUEUES = "TRANSPORT_QUEUES"
LONG_S = 8.0
"""A word that takes so long is taken up once."""

settings = load_settings()
app = make_app(settings, "transport_app")
app.conf.update(messaging_settings(settings))
app.conf.update(worker_prefetch_multiplier=1, worker_cancel_long_running_tasks_on_connection_loss=False)
if QUEUES in os.environ:
    names = os.environ[QUEUES].split(",")
    app.conf.task_queues = [Queue(name, Exchange(name, type="direct"), routing_key=name) for name in names]


def said(folder: Path) -> list[str]:
    """Return what tasks said, each once per run."""
    return [line for file in sorted(folder.glob("said-*")) for line in file.read_text().splitlines()]


@app.task(name="say", takes_any_message=True)
def say(word: str, folder: str, seconds: float = 0.0) -> None:
    """Say a word, after some seconds; a second delivery while the first waits stands down, as targets do."""
    if seconds >= LONG_S:
        try:
            (Path(folder) / f"began-{word}").touch(exist_ok=False)
        except FileExistsError:
            return
    time.sleep(seconds)
    with (Path(folder) / f"said-{os.getpid()}").open("a") as file:
        file.write(f"{word}\n")
