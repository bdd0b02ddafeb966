"""Where notices go: one topic exchange, a durable queue per registered consumer, a passing one per watcher.

What RabbitMQ does itself is done by us on Redis, where kombu has a list per queue and a set of bindings per exchange:
the bound of a queue, and the end of a watcher that went away without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kombu import Exchange, Queue, binding

from underbutler.errors import UsageError
from underbutler.settings import Settings
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    import redis

__all__ = [
    "PARKED_SUFFIX",
    "QUEUE_LIMIT",
    "WATCH_EXPIRES_S",
    "WATCH_INFIX",
    "RedisQueues",
    "consumer_queue",
    "notice_exchange",
    "parked_queue",
    "watch_queue",
]

QUEUE_LIMIT = 10_000
"""Most notices that wait in one queue; the oldest are dropped first, and can be read again from the records."""
WATCH_EXPIRES_S = 300
"""A watcher's queue that nobody reads ends after this many seconds."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
WATCH_INFIX = ".watch."
"""What the name of a watcher's queue holds."""
PARKED_SUFFIX = ".parked"
"""How the name of a queue ends in which a consumer's handler left what it could not take."""

_log = get_logger(__name__)


def notice_exchange(settings: Settings) -> Exchange:
    """Return the durable topic exchange of notices."""
    return Exchange(settings.notice_exchange, type="topic", durable=True)


def consumer_queue(settings: Settings, name: str, bindings: Sequence[str], limit: int = QUEUE_LIMIT) -> Queue:
    """Return the durable, bounded queue of a registered consumer.

    Raises
    ------
    UsageError
        If the name is not made of letters, digits, ``.``, ``_`` and ``-``, or ends like a queue of ours; if there is
        no binding; or if the limit is below 1.
    """
    if not _NAME.fullmatch(name) or f".{name}.".startswith(WATCH_INFIX) or name.endswith(PARKED_SUFFIX):
        raise UsageError(
            f"A consumer cannot be called {name!r}. Use up to 100 letters, digits, '.', '_' and '-', not beginning "
            "with 'watch.' nor ending in '.parked'.",
            name=name,
        )
    if limit < 1:
        raise UsageError(f"A queue of at most {limit} notices keeps none; give queue_limit=1 or more.", limit=limit)
    return Queue(
        f"{settings.notice_exchange}.{name}", bindings=_bindings(settings, bindings), durable=True, max_length=limit
    )


def watch_queue(settings: Settings, bindings: Sequence[str]) -> Queue:
    """Return a bounded queue for one watcher, which ends with it."""
    return Queue(
        f"{settings.notice_exchange}{WATCH_INFIX}{uuid4().hex}",
        bindings=_bindings(settings, bindings),
        durable=False,
        expires=WATCH_EXPIRES_S,
        max_length=QUEUE_LIMIT,
    )


def parked_queue(queue: Queue) -> Queue:
    """Return the durable queue in which notices wait that a consumer's handler could not take.

    It has no bound, because what is in it must not be lost; `NoticeConsumer.backlog` says how long it is.
    """
    return Queue(f"{queue.name}{PARKED_SUFFIX}", durable=True)


def _bindings(settings: Settings, topics: Sequence[str]) -> list[Any]:
    if isinstance(topics, str) or not topics:
        raise UsageError(
            f"Bindings are a list of topics such as ['STE3.processCcd.*'], or ['#'] for all; not {topics!r}.",
            bindings=topics,
        )
    exchange = notice_exchange(settings)
    return [binding(exchange, routing_key=topic) for topic in topics]


@dataclass(frozen=True, slots=True)
class RedisQueues:
    """Notice queues on Redis: what the broker itself does not do there.

    kombu keeps queue ``q`` in the list ``q`` (new ones on the left) and the bindings of exchange ``e`` in a set. An
    unbounded list would fill the broker when its consumer vanishes, so publishers cut the queues that they write to.
    A message that is given back goes by kombu to *every* queue of its exchange, so publishers address each queue.
    """

    channel: Any
    settings: Settings

    @property
    def client(self) -> redis.Redis:
        """A client with kombu's own connections, but without its key prefix: that one covers only some commands."""
        import redis

        return redis.Redis(connection_pool=self.channel.pool)

    def targets(self, table: Iterable[tuple[str, str, str]], topic: str) -> list[str]:
        """Return the queues that a topic reaches."""
        exchange = self.settings.notice_exchange
        return sorted(self.channel.typeof(exchange).lookup(table, exchange, topic, None))

    def table(self) -> list[tuple[str, str, str]]:
        """Return the bindings as (topic, pattern, queue), without those of watchers that went away."""
        rows: list[tuple[str, str, str]] = self.channel.get_table(self.settings.notice_exchange)
        queues = sorted({queue for _, _, queue in rows})
        watchers = [queue for queue in queues if WATCH_INFIX in queue]
        if not watchers:
            return rows
        alive = self.client.mget([self._alive_key(queue) for queue in watchers])
        gone = {queue for queue, sign in zip(watchers, alive, strict=True) if sign is None}
        for queue in gone:
            self.drop(queue)
        return [row for row in rows if row[2] not in gone]

    def cut(self, queues: Iterable[str]) -> int:
        """Drop the oldest notices of queues that are over their limit, and say how many."""
        names = sorted(queues)
        if not names:
            return 0
        limits = self.limits(names)
        with self.client.pipeline() as pipe:
            for name, limit in zip(names, limits, strict=True):
                pipe.llen(self._key(name))
                pipe.ltrim(self._key(name), 0, limit - 1)
            lengths = pipe.execute()[::2]
        dropped = 0
        for name, limit, length in zip(names, limits, lengths, strict=True):
            if length > limit:
                dropped += length - limit
                _log.warning("notices_dropped", queue=name, dropped=length - limit, limit=limit)
        return dropped

    def limits(self, queues: Sequence[str]) -> list[int]:
        """Return at which length each queue is cut."""
        return [int(limit or QUEUE_LIMIT) for limit in self.client.hmget(self._limits_key, list(queues))]

    def lengths(self, queues: Sequence[str]) -> list[int]:
        """Return how many notices wait in each queue."""
        with self.client.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.llen(self._key(queue))
            return [int(length) for length in pipe.execute()]

    def set_limit(self, queue: str, limit: int) -> None:
        """Have publishers cut a queue at a limit."""
        self.client.hset(self._limits_key, queue, str(limit))

    def sign_of_life(self, queue: str) -> bool:
        """Say that a watcher is there; False when publishers had given it up, so that it must declare anew."""
        key = self._alive_key(queue)
        known = self.client.exists(key)
        self.client.set(key, "1", ex=WATCH_EXPIRES_S)
        return bool(known)

    def drop(self, queue: str) -> None:
        """Remove a queue with all its bindings."""
        exchange = self.settings.notice_exchange
        rows = self.channel.get_table(exchange)
        members = [self.channel.sep.join(row) for row in rows if row[2] == queue]
        with self.client.pipeline() as pipe:
            if members:
                pipe.srem(self._key(self.channel.keyprefix_queue % exchange), *members)
                pipe.srem(self._key(self.channel.keyprefix_binding_permanent % exchange), *members)
            pipe.delete(self._key(queue), self._alive_key(queue))
            pipe.hdel(self._limits_key, queue)
            pipe.execute()

    def _key(self, name: str) -> str:
        return f"{self.settings.broker_prefix}{name}"

    def _alive_key(self, queue: str) -> str:
        return self._key(f"{queue}.alive")

    @property
    def _limits_key(self) -> str:
        return self._key(f"{self.settings.notice_exchange}.limits")
