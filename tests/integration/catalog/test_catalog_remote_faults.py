"""What answers at an address may be anything: it is said what, and which address it was."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from underbutler.catalog import (
    NotACatalogError,
    RemoteBlueskyRun,
    RemoteShelf,
    RemoteUnavailableError,
    ServerVersionError,
)
from underbutler.catalog.remote.wire_format import pack
from underbutler.embedded.process import free_port
from underbutler.errors import FatalError, TransientError, UnderbutlerError, UsageError

OURS = ["Underbutler-Catalog-Version: 1", "Content-Type: application/msgpack"]


def answer(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def saying(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that gives an answer on each connection, the last one for ever; yield its URL and what it heard."""
    heard: list[bytes] = []
    stopped = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not stopped.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"\r\n\r\n" not in request and (piece := connection.recv(65536)):
                    request += piece
                heard.append(request)
                connection.sendall(answers[min(len(heard), len(answers)) - 1])

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/runs", heard
        stopped.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=10)


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        (answer(b"<html>"), NotACatalogError, "is not a server of runs (200 OK, without Underbutler-Catalog-Version)"),
        (answer(status="404 Not Found"), NotACatalogError, "ends in /runs"),
        (answer(status="500 Oops"), NotACatalogError, "500 Oops"),
        (answer(b"", "Location: https://else.where/runs", status="302 Found"), NotACatalogError, "https://else.where/runs"),
        (answer(status="401 Unauthorized"), NotACatalogError, "headers={'Authorization'"),
        (answer(status="503 Service Unavailable"), RemoteUnavailableError, "503 Service Unavailable"),
        (answer(status="502 Bad Gateway"), TransientError, "502 Bad Gateway"),
        (answer(b"", "Underbutler-Catalog-Version: 2"), ServerVersionError, "speaks version 2 of the catalogue's HTTP"),
        (answer(b"\xc1", *OURS), NotACatalogError, "no MessagePack of runs"),
        (answer(b"", *OURS), NotACatalogError, "no MessagePack of runs"),
        (answer(pack({}), *OURS, length=99), RemoteUnavailableError, "does not answer (RemoteProtocolError"),
        (answer(b"no such thing", *OURS, "Content-Encoding: gzip"), NotACatalogError, "cannot be read"),
        (answer(pack({"oh": "no"}), *OURS, status="500 Oops"), FatalError, "reported by http"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", RemoteUnavailableError, "does not answer"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_said_with_its_address(said: bytes, error: type[UnderbutlerError], text: str) -> None:
    with saying(said) as (url, _):
        with pytest.raises(error) as caught:
            _ = RemoteBlueskyRun(url, name="a").start
        assert text in str(caught.value)
        assert url in str(caught.value)


def test_a_connection_broken_before_the_answer_is_retried_once() -> None:
    counted = answer(pack({"count": 3}), *OURS)
    with saying(b"", counted) as (url, heard):
        assert RemoteShelf(url).count({}) == 3
        assert len(heard) == 2
    with saying(b"") as (url, heard):
        with pytest.raises(RemoteUnavailableError, match="without sending a response"):
            RemoteShelf(url).count({})
        assert len(heard) == 2


def test_documents_that_end_in_the_middle_are_no_end() -> None:
    start = pack(["start", {"uid": "a", "time": 1.0}])
    chunk = f"{len(start):x}\r\n".encode() + start + b"\r\n"
    cut = b"HTTP/1.1 200 OK\r\n" + "\r\n".join([*OURS, "Transfer-Encoding: chunked", "", ""]).encode() + chunk
    half = answer(start[:-3], *OURS)
    for said, error in ((cut, RemoteUnavailableError), (half, NotACatalogError)):
        with saying(said) as (url, _):
            documents = RemoteBlueskyRun(url, name="a").documents(fill="no")
            with pytest.raises(error):
                list(documents)


def test_what_is_wrong_in_the_middle_is_raised_where_it_was() -> None:
    pairs = [
        ["start", {"uid": "a", "time": 1.0}],
        ["error", {"kind": "transient", "type": "DataAwayError", "text": "S3?"}],
    ]
    with saying(answer(b"".join(map(pack, pairs)), *OURS)) as (url, _):
        documents = RemoteBlueskyRun(url, name="a").documents(fill="yes")
        assert next(documents)[0] == "start"
        with pytest.raises(TransientError, match=r"S3\? \(reported by http"):
            next(documents)


def test_headers_and_parameters_go_with_requests_but_are_hidden() -> None:
    run = {"start": {"uid": "u", "time": 1.0}, "stop": None, "metadata": {}, "streams": {}}
    with saying(answer(pack(run), *OURS)) as (url, heard):
        there = RemoteBlueskyRun(url, {"Authorization": "Bearer hidden"}, "a/b c", {"partition_size": 7})
        assert list(there) == []
        assert there.start["uid"] == "u"
        assert heard[0].startswith(b"GET /runs/a%2Fb%20c?partition_size=7 HTTP/1.1\r\n")
        assert all(
            b"authorization: Bearer hidden" in request.replace(b"Authorization", b"authorization") for request in heard
        )
        assert all(b"application/msgpack" in request for request in heard)
        shown = f"{there!r} {there._remote!r} {there._remote.connection!r} {vars(there._remote.connection).keys()}"
        assert "hidden" not in shown


def test_a_server_that_is_not_there_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}/runs"
    for ask in (lambda: RemoteBlueskyRun(url, name="a").start, lambda: RemoteShelf(url).count({})):
        with pytest.raises(RemoteUnavailableError, match=url) as caught:
            ask()
        assert caught.value.fields["url"].startswith(url)


def test_a_password_in_an_address_is_not_shown() -> None:
    url = f"http://ann:verysecret@127.0.0.1:{free_port()}/runs"
    with pytest.raises(RemoteUnavailableError) as caught:
        RemoteShelf(url).count({})
    assert "verysecret" not in f"{caught.value}{caught.value.fields}{RemoteShelf(url)!r}{RemoteBlueskyRun(url)!r}"


@pytest.mark.parametrize(
    "url", ["sqlite:///x.db", "localhost:8000/runs", "http://host/runs?a=b", "http://host/runs#a", "", "http://"]
)
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        _ = RemoteBlueskyRun(url, name="a").start


def test_without_httpx_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(UsageError, match=r"pip install 'underbutler\[api\]'"):
        _ = RemoteBlueskyRun("http://127.0.0.1:1/runs", name="a").start


def test_nothing_is_asked_before_it_is_needed() -> None:
    ask: Callable[[], Any] = RemoteBlueskyRun("http://127.0.0.1:1/runs", name="a").configure_new
    assert ask() is not None
