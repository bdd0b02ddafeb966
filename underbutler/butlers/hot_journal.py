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

    A journal of a commit that goes on is not touched by SQLite itself.

    Parameters
    ----------
    uri
        Of a repository.

    Returns
    -------
    bool
        Whether there was one, which is gone now.
    """
    try:
        path = _file_of(uri)
    except FileNotFoundError:  # who opens it is told so
        return False
    journal = None if path is None else path.with_name(f"{path.name}-journal")
    if path is None or journal is None or not journal.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_WAIT_S)) as writer:
            writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:  # who opens it next is told, in the words of registries
        _log.warning("registry_not_rolled_back", file=str(path), error=str(error))
        return False
    if journal.exists():
        return False
    _log.warning("registry_rolled_back", file=str(path))
    return True


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
