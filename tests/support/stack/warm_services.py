"""Worker and beat of a stack as `underbutler.embedded` starts them, forked from what has imported what they need."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.warm_processes import MODULE, WarmService
from underbutler.embedded.process import Guard
from underbutler.embedded.stack import environment_of
from underbutler.settings import Settings

__all__ = ["ready", "start_beat", "start_worker", "worker_and_beat"]

READY = {"worker": " ready.", "beat": "beat: Starting"}


def start_worker(folder: Path, environment: Mapping[str, str], guard: Guard, *, concurrency: int = 2) -> WarmService:
    """Start a worker that logs into a folder; it is not `ready` yet."""
    pool = ["-P", "prefork", "-c", str(concurrency), "--without-gossip", "--without-mingle", "-n", "embedded@%h"]
    return _start("worker", ["workers.celery", "worker", *pool], folder, environment, guard)


def start_beat(folder: Path, environment: Mapping[str, str], guard: Guard) -> WarmService:
    """Start a beat that logs into a folder; it is not `ready` yet."""
    return _start("beat", ["beat.celery", "beat"], folder, environment, guard)


def _start(name: str, words: list[str], folder: Path, environment: Mapping[str, str], guard: Guard) -> WarmService:
    folder.mkdir(parents=True, exist_ok=True)
    given = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    return WarmService([MODULE, "celery", "-A", *words, "-l", "INFO"], given, folder, folder / f"{name}.log", guard)


def ready(service: WarmService) -> WarmService:
    """Wait until it has said that it is ready, and return it."""
    word = READY[service.log.stem]
    service.wait_until(lambda: service.log.exists() and word in service.log.read_text(), 120)
    return service


@contextmanager
def worker_and_beat(settings: Settings, folder: Path, **variables: str) -> Iterator[list[WarmService]]:
    """Run both until the block ends. They are returned at once: wait for each by `ready`."""
    environment = environment_of(settings) | {"UNDERBUTLER_HOME": str(settings.home), **variables}
    with Guard() as guard, ExitStack() as running:
        started = [start_worker(folder / "worker", environment, guard), start_beat(folder / "beat", environment, guard)]
        for service in reversed(started):
            running.callback(service.stop, 20.0)
        yield started
