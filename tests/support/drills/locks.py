"""SQLite's locks: whoever is stopped while it writes lets nobody else write, until it is woken."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from underbutler.sql import parse_url

if TYPE_CHECKING:
    from tests.support.drills.site import DrillSite
    from tests.support.drills.worker import DrillWorker

__all__ = ["stop_between_writes"]

TRIES = 50
OTHERS_S = 0.5
"""Who is not stopped has written within this time, in seconds."""


def stop_between_writes(site: DrillSite, worker: DrillWorker) -> int:
    """Stop a whole worker at a moment when none of its processes writes to a SQLite file.

    Returns
    -------
    int
        How often it was stopped in a write, and woken at once.
    """
    for tries in range(TRIES):
        worker.stop_whole()
        if all(_can_be_written(file) for file in _files(site)):
            return tries
        worker.continue_whole()
    pytest.fail(f"{worker.name} was found in a write {TRIES} times")


def _files(site: DrillSite) -> list[Path]:
    """Return the SQLite files of a site: its records' and its registry's."""
    records = parse_url(site.settings.records_url)
    files = [Path(str(records.database))] if records.drivername == "sqlite" else []
    return files + [file for file in [site.home / "repo" / "gen3.sqlite3"] if file.exists()]


def _can_be_written(file: Path) -> bool:
    with closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=OTHERS_S, isolation_level=None)) as writer:
        try:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return True
