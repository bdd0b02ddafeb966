"""Consuming notices: registered by name, acknowledged by hand, nothing lost to a faulty handler."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kombu import Message
from kombu.exceptions import ContentDisallowed, DecodeError
from tenacity import stop_after_delay, stop_when_event_set
from tenacity.stop import stop_base

from underbutler.errors import BrokerUnavailableError, MessageError
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.retry import BROKER_OF_NOTICES
from underbutler.settings import Settings
from underbutler.telemetry.logs import get_logger

from .queues import QUEUE_LIMIT, consumer_queue, parked_queue
from .subscription import Subscription
from .uninflated import COMPRESSION

__all__ = ["Backlog", "NoticeConsumer", "ParkedNotice", "RecentIds", "read_notice"]

Handler = Callable[[LargeFileObjectAvailable], object]

TRIES = "underbutler-tries"
REASON = "underbutler-reason"
_REASON_LIMIT = 2000
_TICK_S = 1.0
_AWAY_S = 60.0

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many notices wait for a consumer.

    Parameters
    ----------
    ready
        In its queue, not yet given to it.
    parked
        Set aside because its handler failed twice, or because they do not decode.
    limit
        Length at which the oldest are dropped.
    """

    ready: int
    parked: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedNotice:
    """A notice that was set aside.

    Parameters
    ----------
    notice
        The notice, or None when it does not decode.
    body
        The message's body as it came.
    reason
        Why it was set aside: type and text of the error.
    """

    notice: LargeFileObjectAvailable | None
    body: bytes
    reason: str


class NoticeConsumer:
    """Calls a handler with each notice of some topics, at least once.

    Parameters
    ----------
    settings
        Which broker, and the exchange's name.
    name
        Under which this consumer is known; processes of one name share one queue and so the work.
    bindings
        Topics ``{instrument}.{task}.{dataset_type}``; ``*`` stands for one word, ``#`` for any number. Topics of
        earlier registrations under this name stay, until `unregister`.
    handler
        Called with each notice. When it raises, the notice goes back to the end of the queue once, and is set aside
        (`parked`) the second time.
    queue_limit
        Most notices that wait; beyond it the oldest are dropped. RabbitMQ keeps to it at every publication; on Redis
        the publishers cut the queue after each batch, so it may be exceeded by one batch of 500 for a moment, and
        the limit of the last registration holds.
    remembered_ids
        A notice whose id is among the last so many handled ones is not handled again. The memory is this process's.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        bindings: Sequence[str],
        handler: Handler,
        *,
        queue_limit: int = QUEUE_LIMIT,
        remembered_ids: int = 10_000,
    ) -> None:
        self._settings = settings
        self._queue = consumer_queue(settings, name, bindings, queue_limit)
        self._parked = parked_queue(self._queue)
        self._handler = handler
        self._limit = queue_limit
        self._handled = RecentIds(remembered_ids)

    def register(self) -> None:
        """Make the queue and its bindings: from now on notices are kept for this consumer.

        Raises
        ------
        BrokerUnavailableError
            If the broker is away.
        ConflictError
            If the queue exists with another limit (RabbitMQ).
        """
        self._subscribe(consume=False).close()

    def unregister(self) -> None:
        """Remove the queue and what waits in it; what was set aside stays."""
        with self._subscribe(consume=False) as subscription:
            subscription.delete()

    def backlog(self) -> Backlog:
        """Return how many notices wait, for a gauge or an alarm."""
        with self._subscribe(consume=False) as subscription:
            return Backlog(
                ready=subscription.length(self._queue), parked=subscription.length(self._parked), limit=self._limit
            )

    def parked(self) -> list[ParkedNotice]:
        """Return what was set aside, oldest first, and leave it there."""
        with self._subscribe(consume=False) as subscription:
            return [_parked(message) for message in self._take_parked(subscription)]

    def replay_parked(self) -> int:
        """Put what was set aside back into the queue, and return how many notices that were."""
        count = 0
        with self._subscribe(consume=False) as subscription:
            for message in self._take_parked(subscription):
                subscription.send_on(message, self._queue.name, {TRIES: 0})
                subscription.acknowledge(message)
                count += 1
        return count

    def run(self, *, stop: threading.Event | None = None, limit: int | None = None, idle_s: float | None = None) -> int:
        """Handle notices until told to stop, and return how many were handled.

        Parameters
        ----------
        stop
            Looked at once a second, and after each notice.
        limit
            Stop after so many handled notices.
        idle_s
            Stop when no notice came for so many seconds.

        Raises
        ------
        BrokerUnavailableError
            If the broker is away at the start, or stays away for a minute later on.
        """
        handled = 0
        heard = time.monotonic()
        subscription = self._subscribe()
        try:
            while (limit is None or handled < limit) and not (stop and stop.is_set()):
                tick = _TICK_S if idle_s is None else max(0.01, min(_TICK_S, heard + idle_s - time.monotonic()))
                try:
                    message = subscription.receive(tick)
                    if message is not None:
                        handled += self._take(subscription, message)
                        heard = time.monotonic()
                except BrokerUnavailableError as error:
                    subscription.close()
                    subscription = self._subscribe_again(error, stop)
                if idle_s is not None and time.monotonic() - heard >= idle_s:
                    break
        finally:
            subscription.close()
        return handled

    def _subscribe(self, *, consume: bool = True) -> Subscription:
        subscription = Subscription(self._settings, self._queue, also=(self._parked,), consume=consume)
        if subscription.redis is not None:
            subscription.redis.set_limit(self._queue.name, self._limit)
        return subscription

    def _subscribe_again(self, error: BrokerUnavailableError, stop: threading.Event | None) -> Subscription:
        """Try for a minute to find the broker again; the queue is durable and keeps what comes meanwhile."""
        _log.warning("broker_away", reason=str(error))
        last: stop_base = stop_after_delay(_AWAY_S)
        if stop is not None:
            last |= stop_when_event_set(stop)
        return BROKER_OF_NOTICES.retrying(BrokerUnavailableError, stop=last)(self._subscribe)

    def _take(self, subscription: Subscription, message: Message) -> int:
        """Handle one message, and acknowledge it when its fate is settled; return whether the handler took it."""
        taken = 0
        try:
            notice = read_notice(message)
        except MessageError as error:
            self._park(subscription, message, error)
        else:
            if notice.id not in self._handled:
                taken = self._hand_over(subscription, message, notice)
        subscription.acknowledge(message)
        return taken

    def _hand_over(self, subscription: Subscription, message: Message, notice: LargeFileObjectAvailable) -> int:
        try:
            self._handler(notice)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the notice is kept
            if int((message.headers or {}).get(TRIES, 0)) < 1:
                _log.warning("notice_requeued", notice=notice.id, reason=repr(error))
                # A copy to this queue alone: a reject would reach all queues of the exchange on Redis.
                subscription.send_on(message, self._queue.name, {TRIES: 1, REASON: _reason(error)})
            else:
                self._park(subscription, message, error)
            return 0
        self._handled.add(notice.id)
        return 1

    def _park(self, subscription: Subscription, message: Message, error: Exception) -> None:
        _log.error("notice_parked", queue=self._parked.name, reason=repr(error))
        subscription.send_on(message, self._parked.name, {REASON: _reason(error)})

    def _take_parked(self, subscription: Subscription) -> Iterator[Message]:
        """Give what is parked now, unacknowledged: what the caller leaves so goes back when he closes."""
        for _ in range(subscription.length(self._parked)):
            message = subscription.get(self._parked)
            if message is None:
                return
            yield message


class RecentIds:
    """The last so many ids, to recognize a notice that comes twice."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, id_: str) -> bool:
        return id_ in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, id_: str) -> None:
        """Remember an id, and forget the oldest when there are too many."""
        self._ids[id_] = None
        self._ids.move_to_end(id_)
        while len(self._ids) > self._size:
            self._ids.popitem(last=False)


def read_notice(message: Message) -> LargeFileObjectAvailable:
    """Decode a message.

    Raises
    ------
    MessageError
        If it is not a notice in JSON.
    """
    if (message.headers or {}).get(COMPRESSION):
        raise MessageError("It is compressed, which no notice is.")
    if message.content_type != "application/json":
        raise MessageError(f"A notice is application/json, not {message.content_type}.")
    try:
        document = message.decode()
    except (DecodeError, ContentDisallowed, ValueError) as error:
        raise MessageError(f"The message is not JSON: {error}") from error
    return LargeFileObjectAvailable.from_json(document)


def _parked(message: Message) -> ParkedNotice:
    try:
        notice = read_notice(message)
    except MessageError:
        notice = None
    body = message.body
    return ParkedNotice(
        notice=notice,
        body=body.encode() if isinstance(body, str) else bytes(body or b""),
        reason=str((message.headers or {}).get(REASON, "")),
    )


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_REASON_LIMIT]
