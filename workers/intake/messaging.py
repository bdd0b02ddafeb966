"""How a worker is connected to its broker: which transport, which consumer, and what the broker must allow."""

from __future__ import annotations

from typing import Any

from underbutler.broker import CONSUMER_TIMEOUT_MS
from underbutler.settings import Settings
from underbutler.telemetry.logs import get_logger
from workers.transport.transport import worker_transport

__all__ = ["check_broker", "messaging_settings"]

log = get_logger(__name__)

ARGUMENT_SINCE = (3, 12)
"""RabbitMQ takes ``x-consumer-timeout`` of a queue from this version on; older ones ignore it."""
DEFAULT_TIMEOUT_S = 1800
"""RabbitMQ's own ``consumer_timeout``: a delivery that is not acknowledged for so long ends its channel."""
TARGET_GRACE_S = 60
"""A message is out for so much longer than its target's hard limit, at most."""


def messaging_settings(settings: Settings) -> dict[str, Any]:
    """Return the Celery settings of a worker that concern its broker.

    What the broker refuses (a channel closed by ``consumer_timeout``, Redis out of memory) is waited out, like a broker
    that is away.
    """
    return {
        "worker_consumer": "workers.intake.consumer:Consumer",
        "broker_channel_error_retry": True,
        **worker_transport(settings),
    }


def check_broker(connection: Any, settings: Settings) -> None:
    """Say so when RabbitMQ may take messages back from targets that still run: a client cannot ask it.

    From 3.12 on our queue itself says how long a message may be out; before, only the server's configuration does.
    """
    properties = getattr(connection.connection, "server_properties", None) or {}
    if properties.get("product") != "RabbitMQ":
        return
    version = str(properties.get("version"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    needed_s = settings.hard_limit_s + TARGET_GRACE_S
    if numbers >= ARGUMENT_SINCE:
        if needed_s * 1000 > CONSUMER_TIMEOUT_MS:
            log.error("consumer_timeout_too_short", hard_limit_s=settings.hard_limit_s, limit_ms=CONSUMER_TIMEOUT_MS)
    elif needed_s > DEFAULT_TIMEOUT_S:
        log.warning(
            "consumer_timeout_unknown",
            rabbitmq=version,
            hard_limit_s=settings.hard_limit_s,
            default_s=DEFAULT_TIMEOUT_S,
            cure=f"set consumer_timeout = {needed_s * 1000} or more in rabbitmq.conf, or use RabbitMQ 3.12 or newer; "
            "otherwise a target that runs longer than the timeout is delivered twice, and its copy is discarded as a "
            "duplicate delivery",
        )
