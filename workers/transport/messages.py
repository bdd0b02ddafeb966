"""The messages that a channel of the atomic transport has out, and how each is read, whatever its envelope holds."""

from __future__ import annotations

from typing import Any, Protocol

from kombu.transport import redis, virtual

from underbutler.telemetry.logs import get_logger

from .scripts import Booked, Bookings, wrapped

__all__ = ["Message", "QoS"]

log = get_logger(__name__)

RESTORED_AT_ONCE = 100
"""Most overdue messages that one look puts back."""


class Message(virtual.Message):
    """A message whose envelope may hold anything: what does not decode comes wrapped, and is never raised."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **kwargs)
            if not all(isinstance(part, dict) for part in (self.headers, self.properties, self.delivery_info)):
                raise TypeError("headers, properties and delivery_info should be JSON objects")
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the worker
            item = redis.dumps(payload).encode()
            # The script that took it made sure that there is a tag.
            tag = payload["properties"]["delivery_tag"]
            wrapper = wrapped(item, tag, "", f"its envelope does not decode: {type(error).__name__}: {error}")
            super().__init__(wrapper, channel=channel, **kwargs)


class BookingChannel(Protocol):
    """What a `QoS` asks of its channel, beside what kombu's asks."""

    bookings: Bookings

    @property
    def plain(self) -> Any:
        """A client that adds no prefix to keys."""

    def done(self, tag: str) -> None:
        """Unbook a message."""

    def give_back(self, booked: Booked, *, last: bool = False) -> bool:
        """Put a message back where it belongs."""


class QoS(redis.QoS):
    """Which messages are out, as they were booked."""

    def __init__(self, channel: BookingChannel, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        self.out: dict[str, Booked] = {}

    def append(self, message: Any, delivery_tag: str) -> None:
        """Count a message as out; it is booked already, unless it came by PUB/SUB."""
        if delivery_tag in self.out:
            # Past `redis.QoS`, which would book it once more, at a later time.
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Unbook a message: with the next call that takes, or at once where none will come."""
        self.out.pop(delivery_tag, None)
        self._quick_ack(delivery_tag)
        self.channel.done(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Unbook a message; with `requeue` it is last in its queue again."""
        if requeue:
            self.restore_by_tag(delivery_tag, leftmost=True)
            self._quick_ack(delivery_tag)
        else:
            self.ack(delivery_tag)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        """Put a message back, if it is still booked as we booked it."""
        booked = self.out.pop(tag, None)
        if booked is None:
            super().restore_by_tag(tag, client, leftmost)
        else:
            self.channel.give_back(booked, last=leftmost)

    def restore_unacked(self, client: Any = None) -> list[Any]:
        """Put back what is out, the oldest first in line; where Redis is away it comes back when its time is over."""
        # Drops from `_delivered` what was acknowledged meanwhile.
        self._flush()
        for tag in reversed(list(self._delivered)):
            try:
                self.restore_by_tag(tag, client)
            except self.channel.connection_errors as error:
                log.warning("messages_not_given_back", count=len(self._delivered), error=str(error))
                break
        self._delivered.clear()
        return []

    def restore_visible(self, start: int = 0, num: int | None = None, interval: int = 1) -> None:  # noqa: ARG002
        """Put back what was booked longer ago than the visibility timeout, whoever booked it."""
        self._vrestore_count += 1
        # As kombu has it: every `interval`-th call looks.
        if (self._vrestore_count - 1) % (interval or 1):
            return
        channel = self.channel
        for booked in channel.bookings.overdue(channel.plain, self.visibility_timeout, num or RESTORED_AT_ONCE):
            if channel.give_back(booked):
                log.info("message_overdue", tag=booked.tag, queue=booked.routing_key)
