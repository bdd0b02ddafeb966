"""Searching the tables: which runs a query finds, newest first."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, exc, exists, func, select, tuple_

from underbutler.catalog.query.limits import SEARCH_S, is_too_large, too_large, too_slow
from underbutler.catalog.query.queries import QueryError
from underbutler.catalog.query.questions import parse
from underbutler.catalog.run_store import RunHeader
from underbutler.sql import is_postgresql, read

from .conditions import Asker
from .run_row import document_of
from .tables import ODD, Run

__all__ = ["count", "headers"]

_RARE: Final = 5000
"""Data IDs that more runs have do not narrow a search: its runs are looked at one by one, newest first."""

_STEPS: Final = 20_000
"""Steps of SQLite's machine, some tenths of a millisecond, after which the time is looked at."""

_FIRST: Final = 100
_MOST: Final = 2000
"""Runs of the first batch and of the largest: a search of which little is read is short."""


def count(engine: Engine, query: Mapping[str, Any]) -> int:
    """Return how many runs a query finds."""
    question = parse(query)
    end = time.monotonic() + SEARCH_S
    with read(engine) as connection:
        asked = select(func.count()).select_from(Run).where(_condition(connection, question, end))
        return int(_rows(connection, asked, end)[0][0])


def headers(
    engine: Engine, query: Mapping[str, Any], *, skip: int = 0, limit: int | None = None
) -> Iterator[RunHeader]:
    """Yield the runs that a query finds, newest first. No connection is held between batches."""
    question = parse(query)
    size = _FIRST
    last: tuple[float, str] | None = None
    while limit is None or limit > 0:
        most = size if limit is None else min(size, limit)
        end = time.monotonic() + SEARCH_S
        with read(engine) as connection:
            asked = _newest(_condition(connection, question, end)).limit(most)
            asked = asked.offset(skip or None) if last is None else asked.where(tuple_(Run.time, Run.uid) < last)
            rows = _rows(connection, asked, end)
        for row in rows:
            start = document_of(row.start, row.start_exact)
            assert start is not None
            yield RunHeader(start, document_of(row.stop, row.stop_exact))
        if len(rows) < most:
            return
        last = rows[-1].time, rows[-1].uid
        limit = None if limit is None else limit - most
        size = min(2 * size, _MOST)


def _newest(condition: ColumnElement[bool]) -> Select[Any]:
    columns = (Run.uid, Run.time, Run.start, Run.start_exact, Run.stop, Run.stop_exact)
    return select(*columns).where(condition).order_by(Run.time.desc(), Run.uid.desc())


def _condition(connection: Connection, question: Any, end: float) -> ColumnElement[bool]:
    odd = bool(connection.execute(select(exists(select(Run.uid).where(ODD)))).scalar_one())

    def is_rare(runs: Select[Any]) -> bool:
        counted = select(func.count()).select_from(runs.limit(_RARE + 1).subquery())
        return int(_rows(connection, counted, end)[0][0]) <= _RARE

    return Asker(connection.dialect.name, odd, is_rare).condition(question)


def _rows(connection: Connection, asked: Select[Any], end: float) -> Sequence[Row[Any]]:
    """Return what a search finds before its time ends."""
    if time.monotonic() > end:
        raise too_slow()
    try:
        with _ended_in_time(connection, end):
            return connection.execute(asked).all()
    except exc.OperationalError as error:
        if is_too_large(error):
            raise too_large() from error
        if _was_ended(error):
            raise too_slow() from error
        raise
    except exc.DataError as error:
        if is_postgresql(connection) and "regular expression" in str(error.orig):
            raise QueryError(
                f"PostgreSQL cannot read a regular expression of the query: {str(error.orig).splitlines()[0]}. "
                "Write it with what Python's and PostgreSQL's have in common.",
                operator="$regex",
            ) from error
        raise


@contextmanager
def _ended_in_time(connection: Connection, end: float) -> Iterator[None]:
    """End what SQLite does when it takes too long; a server does that itself, see `engines`."""
    if is_postgresql(connection):
        yield
        return
    sqlite = connection.connection.dbapi_connection
    assert isinstance(sqlite, sqlite3.Connection)
    sqlite.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        sqlite.set_progress_handler(None, 0)


def _was_ended(error: exc.OperationalError) -> bool:
    origin = error.orig
    return getattr(origin, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT or (
        getattr(origin, "sqlstate", None) == "57014"
    )
