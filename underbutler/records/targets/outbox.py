"""What is written and not yet sent: messages of targets, and notices.

Whoever sends takes rows under a short send-lease, sends, and marks them when the broker confirmed. Two senders never
take the same row at once; a sender that dies leaves its rows to the next, when the lease has run out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute

from underbutler.model.job import TargetState
from underbutler.model.message import Envelope, TargetMessage
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.records.tables.jobs import SENT, TO_BE_SENT, Job, Notice, Step, Target
from underbutler.records.values.jobs import Outgoing
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Outbox", "send_again"]

_UNHELD = (Target.state.in_([TargetState.QUEUED, TargetState.DELIVERING]), Target.lease_until.is_(None))
_BATCH = 500


class Outbox(StorePart):
    """Messages that are to be sent, and those that should be in the broker."""

    def take(
        self, *, job: uuid.UUID | None = None, limit: int = 500, older_than_s: float = 0.0, lease_s: float = 30.0
    ) -> list[Outgoing]:
        """Take messages that are to be sent, oldest first. Each gets a new number of sending.

        They are of queued targets, and of deliveries that nobody holds.

        Parameters
        ----------
        job
            Only of this job.
        limit
            Largest number to list.
        older_than_s
            Leave targets that were never sent and are younger than this to their submitter, in seconds.
        lease_s
            For how long nobody else takes them, in seconds.
        """
        now = database_now()
        wanted = (
            select(Target.id)
            .where(
                TO_BE_SENT,
                _free(Target.send_lease_until),
                or_(Target.not_before.is_(None), Target.not_before <= now),
                # What was sent or claimed once has no submitter any more who could be about to send it.
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
                Target.id, Target.job_id, Target.step, Target.ordinal, Target.queued_at, Target.send_no, Target.task,
                Target.queue, Target.args, Target.digest, Target.argsrepr, Target.kwargsrepr, now.label("now"),
            )
        )  # fmt: skip
        with write(self._engine) as connection:
            rows = connection.execute(taking).all()
            steps = _steps(connection, {row.job_id for row in rows})
        rows = sorted(rows, key=lambda row: (row.queued_at, row.ordinal))
        return [_outgoing(row, steps[row.job_id, row.step]) for row in rows]

    def mark_sent(self, sent: Iterable[tuple[uuid.UUID, int]]) -> int:
        """Mark messages that the broker confirmed, by target and number of sending.

        Returns
        -------
        marked
            How many; one that was claimed or taken again in the meantime needs no mark.
        """
        marked = 0
        with write(self._engine) as connection:
            for batch in _batches(sorted(sent)):
                wanted = select(Target.id).where(
                    tuple_(Target.id, Target.send_no).in_(batch),
                    # A claim clears the first and sets the second: a message that was faster than its mark.
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

    def take_notices(
        self, *, limit: int = 500, older_than_s: float = 0.0, lease_s: float = 30.0
    ) -> list[LargeFileObjectAvailable]:
        """Take notices that are to be sent, oldest first; parameters as of `take`."""
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
        with write(self._engine) as connection:
            rows = connection.execute(taking).all()
        rows = sorted(rows, key=lambda row: (row.created_at, row.id))
        return [LargeFileObjectAvailable.from_json(row.body) for row in rows]

    def mark_notices_sent(self, ids: Iterable[str]) -> int:
        """Mark notices that the broker confirmed, and return how many were not marked before."""
        marked = 0
        with write(self._engine) as connection:
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

    def lost(self, target: uuid.UUID, send_no: int) -> bool:
        """Say that a message is known to be lost, e.g. with a child that died before it claimed: it is sent again.

        Returns
        -------
        changed
            False when the target was claimed, has ended, or was sent anew since.
        """
        with write(self._engine) as connection:
            return send_again(connection, Target.id == target, Target.send_no == send_no) > 0

    def forget_sent(self, sent: Iterable[tuple[uuid.UUID, int]]) -> int:
        """Say that messages, by target and number of sending, were lost by the broker: they are sent again.

        Returns
        -------
        forgotten
            How many: not those that were claimed, have ended, or were sent anew since.
        """
        forgotten, wanted = 0, sorted(sent)
        with write(self._engine) as connection:
            for start in range(0, len(wanted), _BATCH):
                batch = tuple_(Target.id, Target.send_no).in_(wanted[start : start + _BATCH])
                forgotten += send_again(connection, batch, Target.sent_at.is_not(None))
        return forgotten

    def oldest_sent(self, queue: str, limit: int, older_than_s: float = 0.0) -> list[tuple[uuid.UUID, int]]:
        """Return what should be in a queue for the longest time, by target and number of sending.

        Parameters
        ----------
        queue
            Which.
        limit
            Largest number to list.
        older_than_s
            Only what was sent so long ago, in seconds.
        """
        with read(self._engine) as connection:
            rows = connection.execute(
                select(Target.id, Target.send_no)
                .where(SENT, Target.queue == queue, Target.sent_at <= database_now() - older_than_s)
                .order_by(Target.sent_at, Target.ordinal)
                .limit(limit)
            )
            return [(row.id, row.send_no) for row in rows]

    def count_sent(self, queue: str, older_than_s: float = 0.0) -> int:
        """Return how many messages a queue should hold; parameters as of `oldest_sent`."""
        sent_before = Target.sent_at <= database_now() - older_than_s
        counting = select(func.count()).select_from(Target).where(SENT, Target.queue == queue, sent_before)
        with read(self._engine) as connection:
            return int(connection.execute(counting).scalar_one())

    def queues(self) -> list[str]:
        """Return the queues that should hold messages."""
        with read(self._engine) as connection:
            return list(
                connection.execute(select(Target.queue).where(SENT).distinct().order_by(Target.queue)).scalars()
            )


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


def _steps(connection: Connection, jobs: set[uuid.UUID]) -> dict[tuple[uuid.UUID, int], Any]:
    """Return what messages say of their jobs' steps."""
    rows = connection.execute(
        select(Step.job_id, Step.ordinal, Step.config_digest, Job.traceparent, Job.token_handle)
        .join(Job, Job.id == Step.job_id)
        .where(Step.job_id.in_(jobs))
    )
    return {(row.job_id, row.ordinal): row for row in rows}


def _outgoing(row: Any, step: Any) -> Outgoing:
    envelope = Envelope(
        job=row.job_id,
        target=row.id,
        send_no=row.send_no,
        digest=row.digest,
        config=step.config_digest,
        sent_at=round(row.now, 3),
        traceparent=step.traceparent,
        token=step.token_handle,
    )
    return Outgoing(
        message=TargetMessage(row.task, tuple(row.args), envelope),
        queue=row.queue,
        argsrepr=row.argsrepr,
        kwargsrepr=row.kwargsrepr,
    )


def _batches(items: Sequence[Any], size: int = 500) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def send_again(connection: Connection, *conditions: ColumnElement[bool], **values: Any) -> int:
    """Let messages of targets that nobody holds be sent again; locked in order, as everywhere."""
    wanted = select(Target.id).where(*_UNHELD, *conditions).order_by(Target.id)
    locked = wanted.with_for_update(key_share=True).cte("locked")
    changed: Sequence[Any] = connection.execute(
        update(Target)
        .where(Target.id.in_(select(locked.c.id)))
        .values(sent_at=None, send_lease_until=None, **values)
        .returning(Target.id)
    ).all()
    return len(changed)
