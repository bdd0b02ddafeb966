"""An HTTP proxy that spoils chosen requests on their way to an S3 store, for drills about damaged deliveries.

What is spoiled at random is drawn from a seed: the same requests in the same order meet the same faults.
"""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

__all__ = ["Fault", "FaultyS3"]

_HOP = {"connection", "expect", "keep-alive", "transfer-encoding"}
_ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>drill</Message></Error>"
_REFUSALS = {
    "expired": (
        400,
        "<Code>ExpiredToken</Code><Message>The provided token has expired.</Message><Token-0>AQo</Token-0>",
    ),
    "skewed": (
        403,
        (
            "<Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current "
            "time is too large.</Message><RequestTime>20261201T060000Z</RequestTime>"
            "<ServerTime>2026-12-01T08:00:00Z</ServerTime>"
            "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>"
        ),
    ),
    "signature": (
        403,
        (
            "<Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match the "
            "signature you provided. Check your key and signing method.</Message>"
            "<AWSAccessKeyId>testing</AWSAccessKeyId>"
        ),
    ),
    "unknown key": (
        403,
        (
            "<Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in our records."
            "</Message><AWSAccessKeyId>testing</AWSAccessKeyId>"
        ),
    ),
    "region": (
        400,
        (
            "<Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region "
            "'us-east-1' is wrong; expecting 'eu-south-2'</Message><Region>eu-south-2</Region>"
        ),
    ),
    "denied": (403, "<Code>AccessDenied</Code><Message>Access Denied</Message>"),
}
"""How AWS words it when it refuses who asks, when, or whom."""
_ANSWERS = {"busy": (503, "ServiceUnavailable"), "slow down": (503, "SlowDown"), "error": (500, "InternalError")}
_ANY = "*"


@dataclass
class Fault:
    """What to do to which request, how many times.

    Parameters
    ----------
    kind
        ``flip`` a byte of the request's body, ``cut`` the body, ``error`` answers 500, ``busy`` and ``slow down`` 503,
        ``hang`` never answers, ``lose`` drops the store's answer, ``flip answer`` and ``cut answer`` spoil the
        answer's body; ``expired``, ``skewed``, ``signature``, ``unknown key``, ``region`` and ``denied`` refuse it.
    method
        HTTP method; ``*`` is any.
    where
        Text that path and query must hold.
    times
        Requests that are spoiled before the fault is gone.
    share
        Part of the requests that is spoiled, drawn at random.
    """

    kind: str
    method: str
    where: str = ""
    times: int = 10**6
    share: float = 1.0

    def takes(self, method: str, path: str, chance: random.Random) -> bool:
        """Say whether this request is spoiled, and count it."""
        if self.times < 1 or self.method not in {method, _ANY} or self.where not in path:
            return False
        if self.share < 1.0 and chance.random() >= self.share:
            return False
        self.times -= 1
        return True


@dataclass
class FaultyS3:
    """Runs the proxy in front of a store; `url` is its address.

    Parameters
    ----------
    upstream
        Address of the store.
    seed
        What random faults are drawn from.

    Attributes
    ----------
    seen
        What came by, as ``METHOD path``.
    done
        How often each kind of fault was done.
    tokens
        Session tokens that came by.
    token_lives_s
        A session token is the time at which it was made, and an older one than this is refused; None: any will do.
    """

    upstream: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)
    seed: int = 20261120
    done: Counter[str] = field(default_factory=Counter)
    tokens: set[str] = field(default_factory=set)
    token_lives_s: float | None = None

    def __enter__(self) -> Self:
        self._chance = random.Random(self.seed)
        self._links: set[socket.socket] = set()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._listen()
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._deafen()

    def spoil(self, kind: str, method: str, where: str = "", times: int = 10**6, share: float = 1.0) -> None:
        """Add a fault."""
        self.faults.append(Fault(kind, method, where, times, share))

    def heal(self) -> None:
        """Forget all faults, and let go what hangs."""
        with self.lock:
            self.faults.clear()
            released, self.released = self.released, threading.Event()
        released.set()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections inside the block, and cut those that are there; the port stays the proxy's own."""
        self._deafen()
        try:
            yield
        finally:
            self._listen()

    def fault_of(self, method: str, path: str) -> str:
        """Return the kind of fault for a request, or an empty string."""
        with self.lock:
            self.seen.append(f"{method} {path}")
            kind = next((fault.kind for fault in self.faults if fault.takes(method, path, self._chance)), "")
            if kind:
                self.done[kind] += 1
            return kind

    def is_old(self, token: str | None) -> bool:
        """Note a session token, and tell whether it is too old."""
        if token is None or self.token_lives_s is None:
            return False
        with self.lock:
            self.tokens.add(token)
            old = time.time() - float(token) > self.token_lives_s
            self.done["expired token"] += old
            return old

    def _listen(self) -> None:
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _deafen(self) -> None:
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self._thread.join()
        with self.lock:
            links = list(self._links)
        for link in links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    owner: FaultyS3
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        """Serve one connection; it may be cut from here or from there at any time."""
        with self.owner.lock:
            self.owner._links.add(self.connection)
        try:
            super().handle()
        except OSError:
            self.close_connection = True
        finally:
            with self.owner.lock:
                self.owner._links.discard(self.connection)

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        released = self.owner.released
        kind = self.owner.fault_of(self.command, self.path)
        if self.owner.is_old(self.headers.get("X-Amz-Security-Token")):
            kind = "expired"
        if kind == "hang":
            released.wait(300)
            self.close_connection = True
            return
        if kind in _ANSWERS:
            status, code = _ANSWERS[kind]
            self._answer(status, [("Content-Type", "application/xml")], _ERROR.format(code).encode())
            return
        if kind in _REFUSALS:
            status, words = _REFUSALS[kind]
            text = (
                f'<?xml version="1.0" encoding="UTF-8"?><Error>{words}<RequestId>4442587FB7D0A2F9</RequestId></Error>'
            )
            self._answer(status, [("Content-Type", "application/xml")], text.encode())
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
        if self.command != "HEAD":
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
    if not body:
        return body
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 0x40]) + body[middle + 1 :]
