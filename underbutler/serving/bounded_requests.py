"""How a server of ours speaks HTTP: a request is sent whole within a bound, or its connection is closed."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["REQUEST_S", "BoundedRequests"]

REQUEST_S: Final = 10.0
"""Longest time from the first byte of a connection, or of its next request, to the last of its head, in seconds."""


class BoundedRequests(H11Protocol):
    """uvicorn's protocol, which by itself waits for ever for the rest of a request."""

    _request_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the waiting."""
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some of a request; what has come does not prolong the waiting for the rest of it."""
        super().data_received(data)
        if self._is_answering:
            self._unwatch()
        else:
            self._watch()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self) -> None:
        if self._request_timer is None:
            self._request_timer = self.loop.call_later(REQUEST_S, self._close_half_sent)

    def _unwatch(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _close_half_sent(self) -> None:
        self._request_timer = None
        if not self._is_answering and not self.transport.is_closing():
            self.transport.close()
