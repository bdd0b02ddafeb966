"""Runs in memory, and a client of the application that serves them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.support.catalog.runs import Memory, NpyHandler, image_key, image_run
from tests.support.catalog.served_runs import Catalogue, MemoryShelf
from underbutler.api import catalog_app
from underbutler.catalog.remote.wire_format import VERSION_HEADER, unpack

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of which HTTP client the test client is made
    from starlette.testclient import TestClient

__all__ = ["MSGPACK", "Site", "run_at", "served_images", "uid_of"]

MSGPACK = {"Accept": "application/msgpack"}


class Site:
    """Runs, and a client of the application that serves them."""

    def __init__(self, *runs: Memory) -> None:
        self.runs = list(runs)
        self.shelf = MemoryShelf(self.runs)
        self.client = TestClient(catalog_app(Catalogue(self.shelf, {"NPY": NpyHandler})), raise_server_exceptions=False)

    def get(self, path: str, headers: dict[str, str] | None = None, status: int = 200, **params: Any) -> Any:
        answer = self.client.get(path, params=params or None, headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.headers[VERSION_HEADER] == "1"
        return answer

    def json(self, path: str, **params: Any) -> Any:
        return self.get(path, **params).json()

    def packed(self, path: str, **params: Any) -> Any:
        return unpack(self.get(path, MSGPACK, **params).content)

    def error(self, path: str, status: int, headers: dict[str, str] | None = None, **params: Any) -> Any:
        said = self.get(path, headers, status, **params).json()["error"]
        assert said["kind"] == ("transient" if status == 503 else "fatal" if status == 500 else "usage")
        assert said["text"]
        assert said["cure"]
        return said


def run_at(time: float, uid: str, **start: Any) -> Memory:
    return Memory([("start", {"uid": uid, "time": time, **start})])


def uid_of(run: Memory) -> str:
    return str(run.start()["uid"])


@pytest.fixture(name="images")
def served_images(tmp_path: Path) -> Site:
    NpyHandler.loads.clear()
    return Site(image_run(tmp_path, rows=10, key=image_key(dtype_numpy="<u2")))
