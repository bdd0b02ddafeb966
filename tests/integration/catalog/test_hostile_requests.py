"""Requests that want too much of a server of runs: each is refused in a bounded time, others answered."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from astropy.io import fits

from tests.support.catalog.rows import start_of
from tests.support.catalog.runs import SCALAR, Recording, image_key
from underbutler.api import catalog_app
from underbutler.catalog import Broker
from underbutler.catalog.database import selection
from underbutler.catalog.database.store import CatalogStore
from underbutler.catalog.handlers.allowed_places import AllowedPlaces, guarded
from underbutler.catalog.handlers.registry import default_registry
from underbutler.migrations import upgrade
from underbutler.serving import bounded_requests as requests
from underbutler.settings import load_settings

SLOW = {"$or": [{"a": {"$elemMatch": {"$elemMatch": {"$elemMatch": {"$gt": 1e9 + n}}}}} for n in range(4)]}
"""Looks at every number of every run."""


def run_with_image(place: Path) -> list[tuple[str, dict[str, Any]]]:
    recording = Recording(task="imported")
    descriptor = recording.stream("primary", {"fwhm": SCALAR, "image": image_key()})
    datum = recording.datum(recording.resource(place, "ANNEX_FITS"))
    recording.event(descriptor, {"fwhm": 1.5, "image": datum}, {"image": False})
    return recording.stop().pairs


class Site:
    """A server of runs in a thread of this process, and its client."""

    def __init__(self, folder: Path) -> None:
        self.root, self.outside = folder / "root", folder / "outside"
        for one in (self.root, self.outside):
            one.mkdir()
            fits.PrimaryHDU(np.zeros((4, 5), "uint16")).writeto(one / "image.fits")
        url = f"sqlite:///{folder / 'runs.db'}"
        upgrade(url)
        self.store = CatalogStore.open(url)
        allowed = AllowedPlaces.of(load_settings(home=folder), [self.root])
        catalog = Broker(url, handler_registry=guarded(default_registry(), allowed))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        config = uvicorn.Config(catalog_app(catalog), http=requests.BoundedRequests, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(30)

    def search(self, query: Any) -> httpx.Response:
        where = query if isinstance(query, str) else json.dumps(query)
        return self.client.get("/runs", params={"where": where, "count": "yes"})

    def error(self, answer: httpx.Response) -> dict[str, Any]:
        said = answer.json()["error"]
        assert str(self.root.parent) not in answer.text
        assert len(answer.text) < 6000
        return dict(said)

    def image(self, place: Path) -> httpx.Response:
        uid = self.store.import_run(run_with_image(place))
        return self.client.get(f"/runs/{uid}/streams/primary/partitions/0", params={"include": "image"})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("hostile")) as site:
        yield site


def test_others_are_answered_while_a_search_holds_a_core(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "SEARCH_S", 0.3)
    for number in range(3):
        site.store.insert("start", start_of(f"large-{number}", a=[[list(range(1000))] * 40] * 40))
    meanwhile = 0
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(site.search, SLOW)
        while not slow.done():
            assert site.client.get("/runs", params={"limit": 0}).status_code == 200
            meanwhile += 1
    assert slow.result().status_code == 400
    assert "ended after" in site.error(slow.result())["text"]
    assert meanwhile


@pytest.mark.parametrize(
    "query",
    [
        {"a": {"$elemMatch": {"$elemMatch": {"$elemMatch": {"$elemMatch": {"$elemMatch": {"$gt": 1}}}}}}},
        {"uid": {"$regex": r"(.*)\1"}},
        {"uid": {"$regex": "(" * 900 + ")" * 901}},
        {"$or": [{"a.0.1.2.3": number} for number in range(100)]},
        '{"x": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"x": 1' + "0" * 400 + "}",
        '{"x": 9223372036854775808}',
        '{"x": 1e999}',
        '{"x": "\\ud800"}',
        "[" + "1," * 3000 + "1]",
        {"$unknown" * 500: 1},
    ],
)
def test_a_hostile_query_is_refused_in_few_words(site: Site, query: Any) -> None:
    answer = site.search(query)
    assert answer.status_code == 400
    assert site.error(answer)["kind"] == "usage"


@pytest.mark.parametrize(
    "path",
    [
        "/runs?skip=9223372036854775808",
        "/runs?limit=" + "9" * 5000,
        "/runs?partition_size=1" + "0" * 30,
        "/runs?before=1e999,x",
        "/runs/" + "9" * 30,
        "/runs/-" + "9" * 30,
        "/runs/" + "9" * 5000,
        "/runs/" + "x" * 5000,
        "/runs/large-0/streams/primary/partitions/" + "9" * 40,
    ],
)
def test_numbers_beyond_64_bits_are_refused(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code in {400, 404}
    assert site.error(answer)["kind"] == "usage"


def test_a_request_that_is_half_sent_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "REQUEST_S", 0.3)
    begun = [
        b"",
        b"G",
        b"GET /runs HTTP/1.1\r\nHost: x\r\n",
        b"GET /runs HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    ]
    connections = [socket.create_connection(("127.0.0.1", site.port), timeout=30) for _ in begun]
    for connection, data in zip(connections, begun, strict=True):
        connection.sendall(data)
    assert site.client.get("/runs", params={"limit": 0}).status_code == 200
    for connection in connections:
        with connection:
            while connection.recv(65536):
                pass


def test_a_request_that_trickles_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "REQUEST_S", 0.3)
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        connection.sendall(b"GET /runs HTTP/1.1\r\n")
        connection.settimeout(0.05)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                connection.sendall(b"X: y\r\n")
                if connection.recv(100) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return
    pytest.fail("it was still open")


def test_a_file_of_a_root_is_read_and_others_are_not(site: Site) -> None:
    assert site.image(site.root / "image.fits").status_code == 200
    there, not_there = site.image(site.outside / "image.fits"), site.image(site.outside / "imag2.fits")
    assert there.status_code == not_there.status_code == 400
    said, also_said = site.error(there), site.error(not_there)
    assert "none of the places" in said["text"]
    assert said["type"] == also_said["type"]


def test_a_pipe_under_a_root_is_not_opened(site: Site) -> None:
    os.mkfifo(site.root / "pipe.fits")
    assert "none of the places" in site.error(site.image(site.root / "pipe.fits"))["text"]
