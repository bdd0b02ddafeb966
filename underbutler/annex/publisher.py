"""Publishing notices, confirmed by the broker."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from kombu import Connection, Producer
from kombu.exceptions import BatchPublishError  # type: ignore[attr-defined]  # not in the stubs

from underbutler.broker import translate_broker_errors
from underbutler.errors import BrokerUnavailableError
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.settings import Settings

from .closing import Closing
from .queues import RedisQueues, notice_exchange
from .subscription import is_redis, open_connection

__all__ = ["NoticePublisher"]

_BATCH = 500
_CONFIRM_S = 30.0


class NoticePublisher(Closing):
    """Publishes notices to all who are bound to their topic; keeps one connection, opened at the first notice.

    Parameters
    ----------
    settings
        Which broker, and the exchange's name.

    Notes
    -----
    On RabbitMQ each notice is confirmed by the broker (publisher confirms). On Redis a notice is confirmed by the
    answer to the push into every bound queue; publishers also keep those queues within their limit and drop the
    queues of watchers that went away. What nobody is bound to is confirmed and gone: it can be read from the records.

    An instance may be shared by threads, and opens a connection of its own after a fork.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._link: Connection | None = None
        self._channel: Any = None
        self._owner = 0
        self._inherited: list[Connection] = []
        self._lock = threading.Lock()

    def publish(self, notices: Iterable[LargeFileObjectAvailable]) -> list[str]:
        """Publish notices and return their ids, in order, once the broker has them all.

        Raises
        ------
        BrokerUnavailableError
            If the broker does not answer, after a second try on a new connection. Its field ``published`` lists the
            ids that were confirmed; any of the others may have been published too: consumers de-duplicate.
        """
        confirmed: list[str] = []
        rest = iter(notices)
        with self._lock:
            while batch := list(islice(rest, _BATCH)):
                try:
                    with translate_broker_errors(self._settings):
                        self._send_with_one_retry(batch)
                except BrokerUnavailableError as error:
                    error.fields["published"] = confirmed
                    raise
                confirmed.extend(notice.id for notice in batch)
        return confirmed

    def close(self) -> None:
        """Close the connection, if there is one; the next `publish` opens another."""
        link, self._link, self._channel = self._link, None, None
        if link is None:
            return
        if self._owner != os.getpid():
            self._inherited.append(link)  # its sockets are the parent's too: to close them here would end them there
        else:
            link.release()

    def _send_with_one_retry(self, batch: Sequence[LargeFileObjectAvailable]) -> None:
        kept = self._link is not None and self._owner == os.getpid()
        try:
            self._send(batch)
        except Exception:
            self._abandon()
            if not kept:
                raise
            self._send(batch)  # the kept connection may have died while it was idle

    def _send(self, batch: Sequence[LargeFileObjectAvailable]) -> None:
        link = self._open()
        if self._channel is None:
            self._channel = link.channel()
            notice_exchange(self._settings)(self._channel).declare()
        send = self._send_to_each_queue if is_redis(link) else self._send_to_exchange
        send(self._channel, batch)

    def _open(self) -> Connection:
        if self._link is None or self._owner != os.getpid():
            self.close()
            self._link, self._owner = open_connection(self._settings), os.getpid()
        return self._link

    def _send_to_exchange(self, channel: Any, batch: Sequence[LargeFileObjectAvailable]) -> None:
        producer = Producer(channel, exchange=notice_exchange(self._settings), auto_declare=False)
        for notice in batch:
            producer.publish(
                notice.to_json(),
                routing_key=notice.routing_key,
                serializer="json",
                delivery_mode=2,
                message_id=notice.id,
                confirm_timeout=_CONFIRM_S,
            )

    def _send_to_each_queue(self, channel: Any, batch: Sequence[LargeFileObjectAvailable]) -> None:
        queues = RedisQueues(channel, self._settings)
        table = queues.table()
        producer: Any = Producer(channel)  # the stubs do not know batch()
        written: set[str] = set()
        try:
            with producer.batch(_BATCH):
                for notice in batch:
                    for queue in queues.targets(table, notice.routing_key):
                        written.add(queue)
                        producer.publish(
                            notice.to_json(),
                            routing_key=queue,
                            serializer="json",
                            delivery_mode=2,
                            message_id=notice.id,
                        )
        except BatchPublishError as error:
            raise error.__cause__ or error from None  # what Redis said: `translate_broker_errors` knows it
        queues.cut(written)

    def _abandon(self) -> None:
        """Forget a connection that failed."""
        link, self._link, self._channel = self._link, None, None
        if link is not None:
            link.collect()
