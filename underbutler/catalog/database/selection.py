"""Searching the tables: which runs a query finds, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Select, exc, exists, func, select, tuple_

from underbutler.catalog.query.limits import is_too_large, too_large
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

_FIRST: Final = 100
_MOST: Final = 2000
"""Runs of the first batch and of the largest: a search of which little is read is short."""


def count(engine: Engine, query: Mapping[str, Any]) -> int:
    """Return how many runs a query finds."""
    question = parse(query)
    with read(engine) as connection:
        asked = select(func.count()).select_from(Run).where(_condition(connection, question, query))
        return int(_execute(connection, asked, query).scalar_one())


def headers(
    engine: Engine, query: Mapping[str, Any], *, skip: int = 0, limit: int | None = None
) -> Iterator[RunHeader]:
    """Yield the runs that a query finds, newest first. No connection is held between batches."""
    question = parse(query)
    size = _FIRST
    last: tuple[float, str] | None = None
    while limit is None or limit > 0:
        most = size if limit is None else min(size, limit)
        with read(engine) as connection:
            asked = _newest(_condition(connection, question, query)).limit(most)
            asked = asked.offset(skip or None) if last is None else asked.where(tuple_(Run.time, Run.uid) < last)
            rows = _execute(connection, asked, query).all()
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


def _condition(connection: Connection, question: Any, query: Mapping[str, Any]) -> ColumnElement[bool]:
    odd = bool(connection.execute(select(exists(select(Run.uid).where(ODD)))).scalar_one())

    def is_rare(runs: Select[Any]) -> bool:
        counted = select(func.count()).select_from(runs.limit(_RARE + 1).subquery())
        return int(_execute(connection, counted, query).scalar_one()) <= _RARE

    return Asker(connection.dialect.name, odd, is_rare).condition(question)


def _execute(connection: Connection, asked: Select[Any], query: Mapping[str, Any]) -> Any:
    try:
        return connection.execute(asked)
    except exc.OperationalError as error:
        if is_too_large(error):
            raise too_large() from error
        raise
    except exc.DataError as error:
        if is_postgresql(connection) and "regular expression" in str(error.orig):
            raise QueryError(
                f"PostgreSQL cannot read a regular expression of {dict(query)!r}: {str(error.orig).splitlines()[0]}. "
                "Write it with what Python's and PostgreSQL's have in common.",
                operator="$regex",
            ) from error
        raise
