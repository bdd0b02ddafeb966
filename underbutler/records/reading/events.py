"""What happened to jobs, targets and notices, in an order that never changes. Nothing here changes a job."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, text, tuple_

from underbutler.errors import UsageError
from underbutler.records.tables.access import Event
from underbutler.records.tables.jobs import Job, Notice, Target
from underbutler.records.values.access import EventRow
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, is_postgresql, read, write

__all__ = ["Events", "parse_cursor"]

_SETTLED: Final = text("event.tx < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")
"""Of transactions before which none is open any more: what comes later comes after them."""

_BATCH: Final = 5000


class Events(StorePart):
    """The log of events: a reader that goes on from a cursor misses none, and gets none twice."""

    def after(self, cursor: str, limit: int = 500) -> list[EventRow]:
        """Return the events after a cursor, in order.

        Raises
        ------
        UsageError
            If it is not a cursor.
        """
        place = parse_cursor(cursor)
        wanted = (
            select(
                Event.tx,
                Event.seq,
                Event.at,
                Event.kind,
                Event.job_id,
                Event.target_id,
                Event.state,
                Event.ref,
                Job.user,
                func.coalesce(Target.task, Job.task).label("task"),
                Job.repo,
                Job.out,
                Target.data_id,
                Target.ordinal,
                Notice.body.label("notice"),
            )
            .outerjoin(Job, Job.id == Event.job_id)
            .outerjoin(Target, Target.id == Event.target_id)
            .outerjoin(Notice, Notice.id == Event.ref)
            .where(self._after(place))
            .order_by(Event.tx, Event.seq)
            .limit(limit)
        )
        with read(self._engine) as connection:
            return [_value(row) for row in connection.execute(wanted)]

    def newest(self) -> str:
        """Return the cursor after which everything is still to come."""
        last = select(Event.tx, Event.seq).order_by(Event.tx.desc(), Event.seq.desc()).limit(1)
        if is_postgresql(self._engine):
            last = last.where(_SETTLED)
        with read(self._engine) as connection:
            row = connection.execute(last).one_or_none()
        return "0-0" if row is None else f"{row.tx}-{row.seq}"

    def has_lost(self, cursor: str) -> bool:
        """Tell whether events after a cursor may have been removed because of their age."""
        place = parse_cursor(cursor)
        first = select(Event.tx, Event.seq).order_by(Event.tx, Event.seq).limit(1)
        with read(self._engine) as connection:
            row = connection.execute(first).one_or_none()
        return row is not None and place[1] > 0 and (row.tx, row.seq) > place

    def expire(self, older_than_s: float) -> int:
        """Remove events that are older than so many seconds; return how many."""
        gone = 0
        while True:
            oldest = select(Event.seq).order_by(Event.seq).limit(_BATCH)
            with write(self._engine) as connection:
                old = Event.at < database_now() - older_than_s
                removed = connection.execute(delete(Event).where(Event.seq.in_(oldest), old)).rowcount
            gone += removed
            if removed < _BATCH:
                return gone

    def _after(self, place: tuple[int, int]) -> ColumnElement[bool]:
        later = tuple_(Event.tx, Event.seq) > place
        return later & _SETTLED if is_postgresql(self._engine) else later


def parse_cursor(cursor: str) -> tuple[int, int]:
    """Return transaction and number of a cursor.

    Raises
    ------
    UsageError
        If it is none.
    """
    found = re.fullmatch(r"(\d{1,19})-(\d{1,18})", cursor)
    if found is None:
        raise UsageError(
            f"{cursor[:60]!r} is not the id of an event. Give the last one that was received, or none.", cursor=cursor
        )
    return int(found[1]), int(found[2])


def _value(row: Any) -> EventRow:
    values = dict(row._mapping)
    return EventRow(cursor=f"{values.pop('tx')}-{values.pop('seq')}", **values)
