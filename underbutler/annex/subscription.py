"""One open queue at the broker: messages come out one at a time, and are sent on to other queues."""

from __future__ import annotations

from collections import deque
from typing import Any

from kombu import Connection, Consumer, Message, Producer, Queue

from underbutler.broker import connection, translate_broker_errors
from underbutler.errors import ConflictError
from underbutler.settings import Settings
from underbutler.telemetry.logs import get_logger

from .closing import Closing
from .queues import RedisQueues
from .uninflated import leave_compressed

__all__ = ["Subscription", "is_redis", "open_connection"]

_CONFIRM_S = 30.0

_log = get_logger(__name__)


def is_redis(link: Connection) -> bool:
    """Return whether the broker is Redis, where bounds and expiry are ours to keep."""
    return bool(link.transport.driver_type == "redis")


def open_connection(settings: Settings) -> Connection:
    """Open a connection now, so that a broker that is away is told here; call it inside `translate_broker_errors`."""
    link = connection(settings)
    try:
        link.connect()
    except BaseException:
        link.release()
        raise
    return link


class Subscription(Closing):
    """A declared queue with a consumer on it, one unacknowledged message at a time.

    Parameters
    ----------
    settings
        Which broker.
    queue
        The queue; it is declared with its exchange and bindings.
    also
        Queues that are declared beside it.
    consume
        False only declares: for a look at a queue that others consume.
    passing
        The queue ends with its reader; on Redis it does when the reader gives no sign of life.

    Raises
    ------
    BrokerUnavailableError
        If the broker is away.
    ConflictError
        If a queue or exchange of this name exists with other properties.
    """

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        *,
        also: tuple[Queue, ...] = (),
        consume: bool = True,
        passing: bool = False,
    ) -> None:
        self.settings = settings
        self._received: deque[Message] = deque()
        with translate_broker_errors(settings):
            self._link = open_connection(settings)
            try:
                self._channel: Any = self._link.channel()
                leave_compressed(self._channel)
                self.redis = RedisQueues(self._channel, settings) if is_redis(self._link) else None
                if self.redis is not None and passing:
                    self.redis.sign_of_life(queue.name)  # before the binding: publishers drop what is bound and dead
                self.queue = self._declare(queue)
                for other in also:
                    self._declare(other)
                self._producer = Producer(self._link.channel())
                if consume:
                    consumer = Consumer(
                        self._channel, queues=[self.queue], on_message=self._received.append, auto_declare=False
                    )
                    consumer.qos(prefetch_count=1)
                    consumer.consume()
            except BaseException:
                self.close()
                raise

    def receive(self, timeout_s: float) -> Message | None:
        """Return the next message, or None when none comes in time.

        Raises
        ------
        BrokerUnavailableError
            If the broker went away. Make a new subscription.
        """
        with translate_broker_errors(self.settings):
            if not self._received:
                try:
                    self._link.drain_events(timeout=timeout_s)
                except TimeoutError:
                    return None
                except (ValueError, TypeError, KeyError) as error:  # kombu cannot open the envelope, and has dropped it
                    _log.error("notice_envelope_broken", queue=self.queue.name, reason=repr(error))
            return self._received.popleft() if self._received else None

    def get(self, queue: Queue) -> Message | None:
        """Take one message of another queue, or None when it is empty."""
        with translate_broker_errors(self.settings):
            return queue(self._channel).get()

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that a message is done with."""
        with translate_broker_errors(self.settings):
            message.ack()

    def send_on(self, message: Message, queue: str, headers: dict[str, Any]) -> None:
        """Put a copy of a message into a queue, and only there, with headers added; confirmed by the broker."""
        with translate_broker_errors(self.settings):
            self._producer.publish(
                message.body,
                routing_key=queue,
                content_type=message.content_type or "application/octet-stream",
                content_encoding=message.content_encoding or "binary",
                headers={**(message.headers or {}), **headers},
                delivery_mode=2,
                confirm_timeout=_CONFIRM_S,
            )

    def length(self, queue: Queue) -> int:
        """Return how many messages are ready in a declared queue."""
        with translate_broker_errors(self.settings):
            if self.redis is not None:
                return int(self._channel._size(queue.name))  # a passive declare fails on an empty list of Redis
            return int(self._channel.queue_declare(queue.name, passive=True).message_count)

    def delete(self) -> None:
        """Remove the queue and its bindings."""
        with translate_broker_errors(self.settings):
            if self.redis is not None:
                self.redis.drop(self.queue.name)
            else:
                self.queue.delete()

    def close(self) -> None:
        """Close the connection; what was not acknowledged goes back to its queue."""
        gone: tuple[type[BaseException], ...] = (OSError, *self._link.connection_errors)
        try:
            self._link.release()
        except gone as error:
            _log.debug("broker_gone_at_close", reason=repr(error))

    def _declare(self, queue: Queue) -> Any:
        bound = queue(self._channel)
        try:
            bound.declare()
        except self._link.channel_errors as error:
            if getattr(error, "reply_code", None) != 406:
                raise
            raise ConflictError(
                f"The queue {queue.name!r} or its exchange exists with other properties ({error}). Give the limit that "
                "it was registered with, or unregister the consumer first.",
                queue=queue.name,
            ) from error
        return bound
