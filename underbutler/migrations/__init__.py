"""Alembic migrations of records and catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select, text

from underbutler.errors import RecordsUnavailableError, UsageError
from underbutler.sql import is_postgresql, open_engine, parse_url, read, write

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

    from underbutler.settings import Settings

__all__ = ["HEAD", "VERSION_TABLE", "is_current", "prepare_records", "script", "upgrade"]

HEAD: Final = "0006"
"""Revision of the schema that this release works with."""

VERSION_TABLE: Final = "underbutler_revision"
"""Table that holds the database's revision; a name of its own, because a Butler registry may share the database."""

_LOCK: Final = 0x6D696772
"""Key of the advisory lock under which PostgreSQL is upgraded."""

_versions = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))


_LONGEST_S = 6 * 3600.0
"""Longest time of one statement of a migration, in seconds: it may rewrite a large table."""


def is_current(url: str) -> bool:
    """Tell whether a database has the schema of this release. A SQLite file that does not exist has not.

    Raises
    ------
    RecordsUnavailableError
        If the database does not answer.
    """
    parsed = parse_url(url)
    if parsed.drivername == "sqlite" and parsed.database and not Path(parsed.database).exists():
        return False
    engine = open_engine(url)
    try:
        with read(engine) as connection:
            return _revision(connection) == HEAD
    finally:
        engine.dispose()


def upgrade(url: str) -> None:
    """Bring a database to the schema of this release; make a SQLite file that does not exist, and its folder.

    A database that is current is only looked at. Several processes may call this at once: one does the work under a
    lock, in one transaction, and the others find it done.

    Raises
    ------
    RecordsUnavailableError
        If the database does not answer.
    UsageError
        If the database is of a newer release.
    """
    if is_current(url):
        return
    parsed = parse_url(url)
    if parsed.drivername == "sqlite" and parsed.database:
        _make_folder(Path(parsed.database).parent)
    engine = open_engine(url, create=True, answer_s=_LONGEST_S)
    try:
        _upgrade(engine)
    finally:
        engine.dispose()


def prepare_records(settings: Settings, *, may_make: bool = False) -> None:
    """Bring the records' schema up to date: a SQLite file at once, a server's database only on demand.

    Parameters
    ----------
    settings
        Where they are.
    may_make
        Whether a SQLite file that does not exist is made. Who only reads makes none: a folder that is not mounted would
        look like a site without any job.

    Raises
    ------
    RecordsUnavailableError
        If there is no such file.
    UsageError
        If a server's database is of another release.
    """
    if settings.records_url.startswith("sqlite"):
        path = parse_url(settings.records_url).database
        if may_make:
            settings.home.mkdir(parents=True, exist_ok=True)
        elif path and path != ":memory:" and not Path(path).exists():
            raise RecordsUnavailableError(
                f"There are no records at {path}. The first submission makes them, and so do `underbutler up` and "
                "`underbutler db upgrade`; if they are elsewhere, say so by --home or UNDERBUTLER_DATABASE_URL.",
                path=path,
            )
        upgrade(settings.records_url)
    elif not is_current(settings.records_url):
        raise UsageError(
            "The job database does not have the schema of this release. Run `underbutler db upgrade` once, before its "
            "workers and submitters start."
        )


def script() -> ScriptDirectory:
    """Return alembic's view of the revisions that ship with the package."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(Path(__file__).parent))


def _upgrade(engine: Engine) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    revisions = script()
    with write(engine) as connection:
        if is_postgresql(engine):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        current = _revision(connection)
        if current is not None and current not in {revision.revision for revision in revisions.walk_revisions()}:
            raise UsageError(
                f"The records at {engine.url.render_as_string()} have the schema {current!r}, which this release does "
                f"not know (its own is {HEAD}): they are of a newer one. Install it, or set UNDERBUTLER_DATABASE_URL.",
                revision=current,
            )
        steps = EnvironmentContext(
            Config(), revisions, fn=lambda rev, _context: revisions._upgrade_revs(HEAD, rev), destination_rev=HEAD
        )
        with steps:
            steps.configure(connection=connection, version_table=VERSION_TABLE, render_as_batch=True)
            steps.run_migrations()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(_versions.c.version_num)).scalar_one_or_none()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordsUnavailableError(
            f"The folder {folder} of the records cannot be made: {error.strerror}. "
            "Set UNDERBUTLER_HOME to one that is yours.",
            folder=str(folder),
        ) from error
