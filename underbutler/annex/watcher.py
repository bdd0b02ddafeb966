"""Watching notices as they come: a queue that ends with its watcher."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Self

from underbutler.errors import BrokerUnavailableError, MessageError
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.retry import BROKER_OF_NOTICES
from underbutler.settings import Settings
from underbutler.telemetry.logs import get_logger

from .closing import Closing
from .consumer import RecentIds, read_notice
from .queues import WATCH_EXPIRES_S, watch_queue
from .subscription import Subscription

__all__ = ["Watch", "watch"]

_TICK_S = 1.0
_AWAY_S = 60.0
_REMEMBERED = 10_000

_log = get_logger(__name__)


def watch(
    settings: Settings,
    bindings: Sequence[str] = ("#",),
    *,
    stop: threading.Event | None = None,
    timeout_s: float | None = None,
) -> Watch:
    """Begin to watch notices: those that are published after this call returned come out of the iterator.

    Parameters
    ----------
    settings
        Which broker, and the exchange's name.
    bindings
        Topics ``{instrument}.{task}.{dataset_type}``; ``*`` stands for one word, ``#`` for any number.
    stop
        Ends the iteration within a second when it is set.
    timeout_s
        Ends the iteration when no notice came for so many seconds.

    Raises
    ------
    BrokerUnavailableError
        If the broker is away; while iterating, if it stays away for a minute.

    Examples
    --------
    ``with watch(settings) as notices: for notice in notices: print(notice.url)``
    """
    return Watch(settings, bindings, stop=stop, timeout_s=timeout_s)


class Watch(Closing):
    """An iterator of notices; close it, or use it in ``with``, to end its queue at once. See `watch`."""

    def __init__(
        self,
        settings: Settings,
        bindings: Sequence[str] = ("#",),
        *,
        stop: threading.Event | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self._settings = settings
        self._queue = watch_queue(settings, bindings)
        self._stop = stop or threading.Event()
        self._timeout_s = timeout_s
        self._seen = RecentIds(_REMEMBERED)
        self._signed = 0.0
        self._subscription: Subscription | None = self._subscribe()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> LargeFileObjectAvailable:
        begin = time.monotonic()
        while self._subscription is not None and not self._stop.is_set():
            left = _TICK_S if self._timeout_s is None else begin + self._timeout_s - time.monotonic()
            if left <= 0:
                break
            try:
                notice = self._receive(self._subscription, min(_TICK_S, left))
            except BrokerUnavailableError as error:
                self._subscribe_again(error)
                continue
            if notice is not None:
                return notice
        self.close()
        raise StopIteration

    def close(self) -> None:
        """End the queue and the connection."""
        subscription, self._subscription = self._subscription, None
        if subscription is None:
            return
        try:
            subscription.delete()
        except BrokerUnavailableError:
            _log.debug("watch_queue_left_to_expire", queue=self._queue.name)
        finally:
            subscription.close()

    def _receive(self, subscription: Subscription, timeout_s: float) -> LargeFileObjectAvailable | None:
        self._keep_alive(subscription)
        message = subscription.receive(timeout_s)
        if message is None:
            return None
        subscription.acknowledge(message)
        try:
            notice = read_notice(message)
        except MessageError as error:
            _log.warning("notice_not_readable", reason=str(error))
            return None
        if notice.id in self._seen:
            return None
        self._seen.add(notice.id)
        return notice

    def _subscribe(self) -> Subscription:
        self._signed = time.monotonic()
        return Subscription(self._settings, self._queue, passing=True)

    def _subscribe_again(self, error: BrokerUnavailableError) -> None:
        _log.warning("broker_away", reason=str(error))
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        deadline = time.monotonic() + _AWAY_S
        while not self._stop.wait(BROKER_OF_NOTICES.first_s):
            try:
                self._subscription = self._subscribe()
            except BrokerUnavailableError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def _keep_alive(self, subscription: Subscription) -> None:
        """On Redis, tell publishers that somebody reads; when they had given us up, bind again."""
        if subscription.redis is None or time.monotonic() - self._signed < WATCH_EXPIRES_S / 10:
            return
        self._signed = time.monotonic()
        if not subscription.redis.sign_of_life(self._queue.name):
            raise BrokerUnavailableError("Publishers gave this watcher up, because it did not read for long.")
