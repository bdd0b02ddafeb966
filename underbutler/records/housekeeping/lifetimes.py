"""The end of jobs after their last target: closed where the counters failed, destroyed when their time has come."""

from __future__ import annotations

import uuid
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, exists, func, select, update

from underbutler.model.job import Phase, TargetState, phase_when_ended
from underbutler.records.tables.jobs import AnnexDecision, Claim, Edge, Intent, Job, Notice, Product, Target, Upload
from underbutler.records.targets.cancellation import Cancellation
from underbutler.records.writing.counting import close
from underbutler.records.writing.recorder import Recorder
from underbutler.records.writing.store_part import RecordedPart
from underbutler.sql import database_now, read, write

__all__ = ["Lifetimes"]

_ACTIVE: Final = tuple(phase for phase in Phase if not phase.ended)
_BEGUN: Final = tuple(phase for phase in _ACTIVE if phase is not Phase.PENDING)
_OPEN: Final = tuple(state for state in TargetState if not state.ended)
_ENDED: Final = (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED)

_NOTHING_LEFT: Final = (
    ~exists().where(Notice.job_id == Job.id, Notice.sent_at.is_(None)),
    ~exists().where(
        Target.job_id == Job.id, Target.checked_at.is_(None), exists().where(Intent.target_id == Target.id)
    ),
)
"""Nothing has still to be done that only the rows of a job know."""


class Lifetimes(RecordedPart):
    """Jobs after their last target: closed, expired, destroyed."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        super().__init__(engine, recorder)
        self._cancellation = Cancellation(engine, recorder)

    def close_jobs(self) -> list[uuid.UUID]:
        """Close jobs whose targets have all ended although their counters say otherwise; return them.

        The counters are set right by counting. There should never be one: whoever ends a target counts it.
        """
        open_target = exists().where(Target.job_id == Job.id, Target.state.in_(_OPEN))
        with read(self._engine) as connection:
            found = connection.execute(select(Job.id).where(Job.phase.in_(_BEGUN), ~open_target)).scalars().all()
        return [job for job in found if self._close(job)]

    def _close(self, job: uuid.UUID) -> bool:
        with write(self._engine) as connection:
            row = connection.execute(
                select(Job.phase, Job.cancel_requested).where(Job.id == job).with_for_update(key_share=True)
            ).one()
            counts = _counts(connection, job)
            # Asked again under the lock: whoever ended the last target may have closed the job since.
            if row.phase.ended or any(counts.get(state) for state in _OPEN):
                return False
            connection.execute(
                update(Job)
                .where(Job.id == job)
                .values(
                    phase=phase_when_ended(counts, cancelled=row.cancel_requested),
                    n_open=0,
                    n_failed=counts.get(TargetState.FAILED, 0) + counts.get(TargetState.HELD, 0),
                    n_aborted=counts.get(TargetState.ABORTED, 0),
                    ended_at=database_now(),
                )
            )
            close(connection, self._recorder, job)
        return True

    def cancel_overdue(self) -> list[uuid.UUID]:
        """Cancel jobs that have run for longer than they may, from their first claim on; return them."""
        overdue = Job.started_at + Job.execution_duration_s < database_now()
        wanted = (Job.phase.in_(_BEGUN), Job.execution_duration_s > 0, overdue, Job.cancel_requested.is_(False))
        with write(self._engine) as connection:
            why = "It ran for longer than its execution duration, and was cancelled."
            late = connection.execute(update(Job).where(*wanted).values(error=why).returning(Job.id)).scalars().all()
        for job in late:
            self._cancellation.cancel(job)
        return list(late)

    def set_destruction(self, job: uuid.UUID, at: float | None) -> None:
        """Say when a job's rows and logs are destroyed, in seconds since 1970 UTC; None: never."""
        with write(self._engine) as connection:
            kept = (Job.id == job, Job.phase != Phase.ARCHIVED)
            connection.execute(update(Job).where(*kept).values(destruction_at=at))

    def set_execution_duration(self, job: uuid.UUID, seconds: float | None) -> None:
        """Say how long a job may run from its first claim on, in seconds; None: as long as it likes."""
        with write(self._engine) as connection:
            active = (Job.id == job, Job.phase.in_(_ACTIVE))
            connection.execute(update(Job).where(*active).values(execution_duration_s=seconds))

    def expire_jobs(self, older_than_s: float) -> int:
        """Let the sweeper destroy rows and logs of jobs that ended so many seconds ago; return how many.

        A job that is to be destroyed at a time of its own is left to it.
        """
        old = (Job.ended_at < database_now() - older_than_s, Job.destruction_at.is_(None), Job.phase != Phase.ARCHIVED)
        with write(self._engine) as connection:
            return connection.execute(update(Job).where(*old).values(destruction_at=database_now())).rowcount

    def destroy_due(self, limit: int = 50) -> list[uuid.UUID]:
        """Destroy jobs past their destruction time and return those that were; they are ARCHIVED, their row is kept.

        Removed are targets, claims and their logs, intents, products, notices: never a dataset in the Butler nor an
        object in the annex. A job that is still open is cancelled first and destroyed by a later call; one whose
        notices are unsent, or whose intents were not compared with the registry, has to wait.
        """
        due = Job.destruction_at <= database_now()
        oldest = select(Job.id).order_by(Job.destruction_at).limit(limit)
        with read(self._engine) as connection:
            still_open = (
                connection.execute(oldest.where(due, Job.phase.in_(_ACTIVE), Job.cancel_requested.is_(False)))
                .scalars()
                .all()
            )
            ended = connection.execute(oldest.where(due, Job.phase.in_(_ENDED), *_NOTHING_LEFT)).scalars().all()
        for job in still_open:
            self._cancellation.cancel(job)
        return [job for job in ended if self._destroy(job)]

    def may_be_destroyed(self, job: uuid.UUID) -> bool:
        """Tell whether a job has ended, its notices are sent, and its intents were compared with the registry."""
        with read(self._engine) as connection:
            wanted = select(Job.id).where(Job.id == job, Job.phase.in_(_ENDED), *_NOTHING_LEFT)
            return connection.execute(wanted).one_or_none() is not None

    def destroy(self, job: uuid.UUID) -> bool:
        """Destroy an ended job now, as `destroy_due` does when its time has come.

        Returns
        -------
        destroyed
            False when it has to wait, and is destroyed by a later `destroy_due`; also when it has not ended.
        """
        with write(self._engine) as connection:
            connection.execute(
                update(Job).where(Job.id == job, Job.phase.in_(_ENDED)).values(destruction_at=database_now())
            )
        return self.may_be_destroyed(job) and self._destroy(job)

    def _destroy(self, job: uuid.UUID) -> bool:
        """Remove what hangs on a job: targets are locked first, then the job, as everywhere."""
        with write(self._engine) as connection:
            targets = select(Target.id).where(Target.job_id == job)
            connection.execute(targets.order_by(Target.id).with_for_update()).all()
            archived = connection.execute(
                update(Job).where(Job.id == job, Job.phase.in_(_ENDED)).values(phase=Phase.ARCHIVED)
            )
            if not archived.rowcount:
                return False
            _forget_visible_uploads(connection, targets)
            for table in (Notice, Product, Intent, Claim):
                connection.execute(delete(table).where(table.target_id.in_(targets)))
            connection.execute(delete(Edge).where(Edge.child_id.in_(targets)))
            connection.execute(delete(AnnexDecision).where(AnnexDecision.job_id == job))
            connection.execute(delete(Target).where(Target.job_id == job))
        return True


def _counts(connection: Connection, job: uuid.UUID) -> dict[TargetState, int]:
    rows = connection.execute(select(Target.state, func.count()).where(Target.job_id == job).group_by(Target.state))
    return dict(rows.all())


def _forget_visible_uploads(connection: Connection, targets: Any) -> None:
    """Remove the marks of objects that stay; what dead claims left is still to be removed, and keeps its mark."""
    visible = exists().where(
        Product.target_id == Upload.target_id, Product.url == "s3://" + Upload.bucket + "/" + Upload.key
    )
    connection.execute(delete(Upload).where(Upload.target_id.in_(targets), visible))
