"""What waits for the registered consumers of notices: all of them, as the broker knows them; nothing is read."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from kombu import Connection

from underbutler.broker import translate_broker_errors
from underbutler.errors import BrokerUnavailableError
from underbutler.settings import Settings

from .queues import PARKED_SUFFIX, QUEUE_LIMIT, WATCH_INFIX, RedisQueues
from .subscription import is_redis

__all__ = ["ConsumerQueue", "consumer_queues"]

_MANAGEMENT_PORT: Final = 15672
_ANSWER_S: Final = 2.0
"""How long RabbitMQ's management plugin may take to answer, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerQueue:
    """The queue of a registered consumer.

    Parameters
    ----------
    name
        The consumer's.
    ready
        Notices that wait.
    limit
        When so many wait, the oldest are dropped.
    parked
        Notices that its handler could not take.
    readers
        How many read it now; None where the broker does not tell (Redis).
    """

    name: str
    ready: int
    limit: int
    parked: int
    readers: int | None


def consumer_queues(link: Connection, settings: Settings) -> list[ConsumerQueue]:
    """Return the queues of all registered consumers, by name; those of watchers are left out.

    Parameters
    ----------
    link
        An open connection to the broker.
    settings
        Which broker, and which exchange.

    Raises
    ------
    BrokerUnavailableError
        If the broker is away; or if it is RabbitMQ and its management plugin does not answer: AMQP itself has no way to
        ask which queues there are.
    """
    if not is_redis(link):
        return _of_rabbitmq(settings)
    with translate_broker_errors(settings):
        return _of_redis(link, settings)


def _of_redis(link: Connection, settings: Settings) -> list[ConsumerQueue]:
    channel: Any = link.default_channel
    queues = RedisQueues(channel, settings)
    bound = {queue for _, _, queue in channel.get_table(settings.notice_exchange)}
    names = sorted(queue for queue in bound if WATCH_INFIX not in queue)
    if not names:
        return []
    lengths = queues.lengths([name + ending for name in names for ending in ("", PARKED_SUFFIX)])
    return [
        ConsumerQueue(
            name=_consumer(name, settings),
            ready=lengths[2 * index],
            limit=limit,
            parked=lengths[2 * index + 1],
            readers=None,
        )
        for index, (name, limit) in enumerate(zip(names, queues.limits(names), strict=True))
    ]


def _of_rabbitmq(settings: Settings) -> list[ConsumerQueue]:
    prefix = f"{settings.notice_exchange}."
    found = {row["name"]: row for row in _management(settings) if str(row["name"]).startswith(prefix)}
    return [
        ConsumerQueue(
            name=_consumer(name, settings),
            ready=_ready(row),
            limit=int((row.get("arguments") or {}).get("x-max-length", QUEUE_LIMIT)),
            parked=_ready(found.get(name + PARKED_SUFFIX, {})),
            readers=int(row.get("consumers") or 0),
        )
        for name, row in sorted(found.items())
        if WATCH_INFIX not in name and not name.endswith(PARKED_SUFFIX)
    ]


def _ready(row: dict[str, Any]) -> int:
    return int(row.get("messages_ready") or 0)


def _consumer(queue: str, settings: Settings) -> str:
    return queue.removeprefix(f"{settings.notice_exchange}.")


def _management(settings: Settings) -> list[dict[str, Any]]:
    """Return what the management plugin says of the queues of our virtual host."""
    broker = urlsplit(settings.broker_url.partition(";")[0])
    place = (settings.broker_management_url or f"http://{broker.hostname}:{_MANAGEMENT_PORT}").rstrip("/")
    host = quote(unquote(broker.path[1:]) or "/", safe="")
    user = f"{unquote(broker.username or 'guest')}:{unquote(broker.password or 'guest')}"
    credentials = base64.b64encode(user.encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - an address of the site's own settings
        f"{place}/api/queues/{host}?columns=name,messages_ready,consumers,arguments",
        headers={"Authorization": f"Basic {credentials}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:  # noqa: S310
            rows: list[dict[str, Any]] = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException) as error:
        said = error.reason if isinstance(error, urllib.error.URLError) else error
        raise BrokerUnavailableError(
            f"RabbitMQ tells which queues there are only by its management plugin, and that does not answer at {place} "
            f"({said}). Enable it (`rabbitmq-plugins enable rabbitmq_management`), give the user the tag "
            "'monitoring', or set UNDERBUTLER_BROKER_MANAGEMENT_URL.",
            url=place,
        ) from error
    return rows
