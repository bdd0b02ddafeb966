"""What every request passes first, and every answer last: host, origin, length, and headers that browsers obey."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Front"]

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        (
            b"default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
            b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
    ),
)
_READING: Final = ("GET", "HEAD", "OPTIONS")


class Front:
    """The ASGI application in front of the service.

    Parameters
    ----------
    app
        The service.
    base_url
        Where clients reach it: pages of this origin may write.
    hosts
        What ``Host`` may say, beside that of `base_url`.
    max_body_bytes
        A longer request is refused.
    """

    def __init__(self, app: ASGIApp, *, base_url: str, hosts: Iterable[str], max_body_bytes: int) -> None:
        self._app = app
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._hosts = {parts.netloc.lower(), *(host.lower() for host in hosts)}
        self._max = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        length = _Length(receive, send, self._max)
        await self._app(scope, length.receive, length.send)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return 421, f"Nothing here is called {host[:100]!r}. Ask {self._origin}, or set UNDERBUTLER_PUBLIC_URL."
        origin = headers.get("origin")
        if method not in _READING and origin is not None and origin.lower() != self._origin.lower():
            return 403, "Pages of another site may not write here."
        try:
            length = int(headers.get("content-length") or 0)
        except ValueError:
            return 400, "Content-Length is not a number."
        if length > self._max:
            return 413, _too_long(self._max)
        return None


class _Length:
    """Counts what a request sends, and adds headers to its answer."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send, self._most = receive, send, most
        self._read = 0
        self._over = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._most and not self._over:
                self._over = True
                await _refuse(self._send, 413, _too_long(self._most))
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self._over:
            return
        if message["type"] == "http.response.start":
            held = {name for name, _ in message.get("headers", ())}
            more = [(name, value) for name, value in _HEADERS if name not in held]
            message["headers"] = [*message.get("headers", ()), *more]
        await self._send(message)


def _too_long(most: int) -> str:
    return f"The request is longer than {most} bytes. Send less at once, or raise UNDERBUTLER_API_MAX_BODY_BYTES."


async def _refuse(send: Send, status: int, detail: str) -> None:
    problem: dict[str, Any] = {"type": "about:blank", "title": "The request is refused.", "status": status}
    body = json.dumps(problem | {"detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
