"""Where a secret could be read, and who could hear it: files, values, Flower's pages, Celery's events."""

from __future__ import annotations

import base64
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.services import missing
from tests.support.stack.site import Site
from underbutler.embedded.process import Guard, Process, free_port

DATATABLE = (
    "/tasks/datatable?draw=1&start=0&length=100&search[value]=&order[0][column]=0&order[0][dir]=asc"
    "&columns[0][data]=name"
)
"""What fills Flower's list of tasks."""


@contextmanager
def flower(site: Site, folder: Path) -> Iterator[Any]:
    """Run Flower as a person would; yield what fetches one of its pages."""
    try:
        import flower as installed
    except ImportError:
        missing("Flower", "pip install flower")
    del installed
    port = free_port()
    environment = {**os.environ, "UNDERBUTLER_HOME": str(site.stack.home), "FLOWER_UNAUTHENTICATED_API": "true"}
    words = ["-m", "celery", "-A", "workers.celery", "flower", "--address=127.0.0.1", f"--port={port}"]

    def fetch(path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                body: bytes = answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.read()  # a page too, with a traceback perhaps
        return body

    def answers() -> bool:
        try:
            return fetch("/healthcheck") == b"OK"
        except OSError:
            return False

    with Guard() as guard:
        program = [sys.executable, *words]
        process = Process("flower", program, environment=environment, directory=folder, guard=guard)
        process.wait_until(answers, 60)
        try:
            yield fetch
        finally:
            process.stop()


def spellings(word: str) -> list[bytes]:
    """Return a word as it is, and as it stands at the three places that it may have in base64."""
    raw = word.encode()
    inside = [base64.b64encode(b"\0" * shift + raw) for shift in range(3)]
    return [raw, *(text[4 : len(text) - 4] for text in inside)]


def holds(data: bytes, word: str) -> bool:
    """Tell whether data hold a word."""
    return any(spelling in data for spelling in spellings(word))


def files_with(folder: Path, word: str) -> list[str]:
    """Return the files of a folder that hold a word: databases, logs, append-only files, datasets."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [str(path.relative_to(folder)) for path in files if holds(path.read_bytes(), word)]


def values_of(client: Any, key: bytes) -> Any:
    """Return all that a Redis key holds, raw."""
    reads = {
        b"string": client.get,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    return reads[client.type(key)](key)
