"""One engine, one metadata, the database's clock: records and catalogue share a transaction, not imports.

SQLite by default, PostgreSQL for more than one machine. Importing this opens nothing; make the engine after a fork.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote

from sqlalchemy import (
    JSON,
    URL,
    Connection,
    Double,
    Engine,
    MetaData,
    Uuid,
    create_engine,
    event,
    exc,
    make_url,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.expression import ColumnElement

from .bounded_connection import ANSWER_S, connector
from .database_reasons import NO_FILE, cure_of, reason_of
from .errors import RecordsUnavailableError, UsageError
from .regular_expressions import found_in

__all__ = [
    "NOW",
    "Base",
    "database_now",
    "is_postgresql",
    "metadata",
    "now_sql",
    "open_engine",
    "parse_url",
    "read",
    "statement",
    "to_json",
    "write",
]

BUSY_TIMEOUT_S: Final = 20.0
"""Shortest time that SQLite waits for another writer."""

IDLE_BEFORE_PING_S: Final = 5.0
"""A pooled PostgreSQL connection that rested longer is tried before it is used: the server may have been restarted."""

HALF_OPEN: Final = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""A server whose machine has vanished is noticed within a minute: nobody waits for its answer longer than that."""

STOPPED_S: Final = 120.0
"""PostgreSQL ends a transaction whose client says nothing for so long, in seconds: its machine may be stopped."""

NOW: Final = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
}
"""Seconds since 1970 UTC by the database's clock, in the words of each database."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Base(DeclarativeBase):
    """Base of all tables. Times are double seconds since 1970 UTC; JSON keeps its text (so that digests stay true)."""

    metadata = metadata
    type_annotation_map: ClassVar = {
        float: Double(),
        uuid.UUID: Uuid(),
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


class database_now(ColumnElement[float]):  # noqa: N801 - it is used like SQLAlchemy's functions
    """SQL expression: seconds since 1970 UTC as a double, by the database's clock."""

    inherit_cache = True
    type = Double()


@compiles(database_now)
def _compile_now(_element: database_now, compiler: Any, **_options: Any) -> str:
    return NOW[compiler.dialect.name]


def now_sql(engine: Engine) -> str:
    """Return the text of `database_now` for one engine."""
    return NOW[engine.dialect.name]


def is_postgresql(bind: Engine | Connection) -> bool:
    """Tell whether statements go to PostgreSQL."""
    return bind.dialect.name == "postgresql"


def parse_url(url: str) -> URL:
    """Return the URL of the records, with the driver that we use.

    Raises
    ------
    UsageError
        If it is not a URL of SQLite or PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise UsageError(
            "UNDERBUTLER_DATABASE_URL is not a database URL. Write sqlite:////absolute/path/records.db or "
            "postgresql+psycopg://user@host/database."
        ) from error
    backend = parsed.drivername.partition("+")[0]
    drivers = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    if backend not in drivers:
        raise UsageError(
            f"The records are kept in SQLite or PostgreSQL, not in {backend!r} ({_shown(parsed)}). "
            "Write sqlite:////absolute/path/records.db or postgresql+psycopg://user@host/database.",
            url=_shown(parsed),
        )
    return parsed.set(drivername=drivers[backend])


def open_engine(
    url: str,
    wait_s: float = BUSY_TIMEOUT_S,
    *,
    create: bool = False,
    longest_s: float | None = None,
    answer_s: float = ANSWER_S,
) -> Engine:
    """Return an engine for the records. Nothing is connected yet; make it after a fork, once per process.

    Parameters
    ----------
    url
        ``sqlite:///…`` or ``postgresql+psycopg://…``.
    wait_s
        How long a statement waits for a lock, and a connection for the server, in seconds. SQLite waits 20 s at least.
    create
        Whether a SQLite file that does not exist is made; without it, connecting is a `RecordsUnavailableError`.
    longest_s
        Time after which PostgreSQL ends a statement, in seconds; None: it may take as long as it likes.
    answer_s
        Silence after which a PostgreSQL server is given up, in seconds.

    Raises
    ------
    UsageError
        If the URL is of no database that we know, or its driver is not installed.
    """
    parsed = parse_url(url)
    if parsed.drivername == "sqlite":
        return _open_sqlite(parsed, max(wait_s, BUSY_TIMEOUT_S), create)
    return _open_postgresql(parsed, wait_s, longest_s, answer_s)


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """Open a write transaction: it commits when the block ends, and rolls back when the block raises.

    On SQLite it is ``BEGIN IMMEDIATE``: a transaction that reads first and writes later would fail under contention.

    Raises
    ------
    RecordsUnavailableError
        If the database is away, busy for too long, or has no tables yet.
    """
    with _translated(engine), engine.begin() as connection:
        yield connection


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """Open a connection that only reads. On PostgreSQL each statement sees its own moment.

    Raises
    ------
    RecordsUnavailableError
        If the database is away or has no tables yet.
    """
    with _translated(engine), engine.connect() as connection:
        if is_postgresql(engine):
            yield connection.execution_options(isolation_level="AUTOCOMMIT")
        else:
            yield connection.execution_options(sqlite_begin="BEGIN")


@contextmanager
def statement(engine: Engine) -> Iterator[Connection]:
    """Open a connection for ONE writing statement: on PostgreSQL it is its own transaction, in one round trip.

    Raises
    ------
    RecordsUnavailableError
        If the database is away, busy for too long, or has no tables yet.
    """
    if not is_postgresql(engine):
        with write(engine) as connection:
            yield connection
        return
    with _translated(engine), engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def _open_sqlite(url: URL, wait_s: float, create: bool) -> Engine:
    engine = create_engine(url, json_serializer=to_json, connect_args={"timeout": wait_s})

    @event.listens_for(engine, "do_connect")
    def refuse_to_create(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        path = str(arguments[0]) if arguments else ":memory:"
        if create or path == ":memory:" or path.startswith("file:"):
            return
        if not Path(path).exists():
            raise _unavailable(engine, NO_FILE)
        # It may vanish now: SQLite would make an empty one.
        arguments[0] = f"file:{quote(str(Path(path).absolute()))}?mode=rw"
        options["uri"] = True

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        # In place of SQLAlchemy's, by which one expression can hold the interpreter's lock for minutes.
        connection.create_function("regexp", 2, found_in, deterministic=True)
        _switch_to_wal(connection, wait_s)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"))

    return engine


def _switch_to_wal(connection: sqlite3.Connection, wait_s: float) -> None:
    """Switch the file to write-ahead logging: kept in the file, and not covered by SQLite's own waiting."""
    deadline = time.monotonic() + wait_s
    while connection.execute("PRAGMA journal_mode").fetchone()[0] not in {"wal", "memory"}:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _open_postgresql(url: URL, wait_s: float, longest_s: float | None, answer_s: float) -> Engine:
    wait = max(1, round(wait_s))
    # A search of the catalogue that takes 0.3 ms was compiled for 270 ms before.
    server = f"-c lock_timeout={wait}s -c jit=off -c idle_in_transaction_session_timeout={round(STOPPED_S * 1000)}"
    server += "" if longest_s is None else f" -c statement_timeout={round(longest_s * 1000)}"
    options = {"connect_timeout": wait, "options": server, **HALF_OPEN}
    try:
        engine = create_engine(url, json_serializer=to_json, connect_args=options, pool_timeout=wait_s)
        connect = connector(answer_s)
    except ModuleNotFoundError as error:
        raise UsageError(
            "Records on PostgreSQL need the driver psycopg. Install it: pip install 'underbutler[postgres]'."
        ) from error

    @event.listens_for(engine, "do_connect")
    def connect_within_bounds(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        return connect(*arguments, **options)

    @event.listens_for(engine, "checkin")
    def rest(_connection: Any, record: Any) -> None:
        record.info["resting_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def try_after_rest(connection: Any, record: Any, _proxy: Any) -> None:
        since = record.info.get("resting_since")
        if since is None or time.monotonic() - since < IDLE_BEFORE_PING_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise exc.DisconnectionError from error

    return engine


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except exc.TimeoutError as error:
        raise _unavailable(engine, "every connection of this process is in use") from error
    except exc.DBAPIError as error:
        reason = reason_of(error)
        if reason is None:
            raise
        raise _unavailable(engine, reason) from error


def _unavailable(engine: Engine, reason: str) -> RecordsUnavailableError:
    url = _shown(engine.url)
    return RecordsUnavailableError(
        f"The records at {url} do not answer: {reason}. {cure_of(engine.url, reason)}", url=url, reason=reason
    )


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def to_json(value: object) -> str:
    """Write JSON; what is not finite becomes null, because neither database would read it back."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value))


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
