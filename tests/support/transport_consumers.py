"""Consumers of a connection of kombu that take, keep and abandon messages."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from kombu import Connection

from tests.support.services import eventually
from tests.support.transport_site import queue_named


def consumer(opened: Connection, got: list[Any], *queues: str, prefetch: int = 0) -> Any:
    made = opened.Consumer([queue_named(name) for name in queues], prefetch_count=prefetch, accept=["json"])
    made.on_message = got.append
    made.consume()
    return made


def drain(opened: Connection, got: list[Any], n_messages: int) -> None:
    def look() -> bool:
        with suppress(TimeoutError):
            opened.drain_events(timeout=0.2)
        return len(got) >= n_messages

    eventually(look, 20, f"{n_messages} messages")


def abandon(opened: Connection) -> None:
    """Leave a connection as SIGKILL does: nothing is said, nothing given back."""
    for channel in list(opened.transport.channels):
        channel._disconnect_pools()
        channel.do_restore = False
        channel.qos._on_collect.cancel()
