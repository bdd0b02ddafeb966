"""Why a database does not serve, in words, and the cure that fits the database in use."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import URL, exc

__all__ = ["DISK_FULL", "NO_FILE", "cure_of", "reason_of"]

NO_FILE: Final = "the file does not exist"
DISK_FULL: Final = "the disk is full"
_NO_TABLES: Final = "it has no tables yet"
_OTHER_TABLES: Final = "its tables are of another release"
_BUSY: Final = "another process writes for too long"
_AWAY: Final = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk fails",
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
}
_DISK_FULL_STATES: Final = {"53100", "53200"}
"""PostgreSQL's: disk full, out of memory."""


def reason_of(error: exc.DBAPIError) -> str | None:
    """Say in words why the database does not serve; None when the fault is not the database's."""
    origin = error.orig
    text = (str(origin).strip().splitlines() or [type(origin).__name__])[0]
    if isinstance(origin, sqlite3.Error):
        if text.startswith(("no such table", "no such column")):
            return _NO_TABLES if "no such table" in text else _OTHER_TABLES
        return _AWAY.get(getattr(origin, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(origin, "sqlstate", None)
    if state in {"42P01", "42703"}:
        return _NO_TABLES if state == "42P01" else _OTHER_TABLES
    if state in _DISK_FULL_STATES:
        return f"{DISK_FULL} ({text})" if state == "53100" else text
    if error.connection_invalidated or isinstance(error, exc.OperationalError | exc.InterfaceError):
        return text
    return None


def cure_of(url: URL, reason: str) -> str:
    """Return what to do about a database that does not serve for a reason of `reason_of`.

    Parameters
    ----------
    url
        Which database.
    reason
        Why it does not serve.
    """
    if reason in {_NO_TABLES, _OTHER_TABLES}:
        return "Bring it up to this release: `underbutler db upgrade`."
    if url.get_backend_name() == "sqlite":
        return _cure_of_a_file(Path(url.database or ""), reason)
    return _cure_of_a_server(url, reason)


def _cure_of_a_file(path: Path, reason: str) -> str:
    if reason == NO_FILE:
        return (
            "The first submission makes it, and so do `underbutler up` and `underbutler db upgrade`; if it is "
            "elsewhere, say so by --home or UNDERBUTLER_DATABASE_URL."
        )
    if reason == DISK_FULL:
        return f"Free space on the disk of {path.parent}."
    if reason == _BUSY:
        return f"Look which process holds it: `fuser {path}`."
    if reason == _AWAY[sqlite3.SQLITE_IOERR]:
        return f"Look at the free space and the health of the disk of {path.parent}."
    if reason in {_AWAY[sqlite3.SQLITE_NOTADB], _AWAY[sqlite3.SQLITE_CORRUPT]}:
        return "Bring it back from a backup, or set UNDERBUTLER_DATABASE_URL to the right file."
    return f"Give this user the right to read and write {path} and its folder."


def _cure_of_a_server(url: URL, reason: str) -> str:
    place = f"{url.host or 'localhost'}:{url.port or 5432}"
    said = reason.casefold()
    if reason.startswith(DISK_FULL):
        return f"Free space on the disk of the PostgreSQL at {place}."
    if "authentication failed" in said or "no password supplied" in said or said.endswith("does not exist"):
        missing = "" if 'role "' in said or 'database "' not in said else ", or make that database"
        return f"Correct UNDERBUTLER_DATABASE_URL{missing}."
    if "too many clients" in said or "remaining connection slots" in said:
        return f"Raise max_connections of the PostgreSQL at {place}, or run fewer workers."
    return f"Start your PostgreSQL at {place}, or correct UNDERBUTLER_DATABASE_URL."
