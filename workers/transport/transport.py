"""A kombu transport that takes a message from Redis and books it in one step: nothing is lost in between.

Stock kombu pops with BRPOP and books afterwards: a worker that is killed in between has lost the message. Here one Lua
call acknowledges what is done, pops and books; an idle worker waits by ``BLMOVE queue queue RIGHT RIGHT``, which blocks
until there is a message and leaves it where it is. Keys are stock kombu's: producers, Flower and beat need nothing.
"""

from __future__ import annotations

from ssl import CERT_NONE
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

from underbutler.broker import CONSUMER_URL, transport_options
from underbutler.settings import Settings
from underbutler.telemetry.logs import get_logger

from .channel import Channel
from .sentinels import SentinelChannel

__all__ = ["SecureTransport", "SentinelTransport", "Transport", "consumer_url", "worker_transport"]

log = get_logger(__name__)

ALIASES = {"redis": "underbutler-redis", "rediss": "underbutler-rediss", "sentinel": "underbutler-sentinel"}
"""URL scheme → the name under which kombu knows the transport."""
CLASSES = {
    "underbutler-redis": "Transport",
    "underbutler-rediss": "SecureTransport",
    "underbutler-sentinel": "SentinelTransport",
}
"""kombu's name of a transport → its class here."""
SOCKET = "redis+socket"
PATIENCE_S = 10
"""A call that Redis does not answer for so long is given up: a worker's event loop waits for some of them."""


def worker_transport(settings: Settings) -> dict[str, Any]:
    """Return the Celery settings by which a worker consumes with this transport; empty where stock kombu's is used."""
    scheme = settings.broker_url.partition("://")[0]
    if settings.redis_transport == "stock" or scheme not in (*ALIASES, SOCKET):
        return {}
    if ";" in settings.broker_url and scheme != "sentinel":
        log.warning(
            "stock_redis_transport",
            reason="several servers are reached by kombu's own transport, which can lose a message when a worker is "
            "killed; the sweeper finds and sends it again. Sentinels know which of several servers is the master",
        )
        return {}
    for name, transport in CLASSES.items():
        TRANSPORT_ALIASES[name] = f"{__name__}:{transport}"
    url = consumer_url(settings)
    chosen = {"broker_transport": ALIASES[scheme]} if url is None else {CONSUMER_URL: url}
    return chosen | {"broker_transport_options": transport_options(settings) | {"socket_timeout": PATIENCE_S}}


def consumer_url(settings: Settings) -> str | None:
    """Return the broker's URL as a worker consumes by it, if that is another one than everybody else's.

    Of a socket, and of several addresses, kombu takes the transport from the URL, whatever stands beside it.
    """
    scheme = settings.broker_url.partition("://")[0]
    if settings.redis_transport == "stock" or scheme not in {SOCKET, "sentinel"}:
        return None
    known = scheme.partition("+")[0]
    return ";".join(ALIASES[known] + part.removeprefix(known) for part in settings.broker_url.split(";"))


class Poller(redis.MultiChannelPoller):
    """Lets each channel ask before the loop sleeps, and wakes the one whose connection is readable."""

    def __init__(self) -> None:
        super().__init__()
        self._new: set[int] = set()

    def _register(self, channel: Channel, client: Any, kind: str) -> None:
        super()._register(channel, client, kind)
        self._new.add(client.connection._sock.fileno())

    @property
    def fds(self) -> dict[int, Any]:
        """File descriptors since the last look: the event loop asks at every tick, and keeps what it was told."""
        new, self._new = self._new, set()
        return {fd: self._fd_to_chan[fd] for fd in new if fd in self._fd_to_chan}

    def on_poll_start(self) -> None:
        """Let channels ask for messages."""
        for channel in list(self._channels):
            channel.tick()
            if channel.active_fanout_queues:
                self._register_LISTEN(channel)

    def on_readable(self, fileno: int) -> Any:
        """Let the channel read whose connection it is."""
        found = self._fd_to_chan.get(fileno)
        if found is None:
            return None
        channel, kind = found
        if kind == "LISTEN" and not channel.qos.can_consume():
            return None
        return channel.handlers[kind]()

    def maybe_check_brpop_health(self) -> None:
        """Drop connections that have been silent for too long."""
        for channel in list(self._channels):
            channel.drop_stale()


class Transport(redis.Transport):
    """Redis, with messages taken and booked in one step."""

    Channel = Channel
    in_event_loop = False
    """Whether an event loop runs: then acknowledgements travel with the next call."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let an event loop watch the connections."""
        super().register_with_event_loop(connection, loop)
        self.in_event_loop = True


class SentinelTransport(Transport):
    """The same at whichever server the sentinels name as the master (``sentinel://``)."""

    Channel = SentinelChannel


class SecureTransport(Transport):
    """The same over TLS (``rediss://``). Without options in the URL certificates are not checked, as in stock kombu."""

    def __init__(self, client: Any, **kwargs: Any) -> None:
        if not client.ssl:
            log.warning("broker_certificate_unchecked", cure="add ?ssl_cert_reqs=required to the broker's URL")
            client.ssl = {"ssl_cert_reqs": CERT_NONE}
        super().__init__(client, **kwargs)
