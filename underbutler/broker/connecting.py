"""How the broker is reached: transport options and one kombu connection, the same for everybody."""

from __future__ import annotations

import json
from typing import Any

from kombu import Connection

from underbutler.settings import Settings

__all__ = ["connection", "is_redis", "transport_options"]


CONNECT_S = 5.0
"""How long a connection to the broker, or to a sentinel, may take to come about, in seconds."""
SILENCE_S = 30.0
"""How long the broker may take to answer, in seconds."""


def is_redis(settings: Settings) -> bool:
    """Tell whether the broker is Redis or Valkey, asked for directly or of sentinels."""
    return settings.broker_url.startswith(("redis", "sentinel"))


def transport_options(settings: Settings) -> dict[str, Any]:
    """Return the broker's transport options."""
    if not is_redis(settings):
        return {"confirm_publish": True}
    sentinels = _sentinel_options(settings) if settings.broker_url.startswith("sentinel") else {}
    return {
        "visibility_timeout": settings.visibility_timeout_s,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 30,
        "socket_timeout": SILENCE_S,
        "socket_connect_timeout": CONNECT_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "global_keyprefix": settings.broker_prefix,
        "priority_steps": [0],
        **sentinels,
    }


def _sentinel_options(settings: Settings) -> dict[str, Any]:
    """Return what kombu is told of sentinels: which master, and how they themselves are spoken to."""
    password = settings.broker_sentinel_password
    credentials = {
        "username": settings.broker_sentinel_username,
        "password": password.get_secret_value() if password else None,
    }
    given = {name: value for name, value in credentials.items() if value}
    patience = {"socket_timeout": CONNECT_S, "socket_connect_timeout": CONNECT_S}
    return {
        "master_name": settings.broker_master_name,
        "sentinel_kwargs": patience | given | json.loads(settings.broker_sentinel_kwargs),
    }


def connection(settings: Settings, *, connect_s: float = CONNECT_S) -> Connection:
    """Return an unopened kombu connection to the broker.

    Parameters
    ----------
    settings
        Which broker.
    connect_s
        How long it may take to come about, in seconds.
    """
    options = transport_options(settings)
    if is_redis(settings):
        options["socket_connect_timeout"] = connect_s
    return Connection(settings.broker_url, transport_options=options, heartbeat=0, connect_timeout=connect_s)
