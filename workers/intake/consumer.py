"""The worker's consumer: no message ends it, and none is dropped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from celery.utils.log import get_logger as get_celery_logger
from celery.worker import state
from celery.worker.consumer import Consumer as _CeleryConsumer

from underbutler.broker import broker_error
from underbutler.context import ServiceContext
from underbutler.errors import BrokerRefusesError
from underbutler.records import JobStore, Parked
from underbutler.settings import load_settings
from underbutler.telemetry.logs import get_logger
from workers.log_bindings import about

from .inspection import Park, Wait, headers_of, judged, raw_bytes
from .messaging import check_broker
from .quarantine_writer import Case, QuarantineWriter
from .thrown_out import ThrownOut

__all__ = ["Consumer"]

log = get_logger(__name__)
celery_log = get_celery_logger(__name__)

CeleryConsumer: Any = _CeleryConsumer  # its stubs know less than half of it
MALFORMED = (TypeError, ValueError, LookupError, AttributeError)
"""What Celery raises for a message that it did not expect."""


class Consumer(CeleryConsumer):
    """Celery's consumer, which looks at a message in full first and has what cannot be run written into the records.

    A message is acknowledged when the records have it; while they are away it stays booked and comes back. Delayed
    delivery, gossip and mingle are left out: targets have no ETA, and workers have nothing to tell each other.
    """

    class Blueprint(CeleryConsumer.Blueprint):
        """Celery's steps without those that are not wanted here."""

        default_steps: ClassVar[list[str]] = [
            step for step in CeleryConsumer.Blueprint.default_steps if "delayed_delivery" not in step
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.settings = load_settings()
        self.thrown_out = ThrownOut()
        self.clerk = QuarantineWriter(self._records, self.settings.unknown_wait_s)
        unwanted = {"without_gossip": True, "without_mingle": True}
        kwargs["worker_options"] = {**(kwargs.get("worker_options") or {}), **unwanted}
        super().__init__(*args, **kwargs)

    @contextmanager
    def _records(self) -> Iterator[JobStore]:
        with ServiceContext(self.settings) as context:
            yield context.jobs

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Return the function that is called with each message."""
        to_celery = super().create_task_handler(*args, **kwargs)
        tasks = self.app.tasks

        def on_message(message: Any) -> Any:
            verdict = judged(message, tasks)
            if verdict is not None:
                return self._set_aside(message, verdict)
            try:
                with about(message.headers):
                    return to_celery(message)
            except MALFORMED as error:
                if message.headers.get("id") in state.requests:
                    raise  # it was accepted: the fault is not the message's
                return self._refused(message, error)

        return on_message

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Have a message parked whose body does not decode."""
        self._refused(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002 - Celery's
        """Have a message parked that is of no protocol of Celery's."""
        self._refused(message, ValueError("it is not a Celery message"))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's
        """Have a message parked whose task is not known."""
        self._refused(message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's
        """Have a message parked that Celery refuses."""
        self._refused(message, exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Say what the broker's error means, and wait before the worker connects again, longer each time.

        The first time it connects at once: then the broker was restarted, most likely. What throws it out again and
        again, such as a right that is missing, does so in milliseconds.
        """
        super().on_connection_error_after_connected(exc)
        meaning = broker_error(exc, self.settings)
        wait_s = self.thrown_out.wait_s(time.monotonic())
        event = "broker_refuses" if isinstance(meaning, BrokerRefusesError) else "broker_lost"
        log.error(event, reason=str(meaning), again_in_s=wait_s)
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            state.maybe_shutdown()
            time.sleep(0.1)

    def on_ready(self) -> None:
        """Look at the broker when the worker first consumes."""
        if not self.restart_count:
            check_broker(self.connection, self.settings)
        super().on_ready()

    def shutdown(self) -> None:
        """End."""
        self.clerk.close()
        super().shutdown()

    def _refused(self, message: Any, error: Exception) -> None:
        verdict = judged(message, self.app.tasks)
        text = f"The message does not decode: {type(error).__name__}: {error}. Submit with `underbutler submit`."
        self._set_aside(message, verdict or Park("undecodable", text))

    def _set_aside(self, message: Any, verdict: Park | Wait) -> None:
        delivery = message.delivery_info or {}
        name = message.headers.get("task")
        parked = Parked(
            kind=verdict.kind if isinstance(verdict, Park) else "unknown_target",
            reason=verdict.reason,
            queue=delivery.get("routing_key") or self.settings.queue,
            raw=raw_bytes(message),
            task=name if isinstance(name, str) else None,
            headers=headers_of(message),
            worker=str(self.hostname),
        )
        self.clerk.take(Case(verdict, parked, lambda: self.call_soon(self._acknowledge, message)))

    def _acknowledge(self, message: Any) -> None:
        try:
            message.ack_log_error(celery_log, self.connection_errors)
        except Exception as error:  # noqa: BLE001 - its channel was closed meanwhile: it comes back and is counted
            log.info("acknowledged_too_late", error=f"{type(error).__name__}: {error}")
