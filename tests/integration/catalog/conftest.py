"""A server of runs, and what it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.catalog.remote_runs import Served, serve
from underbutler.catalog.remote.source import RemoteRun
from underbutler.embedded.process import Guard
from underbutler.migrations import upgrade


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    url = f"sqlite:///{tmp_path_factory.mktemp('served') / 'runs.db'}"
    upgrade(url)
    with Guard() as guard:
        served = serve(url, guard)
        yield served
        served.process.stop()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what partitions are asked of servers."""
    calls: list[dict[str, Any]] = []
    partition = RemoteRun.partition

    def listening(self: RemoteRun, stream: str, index: int, **question: Any) -> Any:
        calls.append({"index": index, **question})
        return partition(self, stream, index, **question)

    monkeypatch.setattr(RemoteRun, "partition", listening)
    return calls
