"""The end of jobs after their last target: closed where the counters failed, destroyed when their time has come."""

from __future__ import annotations

import uuid
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, exists, func, select, update

from underbutler.model.job import Phase, TargetState, phase_when_ended
from underbutler.sql import database_now, read, write

from . import cancelling
from .counting import close
from .tables import AnnexDecision, Claim, Intent, Job, Notice, Product, Target, Upload

__all__ = ["close_jobs", "destroy", "destroy_due", "may_be_destroyed"]

_ACTIVE: Final = tuple(phase for phase in Phase if not phase.ended)
_OPEN: Final = tuple(state for state in TargetState if not state.ended)
_ENDED: Final = (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED)


def close_jobs(engine: Engine) -> list[uuid.UUID]:
    """Close jobs whose targets have all ended; see `JobStore.close_jobs`."""
    open_target = exists().where(Target.job_id == Job.id, Target.state.in_(_OPEN))
    with read(engine) as connection:
        found = connection.execute(select(Job.id).where(Job.phase.in_(_ACTIVE), ~open_target)).scalars().all()
    return [job for job in found if _close(engine, job)]


def _close(engine: Engine, job: uuid.UUID) -> bool:
    with write(engine) as connection:
        row = connection.execute(
            select(Job.phase, Job.cancel_requested).where(Job.id == job).with_for_update(key_share=True)
        ).one()
        rows = connection.execute(select(Target.state, func.count()).where(Target.job_id == job).group_by(Target.state))
        counts: dict[TargetState, int] = dict(rows.all())
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
        close(connection, job)
    return True


_NOTHING_LEFT: Final = (
    ~exists().where(Notice.job_id == Job.id, Notice.sent_at.is_(None)),
    ~exists().where(
        Target.job_id == Job.id, Target.checked_at.is_(None), exists().where(Intent.target_id == Target.id)
    ),
)
"""Nothing has still to be done that only the rows of a job know."""


def may_be_destroyed(engine: Engine, job: uuid.UUID) -> bool:
    """Tell whether a job can be destroyed now; see `JobStore.may_be_destroyed`."""
    with read(engine) as connection:
        wanted = select(Job.id).where(Job.id == job, Job.phase.in_(_ENDED), *_NOTHING_LEFT)
        return connection.execute(wanted).one_or_none() is not None


def destroy(engine: Engine, job: uuid.UUID) -> bool:
    """Destroy an ended job now, or as soon as may be; see `JobStore.destroy`."""
    with write(engine) as connection:
        connection.execute(
            update(Job).where(Job.id == job, Job.phase.in_(_ENDED)).values(destruction_at=database_now())
        )
    return may_be_destroyed(engine, job) and _destroy(engine, job)


def destroy_due(engine: Engine, limit: int) -> list[uuid.UUID]:
    """Destroy jobs past their time; see `JobStore.destroy_due`."""
    due = Job.destruction_at <= database_now()
    oldest = select(Job.id).order_by(Job.destruction_at).limit(limit)
    with read(engine) as connection:
        still_open = (
            connection.execute(oldest.where(due, Job.phase.in_(_ACTIVE), Job.cancel_requested.is_(False)))
            .scalars()
            .all()
        )
        ended = connection.execute(oldest.where(due, Job.phase.in_(_ENDED), *_NOTHING_LEFT)).scalars().all()
    for job in still_open:
        cancelling.cancel(engine, job)
    return [job for job in ended if _destroy(engine, job)]


def _destroy(engine: Engine, job: uuid.UUID) -> bool:
    """Remove what hangs on a job: targets are locked first, then the job, as everywhere."""
    with write(engine) as connection:
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
        connection.execute(delete(AnnexDecision).where(AnnexDecision.job_id == job))
        connection.execute(delete(Target).where(Target.job_id == job))
    return True


def _forget_visible_uploads(connection: Connection, targets: Any) -> None:
    """Remove the marks of objects that stay; what dead claims left is still to be removed, and keeps its mark."""
    visible = exists().where(
        Product.target_id == Upload.target_id, Product.url == "s3://" + Upload.bucket + "/" + Upload.key
    )
    connection.execute(delete(Upload).where(Upload.target_id.in_(targets), visible))
