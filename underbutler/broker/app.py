"""The Celery app of whoever sends, and what workers add to; queues of targets."""

from __future__ import annotations

import os
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from kombu import Exchange, Queue

from underbutler.settings import Settings

from .connecting import is_redis, transport_options

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["CONSUMER_TIMEOUT_MS", "CONSUMER_URL", "celery_settings", "make_app", "send_to_every_queue", "task_queue"]

CONSUMER_TIMEOUT_MS = 30 * 86_400_000
"""How long RabbitMQ (3.12 and newer) lets a message of the task queue be out, in ms: longer than any target runs.

The same for everybody, because RabbitMQ refuses a queue that is declared in two ways.
"""
CONSUMER_URL = "broker_consumer_url"
"""Key of an app's configuration: where a worker consumes from, if that is written otherwise than for everybody else."""
DELIVERY_LIMIT = 1_000_000
"""How often a quorum queue delivers a message before it drops it: in effect, never dropped.

RabbitMQ 4 drops after 20 unless it is told otherwise; -1 means no limit there, and on 3.10 that a message is dropped
when it comes back once. How often a target is tried is decided in the records.
"""


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
    if not is_redis(settings):
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
    app = _app_class()(name, set_as_current=False)
    app.conf.update(celery_settings(settings))
    app.events.dispatcher_cls = _dispatcher(f"{name}@underbutler")
    return app


@cache
def _app_class() -> type[Celery]:
    """Return Celery's class of apps, which connects to the broker of its configuration whatever the environment says.

    Celery itself lets ``CELERY_BROKER_URL`` win over what an app is configured with: as it was written, and for
    targets alone, while notices went where `Settings.broker_url` says.
    """
    from celery import Celery

    class App(Celery):
        def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
            own = self.conf.get(CONSUMER_URL) or self.conf.get("broker_url")
            return super().connection_for_read(own if url in _of_environment() else url, **options)

        def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
            own = self.conf.get("broker_url")
            return super().connection_for_write(own if url in _of_environment() else url, **options)

    return App


def _of_environment() -> set[str | None]:
    """Return what Celery would take for an app's broker; None is what it takes when it is told none."""
    return {None, "", *map(os.environ.get, ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"))}


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
