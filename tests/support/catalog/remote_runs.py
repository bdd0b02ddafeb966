"""A server of runs as a process of its own, and the runs that it serves."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.catalog.runs import SCALAR, Memory, NpyHandler, data_key
from tests.support.services import with_other_ports
from underbutler.catalog import (
    BlueskyRun,
    Broker,
    RemoteBlueskyRun,
)
from underbutler.catalog.database.store import CatalogStore
from underbutler.embedded.process import Guard, Process, free_port

ROOT = Path(__file__).parents[3]


@dataclass
class Served:
    """Runs in a database, and the address of the server of it."""

    store: CatalogStore
    url: str
    process: Process
    handlers: dict[str, Any] = field(default_factory=lambda: {"NPY": NpyHandler})

    def take(self, run: Memory) -> str:
        return self.store.import_run(run.pairs)

    def here(self, uid: str) -> BlueskyRun:
        return Broker(self.store, handler_registry=self.handlers)[uid]

    def there(self, uid: str, **kwargs: Any) -> RemoteBlueskyRun:
        return RemoteBlueskyRun(self.url, name=uid, **kwargs)

    def both(self, run: Memory) -> tuple[BlueskyRun, RemoteBlueskyRun]:
        uid = self.take(run)
        return self.here(uid), self.there(uid)


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def serve(url: str, guard: Guard) -> Served:
    def begin() -> Served:
        port = free_port()
        process = Process(
            "the server of runs",
            [sys.executable, "-m", "tests.support.programs.catalog_server", url, str(port)],
            environment={**os.environ, "PYTHONPATH": str(ROOT)},
            guard=guard,
        )
        process.wait_until(lambda: answers(port), timeout_s=60)
        return Served(CatalogStore.open(url), f"http://127.0.0.1:{port}/runs", process)

    return with_other_ports(begin)


def plain(pairs: Any) -> list[Any]:
    return [(name, {key: repr(value) for key, value in document.items()}) for name, document in pairs]


MANY = {
    "x": (SCALAR, float),
    "n": (data_key("integer"), int),
    "word": (data_key("string"), lambda row: f"word {row}"),
    "flag": (data_key("boolean"), lambda row: row % 2 == 0),
    "line": (data_key("array", [3]), lambda row: [row, row + 1, row + 2]),
    "plane": (data_key("array", [2, 2]), lambda row: [[row, 0.5], [1.5, 2.5]]),
    "some": (SCALAR, lambda row: None if row % 3 else 1.5),
}
