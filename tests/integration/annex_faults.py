"""An HTTP proxy that spoils chosen requests on their way to an S3 store, for drills about damaged deliveries."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

__all__ = ["Fault", "FaultyS3"]

_HOP = {"connection", "expect", "keep-alive", "transfer-encoding"}
_BUSY = b"<?xml version='1.0'?><Error><Code>ServiceUnavailable</Code><Message>drill</Message></Error>"


@dataclass
class Fault:
    """What to do to which request, how many times.

    Parameters
    ----------
    kind
        ``flip`` a byte of the request's body, ``cut`` the body, ``busy`` answers 503, ``hang`` never answers,
        ``lose`` drops the store's answer, ``flip answer`` and ``cut answer`` spoil the answer's body.
    method
        HTTP method.
    where
        Text that path and query must hold.
    times
        Requests that are spoiled before the fault is gone.
    """

    kind: str
    method: str
    where: str = ""
    times: int = 10**6

    def takes(self, method: str, path: str) -> bool:
        """Say whether this request is spoiled, and count it."""
        if self.times < 1 or method != self.method or self.where not in path:
            return False
        self.times -= 1
        return True


@dataclass
class FaultyS3:
    """Runs the proxy in front of a store; `url` is its address, `seen` what came by as ``METHOD path``."""

    upstream: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spoil(self, kind: str, method: str, where: str = "", times: int = 10**6) -> None:
        """Add a fault."""
        self.faults.append(Fault(kind, method, where, times))

    def fault_of(self, method: str, path: str) -> str:
        """Return the kind of fault for a request, or an empty string."""
        with self.lock:
            self.seen.append(f"{method} {path}")
            return next((fault.kind for fault in self.faults if fault.takes(method, path)), "")


class _Handler(BaseHTTPRequestHandler):
    owner: FaultyS3
    protocol_version = "HTTP/1.1"

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.owner.fault_of(self.command, self.path)
        if kind == "hang":
            self.owner.released.wait(60)
            self.close_connection = True
            return
        if kind == "busy":
            self._answer(503, [("Content-Type", "application/xml")], _BUSY)
            return
        if kind == "flip":
            body = _flipped(body)
        upstream = urlsplit(self.owner.upstream)
        link = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
        try:
            link.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    link.putheader(name, value)
            link.endheaders()
            link.send(body[: len(body) // 2] if kind == "cut" else body)
            if kind in {"cut", "lose"}:
                if kind == "lose":
                    link.getresponse().read()
                self.close_connection = True
                return
            answer = link.getresponse()
            data = answer.read()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            self._answer(
                answer.status, headers, _flipped(data) if kind == "flip answer" else data, kind == "cut answer"
            )
        finally:
            link.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    do_GET: Callable[[Any], None] = _relay
    do_PUT: Callable[[Any], None] = _relay
    do_POST: Callable[[Any], None] = _relay
    do_HEAD: Callable[[Any], None] = _relay
    do_DELETE: Callable[[Any], None] = _relay

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 0x40]) + body[middle + 1 :]
