"""How the broker is reached: one Celery app and one kombu connection, configured the same for everybody.

Submitters, workers, beat, Flower and consumers of notices build theirs here, so that key prefix, queue and serializer
never differ. May import model and what is below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from .errors import BrokerUnavailableError, UnderbutlerError
from .settings import Settings

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["celery_settings", "connection", "make_app", "reachable", "transport_options"]


def transport_options(settings: Settings) -> dict[str, Any]:
    """Return the broker's transport options."""
    if not settings.broker_url.startswith(("redis", "rediss", "sentinel")):
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
    exchange = Exchange(settings.queue, type="direct")
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
        "task_queues": [Queue(settings.queue, exchange, routing_key=settings.queue)],
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


def make_app(settings: Settings, name: str = "underbutler") -> Celery:
    """Make a Celery app that can send; `workers` adds what a worker needs."""
    from celery import Celery

    app = Celery(name, set_as_current=False)
    app.conf.update(celery_settings(settings))
    return app


def connection(settings: Settings) -> Connection:
    """Return an unopened kombu connection to the broker."""
    return Connection(
        settings.broker_url, transport_options=transport_options(settings), heartbeat=0, connect_timeout=5
    )


@contextmanager
def reachable(settings: Settings) -> Iterator[None]:
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
        if isinstance(error, tuple(probe.channel_errors)):
            raise BrokerUnavailableError(
                f"The broker at {where} refuses ({error}). Look at the user's password and rights, at its free "
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
