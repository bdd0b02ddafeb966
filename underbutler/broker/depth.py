"""How many messages a queue holds, none of which is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kombu import Connection

from underbutler.settings import Settings

from .refusals import translate_broker_errors

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["Depth", "queue_depth"]

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
