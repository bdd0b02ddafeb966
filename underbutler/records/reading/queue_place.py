"""Where a target stands in its queue: what was sent before it, and what runs meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, text

from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import SENT, Target
from underbutler.records.values.rows import TargetRow
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import read

__all__ = ["QueuePlace", "QueuePlaces"]

_LEASED: Final = text("lease_until IS NOT NULL")  # in the words of the partial index
_MOST: Final = 50_000


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Messages of a queue that were sent before a target's and still wait, and targets of it that run; up to 50000."""

    ahead: int
    running: int


class QueuePlaces(StorePart):
    """Where targets stand."""

    def of(self, target: TargetRow) -> QueuePlace:
        """Return what is before a target whose message was sent."""
        before = select(Target.id).where(SENT, Target.queue == target.queue, Target.sent_at < (target.sent_at or 0.0))
        running = select(Target.id).where(
            _LEASED, Target.state == TargetState.RUNNING, Target.queue == target.queue, Target.id != target.id
        )
        with read(self._engine) as connection:
            ahead, runs = (
                int(connection.execute(select(func.count()).select_from(one.limit(_MOST).subquery())).scalar_one())
                for one in (before, running)
            )
        return QueuePlace(ahead, runs)
