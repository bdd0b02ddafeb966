"""The runs of a server, as a place that keeps runs: what a `Broker` of an ``http://`` URL reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from underbutler.catalog.query.queries import QueryError
from underbutler.catalog.run_store import RunHeader
from underbutler.catalog.source import RunSource

from .connection import Connection
from .run import RemoteBlueskyRun
from .source import RemoteRun

__all__ = ["RemoteShelf"]

_FIRST: Final = 100
_MOST: Final = 1000
"""Runs of the first page that is asked for, and of the largest."""

_LONGEST: Final = 30_000
"""A longer query does not fit into a line of HTTP."""


class RemoteShelf:
    """The runs of a server.

    Parameters
    ----------
    url
        ``http://…/runs``.
    headers
        Sent with every request.
    parameters
        Query parameters that are sent with every request.

    Raises
    ------
    UsageError
        If the URL is not one of HTTP.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> None:
        self._url = url
        self._connection = Connection(url, dict(headers or {}), dict(parameters or {}))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"

    @property
    def place(self) -> str:
        """The server's address, without a password."""
        return self._connection.place

    def count(self, query: Mapping[str, Any]) -> int:
        """Return how many runs a query finds.

        Raises
        ------
        QueryError
            If it cannot be asked.
        """
        return int(self._connection.ask({"where": _where(query), "limit": 0, "count": True})["count"])

    def headers(self, query: Mapping[str, Any], *, skip: int = 0, limit: int | None = None) -> Iterator[RunHeader]:
        """Yield the runs that a query finds, newest first, a page at a time.

        Raises
        ------
        QueryError
            If it cannot be asked.
        """
        where, size, before = _where(query), _FIRST, None
        while limit is None or limit > 0:
            most = size if limit is None else min(size, limit)
            page = self._connection.ask({"where": where, "limit": most, "before": before, "skip": skip or None})
            for run in page["runs"]:
                yield RunHeader(run["start"], run["stop"])
            before, skip = page["before"], 0
            if before is None:
                return
            limit = None if limit is None else limit - len(page["runs"])
            size = min(2 * size, _MOST)

    def source(self, header: RunHeader) -> RunSource:
        """Return what reads a run that `headers` gave: with its datum ids, to be filled here."""
        run = RemoteRun(self._connection.below(header.uid))
        run.know(header.start, header.stop)
        return run

    def run(self, header: RunHeader) -> RemoteBlueskyRun:
        """Return a run that `headers` gave, whose external values the server fills."""
        run = RemoteBlueskyRun(self._url, self._connection.headers, header.uid, self._connection.parameters)
        run.know(header.start, header.stop)
        return run


def _where(query: Mapping[str, Any]) -> str | None:
    """Return a query as JSON; None if it asks for nothing."""
    try:
        text = json.dumps(query, default=_plain, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise QueryError(
            f"This query cannot be sent to a server: {error}. Write it of texts, numbers, booleans, null, lists and "
            "mappings; a regular expression as {'$regex': '…'}.",
        ) from error
    if len(text) > _LONGEST:
        raise QueryError(
            f"This query has {len(text)} characters, and a server is asked at most {_LONGEST}. Ask in several parts.",
            length=len(text),
        )
    return None if text == "{}" else text


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is not JSON")
