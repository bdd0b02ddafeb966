"""Numbers of jobs, counted without gaps."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, select, text

from underbutler.records.tables.jobs import Job
from underbutler.sql import is_postgresql

__all__ = ["next_scan_id"]

_LOCK: Final = 0x7363616E
"""Key of the advisory lock under which PostgreSQL counts `scan_id`."""


def next_scan_id(connection: Connection) -> int:
    """Return the number of the next job; on PostgreSQL nobody else gets one before this transaction has ended."""
    if is_postgresql(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    return int(connection.execute(select(func.coalesce(func.max(Job.scan_id), 0) + 1)).scalar_one())
