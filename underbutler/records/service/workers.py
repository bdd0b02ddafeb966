"""Workers as their keepers tell them."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import case, delete, or_, select, update

from underbutler.records.tables.service import Worker as WorkerTable
from underbutler.records.values.service import Worker, WorkerRow
from underbutler.records.writing.fence import kept
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Workers"]


class Workers(StorePart):
    """Rows of workers."""

    def mark_alive(self, worker: Worker) -> None:
        """Record a worker, or that it was seen now."""
        now = database_now()
        with write(self._engine) as connection:
            insert = insertion(connection)(WorkerTable).values(started_at=now, seen_at=now, **asdict(worker))
            fields = {name: getattr(insert.excluded, name) for name in asdict(worker) if name != "id"}
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[WorkerTable.id], set_=fields | {"seen_at": now, "ended_at": None}
                )
            )

    def mark_ended(self, id: str) -> None:  # noqa: A002 - it is the column's name
        """Record that a worker has ended; a second time changes nothing."""
        with write(self._engine) as connection:
            connection.execute(
                update(WorkerTable)
                .where(WorkerTable.id == id, WorkerTable.ended_at.is_(None))
                .values(ended_at=database_now())
            )

    def mark_unfit(self, id: str, reason: str | None) -> None:  # noqa: A002 - it is the column's name
        """Record why a worker takes nothing; None: it is fit again. `unfit_since` stays the first time."""
        since = case((WorkerTable.unfit_since.is_(None), database_now()), else_=WorkerTable.unfit_since)
        with write(self._engine) as connection:
            connection.execute(
                update(WorkerTable)
                .where(WorkerTable.id == id)
                .values(unfit_reason=kept(reason), unfit_since=None if reason is None else since)
            )

    def known(self, living_within_s: float | None = None) -> list[WorkerRow]:
        """Return workers, by name; those that have not ended and were seen within so many seconds, or all."""
        wanted = select(*WorkerTable.__table__.columns).order_by(WorkerTable.name, WorkerTable.started_at)
        if living_within_s is not None:
            seen = WorkerTable.seen_at >= database_now() - living_within_s
            wanted = wanted.where(WorkerTable.ended_at.is_(None), seen)
        with read(self._engine) as connection:
            return [WorkerRow(**row._mapping) for row in connection.execute(wanted)]

    def forget(self, older_than_s: float) -> int:
        """Remove workers that ended, or were not seen, for so many seconds; return how many."""
        before = database_now() - older_than_s
        gone = or_(WorkerTable.ended_at < before, WorkerTable.seen_at < before)
        with write(self._engine) as connection:
            return connection.execute(delete(WorkerTable).where(gone)).rowcount
