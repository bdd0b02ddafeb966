"""What the records say of the service in numbers, for a dashboard: cheap however many targets there are.

Each question goes through an index that holds only what is open, held or unsent, or looks at no more rows than
`LIMIT`; what has ended is never counted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select, text

from underbutler.model.job import Phase, TargetState
from underbutler.records.tables.jobs import SENT, TO_BE_SENT, Claim, Job, Notice, Target
from underbutler.records.tables.service import Breaker, Parked, SweepState, Worker
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, is_postgresql, read

__all__ = ["LIMIT", "Measures", "Measuring"]

LIMIT: Final = 50_000
"""So many rows of one kind are counted at most: what is more is more than enough."""
HEAD: Final = 100
"""So many of the oldest messages are looked at for the one that waits longest."""
PATIENCE_MS: Final = 5_000
"""A question that takes longer is given up, on PostgreSQL."""

_LEASED: Final = text("lease_until IS NOT NULL")  # in the words of the partial indexes
_HELD: Final = text("state = 'held'")
_ACTIVE: Final = (Phase.PENDING, Phase.QUEUED, Phase.EXECUTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The service in numbers, at one moment of the database's clock. Ages are in seconds, None where nothing waits.

    Parameters
    ----------
    jobs
        Jobs that have not ended, by phase.
    queued, running, delivering
        Targets that have not ended; `delivering` whether somebody holds them or not.
    delivering_age_s
        How long ago the delivering target began that began first.
    held
        Targets in quarantine, by task.
    parked
        Messages in quarantine.
    waiting
        Messages that should be in the broker, by queue.
    waiting_age_s
        How long the oldest of them has waited for a worker, by queue.
    unsent, unsent_age_s
        Messages that are due and not sent, and how long the oldest has been so.
    notices, notices_age_s
        The same of notices.
    workers
        Workers that were seen within the time asked for, by queue, and whether they are fit.
    breakers
        Repositories that could not be opened, and whether their circuit breaker is open.
    swept_age_s
        How long ago somebody swept.
    """

    jobs: Mapping[str, int]
    queued: int
    running: int
    delivering: int
    delivering_age_s: float | None
    held: Mapping[str, int]
    parked: int
    waiting: Mapping[str, int]
    waiting_age_s: Mapping[str, float]
    unsent: int
    unsent_age_s: float | None
    notices: int
    notices_age_s: float | None
    workers: Mapping[tuple[str, bool], int]
    breakers: Mapping[str, bool]
    swept_age_s: float | None


class Measuring(StorePart):
    """The service in numbers."""

    def take(self, seen_within_s: float) -> Measures:
        """Return the service in numbers.

        Parameters
        ----------
        seen_within_s
            A worker that was not seen for longer does not count.
        """
        with read(self._engine) as connection:
            if is_postgresql(connection):
                connection.execute(text(f"SET statement_timeout = {PATIENCE_MS}"))
            try:
                return _measured(connection, seen_within_s)
            finally:
                if is_postgresql(connection) and not connection.invalidated:
                    connection.execute(text("RESET statement_timeout"))


def _measured(connection: Connection, seen_within_s: float) -> Measures:
    now = float(connection.execute(select(database_now())).scalar_one())
    jobs, n_open = _jobs(connection)
    running = _number(connection, _some(Target.id, _LEASED, Target.state == TargetState.RUNNING))
    delivering, began = _delivering(connection)
    unsent = _unsent(connection, now)
    notices = connection.execute(_counted(_some(Notice.created_at, Notice.sent_at.is_(None)))).one()
    queues = _queues(connection)
    swept = connection.execute(select(SweepState.at).where(SweepState.name == "swept")).scalar_one_or_none()
    return Measures(
        jobs=jobs,
        queued=max(0, n_open - running - delivering),
        running=running,
        delivering=delivering,
        delivering_age_s=_age(now, began),
        held=_held(connection),
        parked=_number(connection, _some(Parked.id, Parked.discarded_at.is_(None))),
        waiting={queue: number for queue, (number, _) in queues.items()},
        waiting_age_s={queue: max(0.0, now - since) for queue, (_, since) in queues.items()},
        unsent=int(unsent[0]),
        unsent_age_s=_age(now, unsent[1]),
        notices=int(notices[0]),
        notices_age_s=_age(now, notices[1]),
        workers=_workers(connection, now - seen_within_s),
        breakers=_breakers(connection, now),
        swept_age_s=_age(now, swept),
    )


def _age(now: float, since: float | None) -> float | None:
    return None if since is None else max(0.0, now - float(since))


def _number(connection: Connection, wanted: Select[Any]) -> int:
    return int(connection.execute(select(func.count()).select_from(wanted.subquery())).scalar_one())


def _some(column: Any, *conditions: Any) -> Select[Any]:
    return select(column).where(*conditions).limit(LIMIT)


def _counted(moments: Select[Any]) -> Any:
    """Return a question for how many moments there are, and for the first."""
    (moment,) = moments.subquery().c
    return select(func.count(moment), func.min(moment))


def _unsent(connection: Connection, now: float) -> Any:
    """Count the oldest messages that are to be sent, but for those that wait for a later moment."""
    head = _some(func.coalesce(Target.not_before, Target.queued_at).label("due_at"), TO_BE_SENT)
    (due_at,) = head.order_by(Target.queued_at, Target.ordinal).subquery().c
    return connection.execute(select(func.count(), func.min(due_at)).where(due_at <= now)).one()


def _jobs(connection: Connection) -> tuple[dict[str, int], int]:
    rows = connection.execute(
        select(Job.phase, func.count(), func.coalesce(func.sum(Job.n_open), 0))
        .where(Job.phase.in_(_ACTIVE))
        .group_by(Job.phase)
    ).all()
    jobs = {phase.value.lower(): 0 for phase in _ACTIVE} | {row[0].value.lower(): int(row[1]) for row in rows}
    return jobs, sum(int(row[2]) for row in rows)


def _delivering(connection: Connection) -> tuple[int, float | None]:
    """Look into jobs that have begun and not ended: each says by its index which of its targets are delivering.

    Each claim that resumes a delivery begins anew; the first one tells since when the target is at it.
    """
    active = (Job.phase == Phase.EXECUTING, Target.state == TargetState.DELIVERING)
    first = (Claim.target_id == Target.id) & (Claim.claim_no == 1)
    moments = select(Claim.started_at).select_from(Job).join(Target, Target.job_id == Job.id).join(Claim, first)
    row = connection.execute(_counted(moments.where(*active).limit(LIMIT))).one()
    return int(row[0]), row[1]


def _held(connection: Connection) -> dict[str, int]:
    some = select(Target.task, Target.discarded_at, Target.replayed_as).where(_HELD).limit(LIMIT).subquery()
    in_quarantine = (some.c.discarded_at.is_(None), some.c.replayed_as.is_(None))
    rows = connection.execute(select(some.c.task, func.count()).where(*in_quarantine).group_by(some.c.task))
    return {row[0]: int(row[1]) for row in rows}


def _queues(connection: Connection) -> dict[str, tuple[int, float]]:
    """Return for each queue that somebody consumes, or that holds the oldest messages, its messages and their age."""
    names = set(connection.execute(select(Worker.queue).where(Worker.ended_at.is_(None)).limit(HEAD)).scalars())
    queues = {one for name in names for one in name.split(",")}
    head = select(Target.queue).where(SENT).order_by(Target.queue).limit(1)
    last: str | None = None
    while len(queues) < HEAD:  # from one queue of the index to the next
        found = connection.execute(head if last is None else head.where(Target.queue > last)).scalar_one_or_none()
        if found is None:
            break
        last = found
        queues.add(found)
    return {queue: _queue(connection, queue) for queue in sorted(queues)}


def _queue(connection: Connection, queue: str) -> tuple[int, float]:
    here = (SENT, Target.queue == queue)
    oldest = select(Target.queued_at.label("since")).where(*here).order_by(Target.sent_at).limit(HEAD).subquery()
    since = connection.execute(select(func.coalesce(func.min(oldest.c.since), database_now()))).scalar_one()
    return _number(connection, _some(Target.sent_at, *here)), float(since)


def _workers(connection: Connection, since: float) -> dict[tuple[str, bool], int]:
    unfit = Worker.unfit_reason.is_not(None)
    rows = connection.execute(
        select(Worker.queue, unfit, func.count())
        .where(Worker.ended_at.is_(None), Worker.seen_at >= since)
        .group_by(Worker.queue, unfit)
    )
    return {(queue, not is_unfit): int(number) for queue, is_unfit, number in rows}


def _breakers(connection: Connection, now: float) -> dict[str, bool]:
    rows = connection.execute(select(Breaker.label, Breaker.open_until).order_by(Breaker.label).limit(LIMIT))
    return {label: until is not None and until > now for label, until in rows}
