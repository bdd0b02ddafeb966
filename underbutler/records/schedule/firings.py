"""What the schedule fired: taken under a lease, renewed, ended, put back; and its history."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, or_, select, update

from underbutler.errors import UnknownNameError
from underbutler.records.tables.jobs import Target
from underbutler.records.tables.schedules import OPEN, Firing, Schedule
from underbutler.records.values.schedules import FiringRow, FiringState, NewFiring, ScheduleRow, firing_id
from underbutler.records.writing.fence import kept
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Firings", "insert_firing"]


class Firings(StorePart):
    """Firings of the schedule: taken under a lease, renewed, ended, put back; and their history."""

    def take(self, lane: str, holder: str, lease_s: float) -> FiringRow | None:
        """Take the oldest firing of a lane that waits, or whose lease has run out: nobody else has it for `lease_s`."""
        picked = (
            select(Firing.job_id)
            .where(_free(lane))
            .order_by(Firing.due_at)
            .limit(1)
            .with_for_update(skip_locked=True)
            .cte("picked")
        )
        taking = (
            update(Firing)
            .where(Firing.job_id.in_(select(picked.c.job_id)))
            .values(
                state=FiringState.RUNNING,
                lease_holder=holder,
                lease_until=database_now() + lease_s,
                started_at=database_now(),
                attempts=Firing.attempts + 1,
            )
            .returning(Firing.job_id)
        )
        with write(self._engine) as connection:
            taken = connection.execute(taking).scalar_one_or_none()
        return None if taken is None else self.get(taken)

    def count_waiting(self, lane: str, for_s: float = 0.0) -> int:
        """Count what `take` would return and has been there for so many seconds."""
        free_since = database_now() - for_s
        wanted = select(Firing.job_id).where(
            _free(lane),
            Firing.fired_at <= free_since,
            or_(Firing.lease_until.is_(None), Firing.lease_until <= free_since),
        )
        with read(self._engine) as connection:
            return len(connection.execute(wanted.limit(1000)).all())

    def renew(self, firing: uuid.UUID, holder: str, lease_s: float) -> bool:
        """Let a lease end so many seconds from now; False if it is somebody else's meanwhile."""
        return self._change(firing, holder, {"lease_until": database_now() + lease_s})

    def end(self, firing: uuid.UUID, holder: str, state: FiringState, told: str | None = None) -> bool:
        """Record what became of a firing; False if it is somebody else's meanwhile."""
        values = {"state": state, "told": kept(told), "ended_at": database_now(), "lease_until": None}
        return self._change(firing, holder, values)

    def put_back(self, firing: uuid.UUID, holder: str, reason: str | None, delay_s: float) -> bool:
        """Let a firing be taken again, so many seconds from now; False if it is somebody else's meanwhile.

        `attempts` goes back too: what stays in it are the times at which its holder died.
        """
        values = {
            "state": FiringState.WAITING,
            "told": kept(reason),
            "not_before": database_now() + delay_s,
            "lease_until": None,
            "lease_holder": None,
            "attempts": Firing.attempts - 1,
        }
        return self._change(firing, holder, values)

    def get(self, firing: uuid.UUID) -> FiringRow:
        """Return a firing.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        with read(self._engine) as connection:
            row = connection.execute(_firings().where(Firing.job_id == firing)).one_or_none()
        if row is None:
            raise UnknownNameError.of("firing", str(firing), [])
        return _firing_row(row)

    def latest(self, schedule: uuid.UUID | None = None, *, limit: int = 50) -> list[FiringRow]:
        """Return the latest firings of an entry, or of all, the latest first."""
        wanted = _firings().order_by(Firing.due_at.desc(), Schedule.name).limit(limit)
        with read(self._engine) as connection:
            rows = connection.execute(wanted if schedule is None else wanted.where(Firing.schedule_id == schedule))
            return [_firing_row(row) for row in rows]

    def last_of_each(self) -> dict[uuid.UUID, FiringRow]:
        """Return the latest firing of each entry that is not removed and has fired."""
        with read(self._engine) as connection:
            entries = list(connection.execute(select(Schedule.id).where(Schedule.removed_at.is_(None))).scalars())
        found = {entry: self.latest(entry, limit=1) for entry in entries}
        return {entry: firings[0] for entry, firings in found.items() if firings}

    def submitted_data_ids(self, schedule: uuid.UUID, since: float) -> list[dict[str, Any]]:
        """Return the data IDs that an entry's firings since a moment have submitted, whatever became of them."""
        wanted = (
            select(Target.data_id)
            .join(Firing, Firing.job_id == Target.job_id)
            .where(Firing.schedule_id == schedule, Firing.due_at >= since)
        )
        with read(self._engine) as connection:
            return list(connection.execute(wanted).scalars())

    def forget(self, older_than_s: float) -> int:
        """Remove firings that ended so many seconds ago; return how many."""
        with write(self._engine) as connection:
            old = delete(Firing).where(Firing.ended_at < database_now() - older_than_s)
            return connection.execute(old).rowcount

    def _change(self, firing: uuid.UUID, holder: str, values: Mapping[str, Any]) -> bool:
        mine = (Firing.job_id == firing, Firing.lease_holder == holder, Firing.ended_at.is_(None))
        with write(self._engine) as connection:
            return bool(connection.execute(update(Firing).where(*mine).values(**values)).rowcount)


def _firings() -> Select[Any]:
    return select(*Firing.__table__.columns, Schedule.name).join(Schedule, Schedule.id == Firing.schedule_id)


def _firing_row(row: Any) -> FiringRow:
    return FiringRow(**(dict(row._mapping) | {"state": FiringState(row.state)}))


def _free(lane: str) -> ColumnElement[bool]:
    now = database_now()
    return and_(
        Firing.lane == lane,
        OPEN,
        or_(Firing.lease_until.is_(None), Firing.lease_until < now),
        or_(Firing.not_before.is_(None), Firing.not_before <= now),
    )


def insert_firing(
    connection: Connection, entry: ScheduleRow, new: NewFiring, lane: str, fired_by: str
) -> uuid.UUID | None:
    """Insert a firing; None if this slot was fired before."""
    now = database_now()
    identity = firing_id(entry.id, new.due_at)
    skipped = new.state is FiringState.SKIPPED
    inserted = connection.execute(
        insertion(connection)(Firing)
        .values(
            job_id=identity,
            schedule_id=entry.id,
            due_at=new.due_at,
            state=new.state,
            lane=lane,
            definition=entry.definition,
            missed=new.missed,
            fired_at=now,
            fired_by=fired_by,
            attempts=0,
            ended_at=now if skipped else None,
        )
        .on_conflict_do_nothing()
        .returning(Firing.job_id)
    )
    return inserted.scalar_one_or_none()
