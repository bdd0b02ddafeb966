"""The audit: who did what. Rows are only added."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import insert, select

from underbutler.records.tables.access import Audit as AuditTable
from underbutler.records.values.access import AuditRow, Deed
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, statement

__all__ = ["Audit"]


class Audit(StorePart):
    """Lines of the audit."""

    def note(self, deed: Deed) -> None:
        """Add a line."""
        with statement(self._engine) as connection:
            connection.execute(insert(AuditTable).values(at=database_now(), **asdict(deed)))

    def latest(self, limit: int = 100, before: int | None = None) -> list[AuditRow]:
        """Return lines, the newest first.

        Parameters
        ----------
        limit
            So many at most.
        before
            Only lines with a smaller number.
        """
        wanted = select(*AuditTable.__table__.columns).order_by(AuditTable.seq.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(AuditTable.seq < before)
        with read(self._engine) as connection:
            return [AuditRow(**row._mapping) for row in connection.execute(wanted)]
