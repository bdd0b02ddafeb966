"""What a process leaves that is killed in a commit to a SQLite registry: a journal that only a writer can roll back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from underbutler.telemetry.logs import get_logger

__all__ = ["roll_back"]

_WAIT_S: Final = 5.0
"""How long another process is waited for that is in a commit now, in seconds."""

_log = get_logger(__name__)


def roll_back(uri: str) -> bool:
    """Have SQLite undo a commit that was cut short, which it refuses to whoever opened the file to read.

    A commit that goes on is waited for, and what it leaves is not ours to undo.

    Parameters
    ----------
    uri
        Of a repository.

    Returns
    -------
    bool
        Whether there was one, which is undone now.
    """
    try:
        path = _file_of(uri)
    except FileNotFoundError:  # who opens it is told so
        return False
    journal = None if path is None else path.with_name(f"{path.name}-journal")
    if path is None or journal is None or not journal.exists():
        return False
    try:
        # Only a reader learns whose the journal is: a writer undoes what is to be undone, and says nothing of it.
        if _can_be_read(path):
            return False
        _look_at(path, "rw")
    except sqlite3.Error as error:  # who opens it next is told, in the words of registries
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            _log.info("registry_is_being_written", file=str(path), waited_s=_WAIT_S)
        else:
            _log.warning("registry_not_rolled_back", file=str(path), error=str(error))
        return False
    _log.warning("registry_rolled_back", file=str(path))
    return True


def _can_be_read(path: Path) -> bool:
    """Tell that nothing is to be undone, once a commit that goes on has ended."""
    try:
        _look_at(path, "ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        return False
    return True


def _look_at(path: Path, mode: str) -> None:
    address = f"file:{quote(str(path))}?mode={mode}"
    with closing(sqlite3.connect(address, uri=True, timeout=_WAIT_S)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


@lru_cache(maxsize=64)
def _file_of(uri: str) -> Path | None:
    """Return the file of a repository's registry; None if it has none."""
    from lsst.daf.butler import ButlerConfig, RegistryConfig

    config = ButlerConfig(uri)
    if config.get_butler_type().name == "REMOTE":
        return None
    registry = RegistryConfig(config)
    registry.replaceRoot(config.get("root", config.configDir))
    url = registry.connectionString
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)
