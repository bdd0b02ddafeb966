"""Cancellation in two steps: what nobody holds is aborted at once, what is held when its claim ends.

The wish is said of each open target, because its row alone is locked by whoever ends its claim.
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection, Engine, case, select, true, update

from underbutler.errors import UnknownNameError
from underbutler.model.job import Phase, TargetState
from underbutler.records.reading.jobs import Reading
from underbutler.records.tables.jobs import Job, Target
from underbutler.records.writing.counting import end_targets
from underbutler.records.writing.recorder import Recorder
from underbutler.records.writing.store_part import RecordedPart
from underbutler.sql import database_now, write

__all__ = ["Cancellation"]

_OPEN = tuple(state for state in TargetState if not state.ended)
_ACTIVE = tuple(phase for phase in Phase if not phase.ended)


class Cancellation(RecordedPart):
    """What people ask to be aborted."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        super().__init__(engine, recorder)
        self._reading = Reading(engine)

    def cancel(self, job: uuid.UUID | str) -> list[str]:
        """Abort what is open of a job: what nobody holds at once, what is held when its claim ends.

        What has ended stays, and so does what completes before its claim is cut. The phase is ABORTED with the last
        target, if any was aborted; a PENDING job is ABORTED at once.

        Returns
        -------
        task_ids
            Celery task ids of targets that were aborted at once and whose message was sent, or was being sent.

        Raises
        ------
        UnknownNameError
            If there is no such job.
        """
        identity = self._reading.job(job).id
        with write(self._engine) as connection:
            asked = _ask_targets(connection, identity)
            pending = (Job.id == identity, Job.phase == Phase.PENDING)
            connection.execute(update(Job).where(*pending).values(phase=Phase.ABORTED, ended_at=database_now()))
            active = (Job.id == identity, Job.phase.in_(_ACTIVE))
            connection.execute(update(Job).where(*active).values(cancel_requested=true()))
            aborted = [row for row in asked if row.state is TargetState.ABORTED]
            if aborted:
                end_targets(connection, self._recorder, identity, [row.id for row in aborted])
        return [
            f"{row.id}.{row.send_no}" for row in aborted if row.sent_at is not None or row.send_lease_until is not None
        ]

    def cancel_target(self, target: uuid.UUID) -> TargetState:
        """Abort one target, as `cancel` does a job's; return its state: one that is held is aborted later.

        Raises
        ------
        UnknownNameError
            If there is no such target.
        """
        with write(self._engine) as connection:
            row = connection.execute(
                select(Target.job_id, Target.state, Target.lease_until)
                .where(Target.id == target)
                .with_for_update(key_share=True)
            ).one_or_none()
            if row is None:
                raise UnknownNameError(
                    f"No target has the id {target}. List a job's: `underbutler status JOB`.", name=str(target)
                )
            if row.state.ended:
                return TargetState(row.state)
            connection.execute(update(Target).where(Target.id == target).values(_asked()))
            if row.lease_until is not None:
                return TargetState(row.state)
            end_targets(connection, self._recorder, row.job_id, [target])
            return TargetState.ABORTED


def _asked() -> dict[str, Any]:
    """Return what a target's row says when it is to be aborted: what nobody holds is aborted with it."""
    free = Target.lease_until.is_(None)
    return {
        "cancel_requested": true(),
        "state": case((free, TargetState.ABORTED), else_=Target.state),
        "ended_at": case((free, database_now()), else_=Target.ended_at),
    }


def _ask_targets(connection: Connection, job: uuid.UUID) -> list[Any]:
    """Ask all open targets of a job to be aborted. They are locked in order, before their job, as everywhere."""
    locked = (
        select(Target.id)
        .where(Target.job_id == job, Target.state.in_(_OPEN))
        .order_by(Target.id)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    return list(
        connection.execute(
            update(Target)
            .where(Target.id.in_(select(locked.c.id)))
            .values(_asked())
            .returning(Target.id, Target.state, Target.send_no, Target.sent_at, Target.send_lease_until)
        ).all()
    )
