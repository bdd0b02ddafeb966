"""How the broker is reached: one Celery app and one kombu connection, configured the same for everybody.

Submitters, workers, beat, Flower and consumers of notices build theirs here, so that key prefix, queue and serializer
never differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from amqp.exceptions import MessageNacked
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from .errors import BrokerUnavailableError, UnderbutlerError
from .settings import Settings

if TYPE_CHECKING:
    from celery import Celery

__all__ = [
    "CONSUMER_TIMEOUT_MS",
    "Depth",
    "celery_settings",
    "connection",
    "make_app",
    "queue_depth",
    "send_to_every_queue",
    "task_queue",
    "translate_broker_errors",
    "transport_options",
]

CONSUMER_TIMEOUT_MS = 30 * 86_400_000
"""How long RabbitMQ (3.12 and newer) lets a message of the task queue be out, in ms: longer than any target runs.

The same for everybody, because RabbitMQ refuses a queue that is declared in two ways.
"""
DELIVERY_LIMIT = 1_000_000
"""How often a quorum queue delivers a message before it drops it: in effect, never dropped.

RabbitMQ 4 drops after 20 unless it is told otherwise; -1 means no limit there, and on 3.10 that a message is dropped
when it comes back once. How often a target is tried is decided in the records.
"""

_BOOKED = """
-- KEYS: queue, unacked.  ARGV: how the booking of a message of this queue ends
local ending, booked, cursor = ARGV[1], 0, '0'
repeat
  local page = redis.call('HSCAN', KEYS[2], cursor, 'COUNT', 1000)
  cursor = page[1]
  for i = 2, #page[2], 2 do
    if page[2][i]:sub(-#ending) == ending then booked = booked + 1 end
  end
until cursor == '0'
return {redis.call('LLEN', KEYS[1]), booked}
"""


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds.

    Parameters
    ----------
    ready
        That wait for a worker.
    unacked
        That a worker has, and has not acknowledged; None where the broker does not tell.
    """

    ready: int
    unacked: int | None


def _is_redis(settings: Settings) -> bool:
    return settings.broker_url.startswith(("redis", "sentinel"))


def transport_options(settings: Settings) -> dict[str, Any]:
    """Return the broker's transport options."""
    if not _is_redis(settings):
        return {"confirm_publish": True}
    return {
        "visibility_timeout": settings.visibility_timeout_s,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 30,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "global_keyprefix": settings.broker_prefix,
        "priority_steps": [0],
    }


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Return the Celery configuration that submitters and workers share.

    JSON only; a message is acknowledged after its target's state is recorded; no result backend, because the records
    are the truth.
    """
    return {
        "broker_url": settings.broker_url,
        "broker_transport_options": transport_options(settings),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "task_queues": [task_queue(settings)],
        "task_default_queue": settings.queue,
        "task_create_missing_queues": False,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_acks_late": True,
        "task_acks_on_failure_or_timeout": True,
        "task_reject_on_worker_lost": False,
        "task_publish_retry_policy": {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 1},
        "task_send_sent_event": True,
        "enable_utc": True,
    }


def task_queue(settings: Settings, name: str | None = None) -> Queue:
    """Return a queue of targets, declared alike by everybody: on RabbitMQ a quorum queue that drops nothing.

    Parameters
    ----------
    settings
        Which broker.
    name
        The queue; default that of the settings.
    """
    name = name or settings.queue
    arguments = None
    if not _is_redis(settings):
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-consumer-timeout": CONSUMER_TIMEOUT_MS,
        }
    return Queue(name, Exchange(name, type="direct"), routing_key=name, queue_arguments=arguments)


def make_app(settings: Settings, name: str = "submitter") -> Celery:
    """Make a Celery app that can send; `workers` adds what a worker needs.

    Parameters
    ----------
    settings
        Which broker.
    name
        Who sends, in Flower: ``submitter``, ``sweeper``, ``beat``.
    """
    from celery import Celery

    app = Celery(name, set_as_current=False)
    app.conf.update(celery_settings(settings))
    app.events.dispatcher_cls = _dispatcher(f"{name}@underbutler")
    return app


def _dispatcher(sender: str) -> Any:
    """Return a class of event dispatchers that say who sends, and not which process it was, as Celery's do.

    Flower keeps a metric of its own for each name that it has heard.
    """
    from celery.events.dispatcher import EventDispatcher

    class Dispatcher(EventDispatcher):
        def __init__(self, connection: Any = None, hostname: str | None = None, *args: Any, **options: Any) -> None:
            super().__init__(connection, hostname or sender, *args, **options)

    return Dispatcher


def send_to_every_queue(app: Celery, settings: Settings) -> None:
    """Let an app send to whatever queue a target is for, not only to that of its settings."""
    queues: Any = app.amqp.queues
    queues.create_missing, queues.new_missing = True, partial(task_queue, settings)


def connection(settings: Settings) -> Connection:
    """Return an unopened kombu connection to the broker."""
    return Connection(
        settings.broker_url, transport_options=transport_options(settings), heartbeat=0, connect_timeout=5
    )


@contextmanager
def translate_broker_errors(settings: Settings) -> Iterator[None]:
    """Translate what the broker's client raises inside the block.

    Raises
    ------
    BrokerUnavailableError
        If the broker is away or refuses, naming its address (without its password) and the cure.
    """
    probe = connection(settings)
    where = maybe_sanitize_url(settings.broker_url)
    try:
        yield
    except (UnderbutlerError, KeyError):  # kombu counts a KeyError among Redis' connection errors
        raise
    except Exception as error:
        if isinstance(error, (MessageNacked, *probe.channel_errors)):
            what = "it did not confirm a message" if isinstance(error, MessageNacked) else error
            raise BrokerUnavailableError(
                f"The broker at {where} refuses ({what}). Look at the user's password and rights, at its free "
                "memory, and at UNDERBUTLER_BROKER_URL.",
                url=where,
            ) from error
        if isinstance(error, (OperationalError, *probe.connection_errors)):
            raise BrokerUnavailableError(
                f"The broker at {where} does not answer ({error}). Start one with `underbutler up`, or set "
                "UNDERBUTLER_BROKER_URL.",
                url=where,
            ) from error
        raise


def queue_depth(source: Celery | Connection, settings: Settings, queue: str) -> Depth:
    """Count the messages of a task queue, none of which is read.

    Parameters
    ----------
    source
        A Celery app, or a kombu connection.
    settings
        Which broker.
    queue
        Name of the queue.

    Raises
    ------
    BrokerUnavailableError
        If the broker is away or refuses.
    """
    with translate_broker_errors(settings):
        if isinstance(source, Connection):
            return _depth(source, queue)
        with source.connection_for_read() as opened:
            return _depth(opened, queue)


def _depth(opened: Connection, queue: str) -> Depth:
    if opened.transport.driver_type == "redis":
        return _depth_in_redis(opened, queue)
    with opened.channel() as channel:
        try:
            declared = channel.queue_declare(queue, passive=True)
        except opened.channel_errors as error:
            if getattr(error, "reply_code", None) == 404:
                return Depth(ready=0, unacked=None)
            raise
        return Depth(ready=declared.message_count, unacked=None)


def _depth_in_redis(opened: Connection, queue: str) -> Depth:
    """Count in one step, so that a message that is just taken is counted once.

    A booking is the JSON of ``[message, exchange, routing key]``, and the routing key of a target is its queue.
    """
    import redis

    channel: Any = opened.default_channel
    client = redis.Redis(connection_pool=channel.pool)
    prefix = channel.global_keyprefix
    ending = f", {json.dumps(queue)}]"
    ready, booked = client.eval(_BOOKED, 2, prefix + queue, prefix + channel.unacked_key, ending)
    return Depth(ready=ready, unacked=booked)
