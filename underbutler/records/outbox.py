"""What is written and not yet sent: messages of targets, and notices.

Whoever sends takes rows under a short send-lease, sends, and marks them when the broker confirmed. Two senders never
take the same row at once; a sender that dies leaves its rows to the next, when the lease has run out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, or_, select, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute

from underbutler.model.message import Envelope, TargetMessage
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.sql import database_now, write

from .tables import TO_BE_SENT, Job, Notice, Target
from .values import Outgoing

__all__ = ["mark_notices_sent", "mark_sent", "take_unsent", "take_unsent_notices"]


def take_unsent(
    engine: Engine, *, job: uuid.UUID | None, limit: int, older_than_s: float, lease_s: float
) -> list[Outgoing]:
    """Take messages that are to be sent; see `JobStore.take_unsent`."""
    now = database_now()
    wanted = (
        select(Target.id)
        .where(
            TO_BE_SENT,
            _free(Target.send_lease_until),
            or_(Target.not_before.is_(None), Target.not_before <= now),
            or_(Target.send_no > 0, Target.claim_no > 0, Target.queued_at <= now - older_than_s),
        )
        .order_by(Target.queued_at, Target.ordinal)
        .limit(limit)
    )
    if job is not None:
        wanted = wanted.where(Target.job_id == job)
    taking = (
        update(Target)
        .where(Target.id.in_(_picked(wanted)))
        .values(send_no=Target.send_no + 1, send_lease_until=now + lease_s)
        .returning(
            Target.id, Target.job_id, Target.ordinal, Target.queued_at, Target.send_no, Target.task, Target.queue,
            Target.args, Target.digest, Target.argsrepr, Target.kwargsrepr, now.label("now"),
        )
    )  # fmt: skip
    with write(engine) as connection:
        rows = connection.execute(taking).all()
        jobs = _jobs(connection, {row.job_id for row in rows})
    return [_outgoing(row, jobs[row.job_id]) for row in sorted(rows, key=lambda row: (row.queued_at, row.ordinal))]


def mark_sent(engine: Engine, sent: Iterable[tuple[uuid.UUID, int]]) -> int:
    """Mark messages as sent; see `JobStore.mark_sent`."""
    marked = 0
    with write(engine) as connection:
        for batch in _batches(sorted(sent)):
            wanted = select(Target.id).where(
                tuple_(Target.id, Target.send_no).in_(batch),
                Target.send_lease_until.is_not(None),
                Target.sent_at.is_(None),
            )
            marking = (
                update(Target)
                .where(Target.id.in_(_locked(wanted, Target.id)))
                .values(sent_at=database_now(), send_lease_until=None)
                .returning(Target.id)
            )
            marked += len(connection.execute(marking).all())
    return marked


def take_unsent_notices(
    engine: Engine, *, limit: int, older_than_s: float, lease_s: float
) -> list[LargeFileObjectAvailable]:
    """Take notices that are to be sent; see `JobStore.take_unsent_notices`."""
    now = database_now()
    wanted = (
        select(Notice.id)
        .where(Notice.sent_at.is_(None), Notice.created_at <= now - older_than_s, _free(Notice.send_lease_until))
        .order_by(Notice.created_at, Notice.id)
        .limit(limit)
    )
    taking = (
        update(Notice)
        .where(Notice.id.in_(_picked(wanted)))
        .values(send_lease_until=now + lease_s)
        .returning(Notice.created_at, Notice.id, Notice.body)
    )
    with write(engine) as connection:
        rows = connection.execute(taking).all()
    rows = sorted(rows, key=lambda row: (row.created_at, row.id))
    return [LargeFileObjectAvailable.from_json(row.body) for row in rows]


def mark_notices_sent(engine: Engine, ids: Iterable[str]) -> int:
    """Mark notices as sent; see `JobStore.mark_notices_sent`."""
    marked = 0
    with write(engine) as connection:
        for batch in _batches(sorted(set(ids))):
            wanted = select(Notice.id).where(Notice.id.in_(batch), Notice.sent_at.is_(None))
            marking = (
                update(Notice)
                .where(Notice.id.in_(_locked(wanted, Notice.id)))
                .values(sent_at=database_now(), send_lease_until=None)
                .returning(Notice.id)
            )
            marked += len(connection.execute(marking).all())
    return marked


def _free(lease: InstrumentedAttribute[float | None]) -> ColumnElement[bool]:
    return or_(lease.is_(None), lease < database_now())


def _picked(wanted: Select[Any]) -> Select[Any]:
    """Pick rows that nobody else is about to take; as a CTE, because PostgreSQL may run a subquery more than once."""
    picked = wanted.with_for_update(skip_locked=True).cte("picked")
    return select(picked.c.id)


def _locked(wanted: Select[Any], key: InstrumentedAttribute[Any]) -> Select[Any]:
    """Lock rows in the order of their keys, as every transaction that changes many does: no two wait for each other."""
    locked = wanted.order_by(key).with_for_update().cte("locked")
    return select(locked.c.id)


def _jobs(connection: Connection, ids: set[uuid.UUID]) -> dict[uuid.UUID, Any]:
    rows = connection.execute(
        select(Job.id, Job.config_digest, Job.traceparent, Job.token_handle).where(Job.id.in_(ids))
    )
    return {row.id: row for row in rows}


def _outgoing(row: Any, job: Any) -> Outgoing:
    envelope = Envelope(
        job=row.job_id,
        target=row.id,
        send_no=row.send_no,
        digest=row.digest,
        config=job.config_digest,
        sent_at=round(row.now, 3),
        traceparent=job.traceparent,
        token=job.token_handle,
    )
    return Outgoing(
        message=TargetMessage(row.task, tuple(row.args), envelope),
        queue=row.queue,
        argsrepr=row.argsrepr,
        kwargsrepr=row.kwargsrepr,
    )


def _batches(items: Sequence[Any], size: int = 500) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
