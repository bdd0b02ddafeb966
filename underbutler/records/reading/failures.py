"""The latest failures, over all jobs: what failed or is held, and why."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Job, Target
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import read

__all__ = ["FailedTarget", "Failures"]

_JOBS: Final = 20
"""So many of the latest jobs with failures are looked into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTarget:
    """A target that failed or is held, and that nobody has run again or discarded."""

    id: uuid.UUID
    job_id: uuid.UUID
    task: str
    argsrepr: str
    state: TargetState
    error_type: str | None
    error_text: str | None
    fingerprint: str | None
    ended_at: float


class Failures(StorePart):
    """What failed last."""

    def latest(self, limit: int = 500) -> list[FailedTarget]:
        """Return the latest failures, the last one first.

        Parameters
        ----------
        limit
            Largest number to list.
        """
        jobs = select(Job.id).where(Job.n_failed > 0).order_by(Job.scan_id.desc()).limit(_JOBS)
        columns = (Target.id, Target.job_id, Target.task, Target.argsrepr, Target.state)
        wanted = (
            select(*columns, Target.error_type, Target.error_text, Target.fingerprint, Target.ended_at)
            .where(Target.job_id.in_(jobs), Target.state.in_([TargetState.FAILED, TargetState.HELD]))
            .where(Target.ended_at.is_not(None), Target.replayed_as.is_(None), Target.discarded_at.is_(None))
            .order_by(Target.ended_at.desc(), Target.ordinal)
            .limit(limit)
        )
        with read(self._engine) as connection:
            return [FailedTarget(**row._mapping) for row in connection.execute(wanted)]
