"""Catalogues of runs for tests of what serves them: any place that keeps runs, searched and looked up in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from tests.support.catalog.runs import Memory
from underbutler.catalog import BlueskyRun, FillerFactory
from underbutler.catalog.query.matching import matches
from underbutler.catalog.query.questions import parse
from underbutler.catalog.run_store import RunHeader, RunStore
from underbutler.catalog.source import RunSource
from underbutler.errors import UnknownNameError


class MemoryShelf:
    """Keeps runs in memory."""

    place = "memory"

    def __init__(self, runs: Sequence[Memory]) -> None:
        self.runs = list(runs)

    def headers(self, query: Mapping[str, Any], *, skip: int = 0, limit: int | None = None) -> Iterator[RunHeader]:
        question = parse(query)
        runs = sorted(self.runs, key=lambda run: (run.start()["time"], run.start()["uid"]), reverse=True)
        found = (run for run in runs if matches(question, run.start(), run.stop()))
        for run in islice(found, skip, None if limit is None else skip + limit):
            yield RunHeader(run.start(), run.stop())

    def count(self, query: Mapping[str, Any]) -> int:
        return len(list(self.headers(query)))

    def source(self, header: RunHeader) -> RunSource:
        return next(run for run in self.runs if run.start()["uid"] == header.uid).source()


class Catalogue(Mapping[str, BlueskyRun]):
    """The runs of a place: a mapping, newest first."""

    def __init__(self, shelf: RunStore, handlers: Mapping[str, Any] | None = None, query: Any = None) -> None:
        self._shelf, self._handlers, self._query = shelf, dict(handlers or {}), query or {}

    def search(self, query: Mapping[str, Any]) -> Catalogue:
        return Catalogue(self._shelf, self._handlers, {"$and": [self._query, query]} if self._query else query)

    def __iter__(self) -> Iterator[str]:
        return (header.uid for header in self._shelf.headers(self._query))

    def __len__(self) -> int:
        return self._shelf.count(self._query)

    def __getitem__(self, uid: str) -> BlueskyRun:
        for header in self._shelf.headers({"$and": [self._query, {"uid": {"$regex": f"^{uid}"}}]}):
            return BlueskyRun.of(self._shelf.source(header), FillerFactory(self._handlers))
        raise UnknownNameError.of("run", uid, self)
