"""Stock hardened Celery beside us: its own broker database, its own workers, a tally file that says what it did."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from tests.support.drills.worker import DrillWorker
from tests.support.services import eventually
from underbutler.embedded.process import Guard

__all__ = ["Rival", "StockFacts"]

ROOT = Path(__file__).parents[3]
QUIET_S = 12.0
"""So long after the last sign of work what has not been done is lost: the visibility timeout of 10 s, and a sweep."""
PREFIX = "stock:"
NUMBERS = count(1)


@dataclass(frozen=True, kw_only=True)
class StockFacts:
    """What became of some of stock's jobs; an effect is a run that came to its end."""

    targets: int
    lost: int
    doubled: int
    started: int


class Rival:
    """Stock Celery on a broker.

    Parameters
    ----------
    home
        Folder of its logs and tally.
    broker_url
        The same server as ours; another key prefix on Redis, another virtual host on RabbitMQ.
    """

    def __init__(self, home: Path, broker_url: str, guard: Guard) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.broker_url = broker_url
        self.guard = guard
        self.tally = home / "tally"
        self.tally.touch()
        self.workers: list[DrillWorker] = []
        self._variables = {"DRILL_BROKER": broker_url, "DRILL_TALLY": str(self.tally), "PYTHONPATH": str(ROOT)}
        self.app = self._sender()

    def _sender(self) -> Celery:
        from tests.support.drills import stock as drill_stock

        app = Celery("drill_sender", broker=self.broker_url, set_as_current=False)
        app.conf.update(drill_stock.settings(self.broker_url))
        return app

    def environment(self) -> dict[str, str]:
        """Return the environment of a program that belongs to stock."""
        return {**os.environ, **self._variables}

    def worker(self, *, concurrency: int = 2) -> DrillWorker:
        """Start a worker."""
        worker = DrillWorker(
            f"stock{next(NUMBERS)}",
            "tests.support.drills.stock",
            self.home,
            self._variables,
            self.guard,
            concurrency=concurrency,
        )
        self.workers.append(worker)
        return worker

    def only(self, number: int = 1, *, concurrency: int = 2) -> list[DrillWorker]:
        """Have exactly so many workers, and an empty queue."""
        self.end()
        self.empty_broker()
        started = [self.worker(concurrency=concurrency) for _ in range(number)]
        return [worker.ready() for worker in started]

    def end(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.end()
        self.workers.clear()

    def close(self) -> None:
        """End everything."""
        self.end()
        self.app.close()

    def send(self, drill: str, number: int, *, seconds: float = 0.0, task: str = "stock.sleep") -> list[str]:
        """Send so many jobs and return their names."""
        names = [f"{drill}-{index}" for index in range(number)]
        kwargs: dict[str, Any] = {"seconds": seconds} if task != "stock.die" else {}
        with self.app.producer_pool.acquire(block=True) as producer:
            for name in names:
                self.app.send_task(task, args=[name], kwargs=kwargs, task_id=name, queue="stock", producer=producer)
        return names

    def counts(self, names: list[str]) -> tuple[Counter[str], Counter[str], float]:
        """Return how often jobs started and ended, and when the last line was written."""
        wanted = set(names)
        started: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        last = 0.0
        for line in self.tally.read_text().splitlines():
            word, name, _, at = line.split()
            if name in wanted:
                (started if word == "start" else ended)[name] += 1
                last = max(last, float(at))
        return started, ended, last

    def running(self, names: list[str]) -> dict[str, int]:
        """Return the jobs that have started and not ended, and the process of each."""
        found: dict[str, int] = {}
        for line in self.tally.read_text().splitlines():
            word, name, pid, _ = line.split()
            if name in names:
                if word == "start":
                    found[name] = int(pid)
                else:
                    found.pop(name, None)
        return found

    def ended_by(self, names: list[str], worker: DrillWorker) -> int:
        """Return how many of some jobs came to their end in the children of a worker."""
        pids = {child.pid for child in worker.children()}
        lines = [line.split() for line in self.tally.read_text().splitlines()]
        return sum(word == "end" and name in names and int(pid) in pids for word, name, pid, _ in lines)

    def facts(self, names: list[str], timeout: float, quiet_s: float = QUIET_S) -> StockFacts:
        """Wait until all jobs have ended, or nothing has happened for a while; say what is lost and doubled.

        Doubled are runs that came to their end twice: what an effect of a job would be.
        """
        began = time.time()
        while time.time() < began + timeout:
            _, ended, last = self.counts(names)
            if len(ended) == len(names) and not self.waiting():
                break
            if time.time() > max(last, began) + quiet_s and not self.waiting():
                break
            time.sleep(0.2)
        started, ended, _ = self.counts(names)
        return StockFacts(
            targets=len(names),
            lost=len(names) - len(ended),
            doubled=sum(1 for times in ended.values() if times > 1),
            started=sum(started.values()),
        )

    def until_next(self, names: list[str], since: float) -> float | None:
        """Return the seconds from a moment to the first job that ended after it."""
        wanted = set(names)
        for line in self.tally.read_text().splitlines():
            word, name, _, at = line.split()
            if word == "end" and name in wanted and float(at) > since:
                return float(at) - since
        return None

    def until_done(self, names: list[str], since: float) -> float | None:
        """Return the seconds from a moment to the last first end of some jobs; None when it came never, or before."""
        firsts: dict[str, float] = {}
        for line in self.tally.read_text().splitlines():
            word, name, _, at = line.split()
            if word == "end" and name in names:
                firsts.setdefault(name, float(at))
        last = max(firsts.values(), default=0.0)
        return last - since if len(firsts) == len(names) and last > since else None

    def waiting(self) -> int:
        """Return how many messages are in the queue, and on Redis with a worker."""
        if not self.is_redis:
            return self._declared().message_count
        with redis.Redis.from_url(self.broker_url) as client:
            try:
                return int(client.llen(f"{PREFIX}stock")) + int(client.hlen(f"{PREFIX}unacked"))
            except redis.RedisError:
                return 1

    def empty_broker(self) -> None:
        """Forget all messages; what dead workers held is in the queue again when it has no consumer any more."""
        if self.is_redis:
            with redis.Redis.from_url(self.broker_url) as client:
                for key in client.scan_iter(f"{PREFIX}*"):
                    client.delete(key)
        else:
            eventually(lambda: self._declared().consumer_count == 0, what="a queue of stock's without consumers")
            with self._queue() as queue:
                queue.purge()

    @property
    def is_redis(self) -> bool:
        """Whether the broker is Redis."""
        return self.broker_url.startswith("redis")

    def _declared(self) -> Any:
        with self._queue() as queue:
            return queue.queue_declare()

    @contextmanager
    def _queue(self) -> Iterator[Any]:
        """Bind stock's queue to a connection of its own: one from the pool may have been cut for its long silence."""
        (queue,) = self.app.amqp.queues.consume_from.values()
        with self.app.connection_for_read() as link, link.channel() as channel:
            yield queue(channel)
