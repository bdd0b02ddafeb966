"""What the records say of the service as a whole: what waits, what is held, who works. Nothing here changes a row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select, text

from underbutler.model.job import Phase
from underbutler.records.tables.jobs import TO_BE_SENT, Job, Target
from underbutler.records.tables.service import Breaker, Parked, SweepState, Worker
from underbutler.records.values.service import BreakerRow, WorkerRow
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import Base, database_now, read

__all__ = ["Overview", "Overviews", "WaitingGroup"]

_HELD = text("target.state = 'held'")  # in the words of the partial index
_IN_QUARANTINE = (Target.discarded_at.is_(None), Target.replayed_as.is_(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingGroup:
    """Targets that wait for the same reason.

    Parameters
    ----------
    reason
        Why; None where a service was away and they are tried again.
    count
        How many.
    job
        A job of one of them.
    since
        When the first began to wait; None where it is not recorded.
    next_at
        When the first may be tried again; None: at once.
    """

    reason: str | None
    count: int
    job: uuid.UUID
    since: float | None
    next_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The service at one moment.

    Parameters
    ----------
    now
        The database's clock.
    open_targets
        Targets that have not ended, of jobs that have not.
    held, parked
        Targets and messages in quarantine.
    waiting
        Targets that wait, by reason.
    workers
        Workers that have not signed off.
    breakers
        Repositories whose circuit breaker is open.
    swept_at
        When the last sweep ended; None if there was none.
    """

    now: float
    open_targets: int
    held: int
    parked: int
    waiting: tuple[WaitingGroup, ...]
    workers: tuple[WorkerRow, ...]
    breakers: tuple[BreakerRow, ...]
    swept_at: float | None


class Overviews(StorePart):
    """The service as a whole."""

    def take(self) -> Overview:
        """Return the service at this moment."""
        active = Job.phase.in_([Phase.PENDING, Phase.QUEUED, Phase.EXECUTING])
        held = select(func.count()).select_from(Target).where(_HELD, *_IN_QUARANTINE)
        parked = select(func.count()).select_from(Parked).where(Parked.discarded_at.is_(None))
        swept = select(SweepState.at).where(SweepState.name == "swept")
        with read(self._engine) as connection:
            now = connection.execute(select(database_now())).scalar_one()
            workers = connection.execute(_all(Worker).where(Worker.ended_at.is_(None)).order_by(Worker.id)).all()
            breakers = connection.execute(_all(Breaker).where(Breaker.open_until > now).order_by(Breaker.label)).all()
            return Overview(
                now=now,
                open_targets=_number(connection, select(func.coalesce(func.sum(Job.n_open), 0)).where(active)),
                held=_number(connection, held),
                parked=_number(connection, parked),
                waiting=_waiting(connection, now),
                workers=tuple(WorkerRow(**row._mapping) for row in workers),
                breakers=tuple(BreakerRow(**row._mapping) for row in breakers),
                swept_at=connection.execute(swept).scalar_one_or_none(),
            )


def _number(connection: Connection, wanted: Any) -> int:
    return int(connection.execute(wanted).scalar_one())


def _waiting(connection: Connection, now: float) -> tuple[WaitingGroup, ...]:
    later = or_(Target.waiting_reason.is_not(None), Target.not_before > now)
    rows = connection.execute(
        select(
            Target.waiting_reason,
            func.count(),
            func.min(Target.waiting_since),
            func.min(Target.not_before),
        )
        .where(TO_BE_SENT, later, or_(Target.waiting_reason.is_not(None), Target.transient_retries > 0))
        .group_by(Target.waiting_reason)
        .order_by(func.count().desc())
    ).all()
    return tuple(
        WaitingGroup(reason=reason, count=count, job=_job_that_waits(connection, reason), since=since, next_at=next_at)
        for reason, count, since, next_at in rows
    )


def _job_that_waits(connection: Connection, reason: str | None) -> uuid.UUID:
    same = Target.waiting_reason.is_(None) if reason is None else Target.waiting_reason == reason
    found: uuid.UUID = connection.execute(select(Target.job_id).where(TO_BE_SENT, same).limit(1)).scalar_one()
    return found


def _all(table: type[Base]) -> Any:
    return select(*table.__table__.columns)
