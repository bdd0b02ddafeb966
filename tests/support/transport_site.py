"""What the tests of the transport share: connections with it, workers over it, and a look into Redis."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from kombu import Connection, Exchange, Queue

from tests.support.programs.transport_app import QUEUES
from tests.support.services import eventually
from tests.support.warm_processes import MODULE, WarmService
from underbutler.broker import CONSUMER_URL, connection, make_app, transport_options
from underbutler.embedded.stack import environment_of
from underbutler.settings import Settings
from workers.transport.transport import worker_transport

ROOT = Path(__file__).parents[2]


@contextmanager
def atomic(settings: Settings, **options: Any) -> Iterator[Connection]:
    """Open a connection by the atomic transport."""
    chosen = worker_transport(settings)
    url = chosen.get(CONSUMER_URL, settings.broker_url)
    own = transport_options(settings) | options
    with Connection(url, transport=chosen.get("broker_transport"), transport_options=own) as opened:
        yield opened


def stock(settings: Settings) -> Connection:
    """Return a connection by kombu's own transport, as producers have it."""
    return connection(settings)


def queue_named(name: str) -> Queue:
    """Return a task queue by name."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def put(settings: Settings, queue: str, *bodies: object) -> None:
    """Publish messages as a producer does."""
    with stock(settings) as opened, opened.Producer() as producer:
        for body in bodies:
            target = queue_named(queue)
            producer.publish(body, exchange=target.exchange, routing_key=queue, declare=[target], serializer="json")


class Store:
    """A look into the Redis database of some settings."""

    def __init__(self, settings: Settings) -> None:
        self.client = redis.Redis.from_url(settings.broker_url)
        self.prefix = settings.broker_prefix

    def waiting(self, queue: str) -> list[Any]:
        """Return the messages of a queue, the next one first."""
        return [json.loads(text) for text in reversed(self.client.lrange(self.prefix + queue, 0, -1))]

    def bodies(self, queue: str) -> list[Any]:
        """Return their bodies, decoded."""
        import base64

        return [json.loads(base64.b64decode(message["body"])) for message in self.waiting(queue)]

    def booked(self) -> dict[str, Any]:
        """Return bookings by delivery tag."""
        found = self.client.hgetall(self.prefix + "unacked")
        return {tag.decode(): json.loads(text) for tag, text in found.items()}

    def index(self) -> dict[str, float]:
        """Return when tags were booked."""
        return {
            tag.decode(): when
            for tag, when in self.client.zrange(self.prefix + "unacked_index", 0, -1, withscores=True)
        }


def send_words(
    settings: Settings, folder: Path, words: Sequence[object], queue: str | None = None, **kwargs: Any
) -> None:
    """Send tasks that say words, in bulk."""
    app = make_app(settings)
    if queue is not None:
        app.conf.task_queues = [queue_named(queue)]
    with app.producer_pool.acquire(block=True) as producer:
        for word in words:
            app.send_task("say", (str(word), str(folder)), kwargs, queue=queue or settings.queue, producer=producer)


@contextmanager
def worker(
    settings: Settings,
    folder: Path,
    *options: str,
    app: str = "tests.support.programs.transport_app",
    queues: Sequence[str] = (),
    wait: bool = True,
    name: str = "worker",
) -> Iterator[WarmService]:
    """Run a Celery worker until the block ends."""
    environment = {
        **os.environ,
        **environment_of(settings),
        "UNDERBUTLER_HOME": str(settings.home),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    if queues:
        environment[QUEUES] = ",".join(queues)
    log = folder / f"{name}.log"
    command = [MODULE, "celery", "-A", app, "worker", "-l", "INFO", "-n", f"{name}@%h", *options]
    process = WarmService(command, environment, folder, log)
    try:
        if wait:
            process.wait_until(lambda: log.exists() and " ready." in log.read_text(), 60)
        yield process
    finally:
        process.stop(patience_s=20)


def all_said(folder: Path, n_words: int, timeout: float = 60) -> list[str]:
    """Wait until so many different words were said, and return what was said."""
    from tests.support.programs.transport_app import said

    eventually(lambda: len(set(said(folder))) >= n_words, timeout, f"{n_words} words")
    return said(folder)
