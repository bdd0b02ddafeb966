"""A channel of the atomic transport at the server that the sentinels name."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis

from .channel import Channel

__all__ = ["SentinelChannel"]

SCHEME = "sentinel"


class SentinelChannel(Channel, redis.SentinelChannel):
    """A channel that takes and books in one step, at the master that the sentinels name when it connects."""

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        """Make a pool; kombu looks for sentinels among the addresses by their scheme, which is another one here."""
        client = self.connection.client
        addresses, client.alt = client.alt, [f"{SCHEME}://{url.partition('://')[2]}" for url in client.alt]
        try:
            return super()._sentinel_managed_pool(asynchronous)
        finally:
            client.alt = addresses
