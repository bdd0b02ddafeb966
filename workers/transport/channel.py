"""One channel of the atomic transport: what is out, what is asked for, who waits.

A channel has one connection on which messages are taken and acknowledged, one call at a time, and one connection per
queue on which it waits while the queues are empty.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

import redis as redis_client
from kombu.transport import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError
from redis.retry import Retry

from underbutler.errors import UsageError
from underbutler.telemetry.logs import get_logger

from .messages import Message, QoS
from .scripts import TAKE, Booked, Bookings

__all__ = ["LINE", "Channel"]

log = get_logger(__name__)

LINE = "BRPOP"
"""Kind of the connection on which messages are taken: kombu's own name of it."""
BATCH = 32
"""Most messages that one call takes."""
PAUSE_S = 1.0
"""How long a channel asks for nothing after Redis refused."""
CONNECTIONS = 1000
"""Bound of a channel's connection pool: it waits on one connection per queue."""


class _Asked(NamedTuple):
    """A call that is under way: which queues, how many messages, what it says to be done, since when."""

    queues: list[str]
    wanted: int
    done: list[str]
    at: float


class Waiter:
    """A connection on which a channel waits for one queue; kombu's poller takes it for a client."""

    def __init__(self, pool: Any) -> None:
        self.connection_pool = pool
        self.connection: Any = None
        self.asked_at: float | None = None


class Channel(redis.Channel):
    """A channel that takes and books in one step."""

    QoS = QoS
    Message = Message
    _closing = False

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        refuse_priorities(connection.client.transport_options)
        self._plain: Any = None
        self._kept: Any = None
        self._done: list[str] = []
        self._sent: _Asked | None = None
        self._script_known = False
        self._dry = False
        self._resume_at = 0.0
        self._arrived: deque[Booked] = deque()
        self._waiters: dict[str, Waiter] = {}
        self._no_ack: set[str] = set()
        super().__init__(connection, **kwargs)
        self.bookings = Bookings(self.unacked_key, self.unacked_index_key, self.global_keyprefix)
        self.handlers[LINE] = self._answered

    # The event loop: `tick` before it sleeps, `_answered` and `_woken` when a connection is readable.

    def tick(self) -> None:
        """Ask for messages if any may come and there is room; wait for them if the queues were empty."""
        if self._sent is not None or monotonic() < self._resume_at:
            return
        queues = self._queue_cycle.consume(len(self.active_queues))
        room = self._room() if queues else 0
        if self._done or (room and not self._dry):
            self._ask(queues, 0 if self._dry else room)
        if room and self._dry:
            self._wait(queues)

    def _room(self) -> int:
        estimate = self.qos.can_consume_max_estimate()
        return BATCH if estimate is None else min(estimate, BATCH)

    def _ask(self, queues: list[str], wanted: int) -> None:
        poller, client = self.connection.cycle, self.client
        if not poller._client_registered(self, client, LINE):
            # A new connection may lead to another server, or to one that was restarted: neither knows the script.
            self._script_known = False
            poller._register(self, client, LINE)
        done, self._done = self._done, []
        # Noted before it is sent: when the connection breaks meanwhile, what is done is said again.
        self._sent = _Asked(queues, wanted, done, monotonic())
        name, script = ("EVALSHA", TAKE.sha) if self._script_known else ("EVAL", TAKE.text)
        client.connection.send_command(name, script, *self.bookings.take_arguments(queues, wanted, done))

    def _answered(self) -> bool:
        if self._sent is None:  # Redis closed an idle connection
            self.client.connection.disconnect()
            raise redis.Empty
        self._receive_answer()
        delivered = bool(self._arrived)
        while self._arrived:
            self._hand_over(self._arrived.popleft())
        # To kombu's loop `Empty` means: it was readable, and there is nothing to deliver.
        if not delivered:
            raise redis.Empty
        return True

    def _receive_answer(self) -> None:
        """Read what the call brought into `_arrived`."""
        assert self._sent is not None
        asked = self._sent
        try:
            reply = self.client.parse_response(self.client.connection, "EVALSHA")
        except NoScriptError:
            self._again(asked)
            return
        except ReadOnlyError as error:
            # The server became a replica: only a new connection finds the new primary.
            self.client.connection.disconnect()
            raise redis_client.ConnectionError(str(error)) from error
        except ResponseError as error:
            self._refused(error)
            self._again(asked)
            return
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        self._sent, self._script_known = None, True
        found = self.bookings.taken(reply, asked.queues)
        # A call that only acknowledged did not look into the queues.
        if asked.wanted:
            self._dry = not found
        for booked in found:
            self._queue_cycle.rotate(booked.routing_key)  # the next call begins with another queue
        self._arrived.extend(found)

    def _again(self, asked: _Asked) -> None:
        """Forget a call that brought no answer; what it said to be done is said again."""
        self._sent, self._script_known = None, False
        # Whether Redis carried the call out is not known; unbooking a message twice does no harm.
        self._done[:0] = asked.done

    def _refused(self, error: ResponseError) -> None:
        log.error("broker_refuses", error=str(error))
        self._resume_at = monotonic() + PAUSE_S

    def _hand_over(self, booked: Booked) -> None:
        queue = booked.routing_key
        # Its consumer was cancelled while the call was under way.
        if queue not in self.connection._callbacks:
            self.give_back(booked)
            return
        if queue in self._no_ack:
            self.done(booked.tag)
        else:
            self.qos.out[booked.tag] = booked
        self.connection._deliver(booked.message, queue)

    def _wait(self, queues: list[str]) -> None:
        """Block on each queue, on a connection of its own, without taking anything out of it."""
        poller = self.connection.cycle
        for queue in queues:
            waiter = self._waiters.get(queue)
            if waiter is None:
                waiter = self._waiters[queue] = Waiter(self.async_pool)
                self.handlers[_waiting(queue)] = partial(self._woken, queue)
            if not poller._client_registered(self, waiter, _waiting(queue)):
                waiter.asked_at = None
                poller._register(self, waiter, _waiting(queue))
            if waiter.asked_at is None:
                key = self.global_keyprefix + queue
                # From the right end to the same right end: it blocks while the list is empty, and moves nothing.
                waiter.connection.send_command("BLMOVE", key, key, "RIGHT", "RIGHT", self.brpop_timeout)
                waiter.asked_at = monotonic()

    def _woken(self, queue: str) -> None:
        waiter = self._waiters[queue]
        if waiter.asked_at is None:
            waiter.connection.disconnect()
            raise redis.Empty
        try:
            there = self.client.parse_response(waiter.connection, "BLMOVE")
        except ResponseError as error:
            self._refused(error)
            there = None
        except self.connection_errors:
            waiter.connection.disconnect()
            raise
        waiter.asked_at = None
        if there is not None:
            self._dry = False
        raise redis.Empty  # nothing is delivered by this

    def drop_stale(self) -> None:
        """Close connections whose answer is overdue: a half-open one never becomes readable."""
        if not self.health_check_interval:
            return
        bound = monotonic() - self.brpop_timeout - self.health_check_interval
        lines = [(self.client, self._sent.at)] if self._sent is not None else []
        lines += [(waiter, waiter.asked_at) for waiter in self._waiters.values() if waiter.asked_at is not None]
        for client, asked_at in lines:
            sock = getattr(client.connection, "_sock", None)
            if asked_at < bound and sock is not None and not redis._socket_readable(sock):
                log.warning("broker_does_not_answer", seconds=round(monotonic() - asked_at))
                client.connection.disconnect()

    def _on_connection_disconnect(self, connection: Any) -> None:
        """Forget what was asked on a connection that is gone; what was acknowledged on it is said again."""
        client = self.__dict__.get("client")
        if self._sent is not None and client is not None and client.connection is connection:
            self._again(self._sent)
        for waiter in self._waiters.values():
            if waiter.connection is connection:
                waiter.asked_at = None
        super()._on_connection_disconnect(connection)

    # Acknowledging and giving back

    def done(self, tag: str) -> None:
        """Unbook a message, with the next call where the event loop makes one."""
        self._done.append(tag)
        if not (self.connection is not None and self.connection.in_event_loop and self.active_queues):
            self._say_done()

    def _say_done(self) -> None:
        done, self._done = self._done, []
        if done and not self.closed:
            self.bookings.take(self.plain, [], 0, done)

    def give_back(self, booked: Booked, *, last: bool = False) -> bool:
        """Put a message back where it belongs; False if somebody else did, or has it by now."""
        queues = [booked.routing_key] if not booked.exchange else self._lookup(booked.exchange, booked.routing_key)
        # kombu drops what no queue is bound for. A direct exchange's routing key is the name of its queue, here.
        queues = [queue for queue in queues if queue] or [booked.routing_key or next(iter(self.active_queues), "lost")]
        return self.bookings.give_back(self.plain, booked, queues, last=last)

    def _settle(self) -> None:
        """Finish the call that is under way and put back what nobody consumes any more; say what is done."""
        # What that call takes is booked: unread, it would be out until the visibility timeout.
        if self._sent is not None and self.client.connection is not None:
            self._receive_answer()
        kept = deque[Booked]()
        while self._arrived:
            booked = self._arrived.popleft()
            if booked.routing_key in self.connection._callbacks and not self._closing:
                kept.append(booked)
            else:
                self.give_back(booked)
        self._arrived = kept
        self._say_done()

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:
        """Consume from a queue."""
        (self._no_ack.add if no_ack else self._no_ack.discard)(queue)
        # Nobody has looked into this queue yet.
        self._dry = False
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def _basic_cancel(self, consumer_tag: str) -> Any:
        queue = self._tag_to_queue.get(consumer_tag)
        result = super()._basic_cancel(consumer_tag)
        self._settle()
        waiter = self._waiters.pop(queue, None) if queue not in self.active_queues else None
        if waiter is not None and waiter.connection is not None:
            waiter.connection.disconnect()
        return result

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Any:
        """Take one message at once, or return None."""
        for booked in self.bookings.take(self.plain, [queue], 1):
            message = self.Message(booked.message, channel=self)
            if no_ack:
                self.done(booked.tag)
            else:
                self.qos.out[booked.tag] = booked
                self.qos.append(message, booked.tag)
            return message
        return None

    def close(self) -> None:
        """Put back what is out, say what is done, and end."""
        if not self.closed and not self._closing:
            self._closing = True
            try:
                self._settle()
                self.qos.restore_unacked_once()
            except (*self.connection_errors, ResponseError) as error:
                log.warning("channel_not_settled", error=str(error))
        super().close()

    # One client for each pool: building one costs more than most calls.

    @property
    def plain(self) -> Any:
        """A client that adds no prefix to keys."""
        if self._plain is None:
            self._plain = redis_client.Redis(connection_pool=self.pool)
        return self._plain

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._kept is None:
            self._kept = super()._create_client()
        return self._kept

    def _disconnect_pools(self) -> None:
        self._plain = self._kept = None
        self._waiters.clear()
        super()._disconnect_pools()

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous)
        parameters["retry"] = Retry(NoBackoff(), 0)  # redis-py's own would block the event loop; Celery reconnects
        return parameters | ({"max_connections": CONNECTIONS} if asynchronous else {})


def _waiting(queue: str) -> str:
    return f"waiting for {queue}"


def refuse_priorities(options: dict[str, Any]) -> None:
    """Refuse transport options that ask for priorities.

    Raises
    ------
    UsageError
        If ``priority_steps`` is anything but ``[0]``, or the queues have an order.
    """
    steps = list(options.get("priority_steps") or redis.PRIORITY_STEPS)
    if steps != [0]:
        raise UsageError(
            f"Underbutler's Redis transport knows no priorities, and priority_steps is {steps}. Set it to [0] and give "
            "urgent work a queue and workers of its own, or set UNDERBUTLER_REDIS_TRANSPORT=stock.",
            priority_steps=steps,
        )
    order = options.get("queue_order_strategy", "round_robin")
    if order != "round_robin":
        raise UsageError(
            f"Underbutler's Redis transport takes from its queues in turn, and queue_order_strategy is {order!r}. "
            "Leave it out, or set UNDERBUTLER_REDIS_TRANSPORT=stock.",
            queue_order_strategy=order,
        )
