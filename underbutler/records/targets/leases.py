"""Claims as keepers and sweepers see them: who holds what, renewed, run out, or ended for a child that cannot."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from typing import Any, Final, get_args

from sqlalchemy import ColumnElement, Select, select, update

from underbutler.errors import UsageError
from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Claim as ClaimTable
from underbutler.records.tables.jobs import Job, Target
from underbutler.records.values.rows import HeldClaim
from underbutler.records.writing.store_part import RecordedPart
from underbutler.sql import database_now, read, write

from .ending import OF_WORKERS, ClaimEnd, end_locked, lock_claimed, state_after

__all__ = ["Leases"]

_NOW: Final = database_now()


class Leases(RecordedPart):
    """Claims as a keeper and a sweeper see them."""

    def renew_worker(self, worker: str, pids: Collection[int] | None, lease_s: float) -> list[HeldClaim]:
        """Let the leases of a worker's claims end `lease_s` seconds from now.

        Parameters
        ----------
        worker
            Whose.
        pids
            Of these children only; None: of all.
        lease_s
            Length of the lease, in seconds.

        Returns
        -------
        held
            What was renewed.
        """
        mine = [Target.lease_worker == worker, Target.lease_until.is_not(None)]
        if pids is not None:
            mine.append(Target.lease_pid.in_(sorted(pids)))
        locked = select(Target.id).where(*mine).order_by(Target.id).with_for_update(key_share=True).cte("locked")
        renewing = (
            update(Target)
            .where(Target.id.in_(select(locked.c.id)), Target.lease_until.is_not(None))
            .values(lease_until=_NOW + lease_s)
            .returning(Target.id)
        )
        with write(self._engine) as connection:
            renewed = connection.execute(renewing).scalars().all()
            return _held(connection.execute(_claims(Target.id.in_(renewed))))

    def of_worker(self, worker: str) -> list[HeldClaim]:
        """Return the claims that a worker holds."""
        with read(self._engine) as connection:
            return _held(connection.execute(_claims(Target.lease_worker == worker)))

    def expired(self, limit: int = 1000) -> list[HeldClaim]:
        """Return claims whose lease has run out, the oldest first."""
        wanted = _claims(Target.lease_until < _NOW).order_by(None).order_by(Target.lease_until).limit(limit)
        with read(self._engine) as connection:
            return _held(connection.execute(wanted))

    def end_claim(
        self,
        target: uuid.UUID,
        claim_no: int,
        *,
        end: ClaimEnd,
        reason: str,
        max_deaths: int,
        max_worker_deaths: int,
        delay_s: float = 0.0,
        log: str | None = None,
    ) -> TargetState | None:
        """End a claim from outside its child: the verb of keepers and sweepers.

        A target that may go on is queued again, or stays delivering without a lease, and its message is to be sent
        anew. If its cancellation was asked for it is aborted, however the claim ends.

        Parameters
        ----------
        target, claim_no
            Which.
        end
            ``died`` (the child) raises `deaths`; ``worker_died`` and ``expired`` raise `worker_deaths`; ``given_back``
            raises neither; ``aborted`` aborts the target; ``timed_out`` lets it fail. ``expired`` ends a claim only if
            its lease has run out.
        reason
            Why, for people.
        max_deaths, max_worker_deaths
            A target that has died so often is held, with the reasons of all its dead claims.
        delay_s
            Nobody may claim it before, seconds from now.
        log
            What it had said until then, where that is known.

        Returns
        -------
        state
            What the target is now; None when the claim does not hold any more (or its lease was renewed). A repetition
            after a lost answer returns the state again.

        Raises
        ------
        UsageError
            If a claim cannot end so.
        """
        if end not in get_args(ClaimEnd):
            raise UsageError(
                f"A claim is not ended as {end!r}; choose one of {', '.join(get_args(ClaimEnd))}.", end=end
            )
        with write(self._engine) as connection:
            row = lock_claimed(connection, target, claim_no)
            if row is not None:
                if end == "expired" and row.lease_until >= row.now:
                    return None
                state = state_after(
                    end,
                    row.state,
                    cancel_requested=row.cancel_requested,
                    deaths=row.deaths + (end == "died"),
                    worker_deaths=row.worker_deaths + (end in OF_WORKERS),
                    max_deaths=max_deaths,
                    max_worker_deaths=max_worker_deaths,
                )
                end_locked(connection, self._recorder, row, state, end=end, reason=reason, delay_s=delay_s, log=log)
                return state
        return self._as_it_was_left(target, claim_no, end)

    def _as_it_was_left(self, target: uuid.UUID, claim_no: int, end: str) -> TargetState | None:
        """Return the state that the same call has led to before, as long as nobody has claimed the target anew."""
        with read(self._engine) as connection:
            return connection.execute(
                select(Target.state)
                .join(ClaimTable, (ClaimTable.target_id == Target.id) & (ClaimTable.claim_no == Target.claim_no))
                .where(Target.id == target, Target.claim_no == claim_no, ClaimTable.end == end)
            ).scalar_one_or_none()


def _claims(*conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Target.id.label("target"),
            Target.job_id.label("job"),
            Target.claim_no,
            Target.state,
            Target.task,
            Target.queue,
            Target.started_at,
            Target.lease_until,
            Target.deaths,
            Target.worker_deaths,
            Target.cancel_requested,
            Target.argsrepr,
            select(Job.traceparent).where(Job.id == Target.job_id).scalar_subquery().label("traceparent"),
            ClaimTable.worker,
            ClaimTable.pid,
            ClaimTable.pid_started,
            ClaimTable.send_no,
            (_NOW - Target.started_at).label("age_s"),
        )
        .join(ClaimTable, (ClaimTable.target_id == Target.id) & (ClaimTable.claim_no == Target.claim_no))
        .where(Target.lease_until.is_not(None), *conditions)
        .order_by(Target.started_at)
    )


def _held(rows: Iterable[Any]) -> list[HeldClaim]:
    return [HeldClaim(**row._mapping) for row in rows]
