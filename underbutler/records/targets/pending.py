"""Jobs that are asked for and not begun: a stored request, without targets."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, insert, or_, update

from underbutler.model.job import Phase
from underbutler.records.reading.jobs import Reading
from underbutler.records.tables.jobs import Job, Step
from underbutler.records.values.access import NewPending
from underbutler.records.values.rows import JobRow
from underbutler.records.writing.integrity import conflicts
from underbutler.records.writing.scan_ids import next_scan_id
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, write

__all__ = ["Pending", "begin", "forget_steps"]

_NOTHING_YET: Final[Mapping[str, Any]] = {"overrides": [], "config": {}, "config_digest": "", "options": {}}


class Pending(StorePart):
    """Stored requests: made, changed, begun by one, or ended as they cannot be carried out."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._reading = Reading(engine)

    def create(self, new: NewPending) -> JobRow:
        """Record a stored request as a PENDING job.

        Raises
        ------
        ConflictError
            If a job of this identity is recorded already.
        """
        words = f"Job {new.id} is recorded already. Submit it under a new identity."
        step = {"job_id": new.id, "ordinal": 0, "label": new.task or "-", "task": new.task, **_NOTHING_YET}
        with conflicts(words), write(self._engine) as connection:
            connection.execute(insert(Step).values(step))
            connection.execute(
                insert(Job).values(
                    id=new.id,
                    scan_id=next_scan_id(connection),
                    run="",
                    user=new.user,
                    phase=Phase.PENDING,
                    **_NOTHING_YET,
                    versions={},
                    collections=[],
                    n_targets=0,
                    n_open=0,
                    n_failed=0,
                    n_aborted=0,
                    created_at=database_now(),
                    cancel_requested=False,
                    destruction_at=new.destruction_at,
                    execution_duration_s=new.execution_duration_s,
                    needs_approval=new.needs_approval,
                    **_asked(new.parameters, new.task, new.repo, new.out),
                )
            )
        return self._reading.job(new.id)

    def change(
        self, job: uuid.UUID, parameters: Sequence[Sequence[str]], *, task: str = "", repo: str = "", out: str = ""
    ) -> bool:
        """Replace what a stored request asks; False if it is not PENDING any more, or is being begun."""
        with write(self._engine) as connection:
            changed = connection.execute(
                update(Job).where(Job.id == job, *_waits()).values(_asked(parameters, task, repo, out))
            )
            if changed.rowcount:
                connection.execute(update(Step).where(Step.job_id == job).values(task=task, label=task or "-"))
        return changed.rowcount == 1

    def take(self, job: uuid.UUID, lease_s: float, approved_by: str | None = None) -> bool:
        """Take a stored request to begin it: nobody else does for so many seconds; False if somebody has."""
        values: dict[str, Any] = {"starting_until": database_now() + lease_s}
        if approved_by is not None:
            values |= {"approved_by": approved_by}
        with write(self._engine) as connection:
            return connection.execute(update(Job).where(Job.id == job, *_waits()).values(values)).rowcount == 1

    def give_back(self, job: uuid.UUID) -> None:
        """Let a stored request be begun again, after what it needs was away."""
        pending = (Job.id == job, Job.phase == Phase.PENDING)
        with write(self._engine) as connection:
            connection.execute(update(Job).where(*pending).values(starting_until=None, approved_by=None))

    def fail(self, job: uuid.UUID, error: str, faults: Sequence[Mapping[str, str]]) -> bool:
        """End a stored request that cannot be carried out, with all that is wrong with it."""
        ended = update(Job).where(Job.id == job, Job.phase == Phase.PENDING)
        values = {"phase": Phase.ERROR, "error": error, "faults": [dict(fault) for fault in faults]}
        with write(self._engine) as connection:
            changed = connection.execute(ended.values(ended_at=database_now(), starting_until=None, **values))
        return changed.rowcount == 1


def begin(connection: Connection, job: uuid.UUID, values: Mapping[str, Any]) -> int | None:
    """Make a PENDING job the one that is being recorded; return its `scan_id`, or None if there is no such job."""
    kept = {"id", "scan_id", "created_at", "user"}
    kept |= {"destruction_at"} if values.get("destruction_at") is None else set()
    changed = {name: value for name, value in values.items() if name not in kept}
    pending = update(Job).where(Job.id == job, Job.phase == Phase.PENDING)
    row = connection.execute(pending.values(**changed, starting_until=None).returning(Job.scan_id)).one_or_none()
    return None if row is None else int(row.scan_id)


def forget_steps(connection: Connection, job: uuid.UUID) -> None:
    """Remove the steps of a stored request, before those of what became of it are recorded."""
    connection.execute(delete(Step).where(Step.job_id == job))


def _waits() -> tuple[Any, ...]:
    free = or_(Job.starting_until.is_(None), Job.starting_until < database_now())
    return (Job.phase == Phase.PENDING, free)


def _asked(parameters: Sequence[Sequence[str]], task: str, repo: str, out: str) -> dict[str, Any]:
    return {
        "parameters": [list(one) for one in parameters],
        "task": task,
        "repo": repo,
        "out": out or repo,
    }
