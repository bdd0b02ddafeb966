"""A job's rows: made in one transaction, cancelled in one, failed before anything ran."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, insert, literal, select, text, update

from underbutler.errors import ConflictError
from underbutler.model.job import Phase, TargetState
from underbutler.sql import database_now, is_postgresql, write

from .integrity import conflicts
from .tables import Claim, Job, Target
from .values import NewJob, NewTarget

__all__ = ["cancel", "create_job", "fail_job"]

BATCH: Final = 2000
"""Rows that are handed to the driver at once: memory stays small however many targets a job has."""

_SCAN_ID_LOCK: Final = 0x7363616E
"""Key of the advisory lock under which PostgreSQL counts `scan_id`."""


def create_job(engine: Engine, new: NewJob) -> None:
    """Record a job and its targets; see `JobStore.create_job`."""
    words = f"Job {new.id} or a target of it is recorded already, or its parent is not. Submit it under a new identity."
    with conflicts(words), write(engine) as connection:
        now = connection.execute(select(database_now())).scalar_one()
        for batch in _batches(new, now):
            connection.execute(insert(Target), batch)
        # The job comes last: `scan_id` is counted under a lock, which other submitters must not wait for.
        connection.execute(insert(Job).values(_job_values(new, now, _next_scan_id(connection))))


def _next_scan_id(connection: Connection) -> int:
    if is_postgresql(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCAN_ID_LOCK})
    return int(connection.execute(select(func.coalesce(func.max(Job.scan_id), 0) + 1)).scalar_one())


def _batches(new: NewJob, now: float) -> Iterator[list[dict[str, Any]]]:
    numbered = enumerate(new.targets)
    while batch := [_target_values(new, ordinal, one, now) for ordinal, one in itertools.islice(numbered, BATCH)]:
        yield batch


def _target_values(new: NewJob, ordinal: int, target: NewTarget, now: float) -> dict[str, Any]:
    return {
        "id": target.id,
        "job_id": new.id,
        "ordinal": ordinal,
        "state": TargetState.QUEUED,
        "task": new.task,
        "queue": new.queue,
        "data_id": dict(target.data_id),
        "args": list(target.args),
        "digest": target.digest,
        "argsrepr": target.argsrepr,
        "kwargsrepr": target.kwargsrepr,
        "queued_at": now,
        "send_no": 0,
        "claim_no": 0,
        "deaths": 0,
        "worker_deaths": 0,
        "transient_retries": 0,
    }


def _job_values(new: NewJob, now: float, scan_id: int) -> dict[str, Any]:
    empty = not new.targets
    return {
        "id": new.id,
        "scan_id": scan_id,
        "task": new.task,
        "repo": new.repo,
        "out": new.out,
        "run": new.run,
        "user": new.user,
        "phase": Phase.COMPLETED if empty else Phase.QUEUED,
        "overrides": list(new.overrides),
        "config": new.config,
        "config_digest": new.config_digest,
        "options": dict(new.options),
        "versions": dict(new.versions),
        "collections": list(new.collections),
        "n_targets": len(new.targets),
        "n_open": len(new.targets),
        "n_failed": 0,
        "n_aborted": 0,
        "created_at": now,
        "queued_at": now,
        "ended_at": now if empty else None,
        "parent_id": new.parent_id,
        "cancel_requested": False,
        "traceparent": new.traceparent,
    }


_OPEN = tuple(state for state in TargetState if not state.ended)


def cancel(engine: Engine, job: uuid.UUID) -> list[str]:
    """Abort what is open of a job; see `JobStore.cancel`."""
    with write(engine) as connection:
        sent = _abort_targets(connection, job, "its job was cancelled")
        connection.execute(
            update(Job)
            .where(Job.id == job, Job.phase.in_([Phase.PENDING, Phase.QUEUED, Phase.EXECUTING]))
            .values(_ended(Phase.ABORTED) | {"cancel_requested": True})
        )
    return sent


def fail_job(engine: Engine, job: uuid.UUID, error: str) -> None:
    """End a job whose submission failed; see `JobStore.fail_job`."""
    with write(engine) as connection:
        _abort_targets(connection, job, "its job's submission failed")
        ended = connection.execute(
            update(Job)
            .where(Job.id == job, Job.phase.in_([Phase.PENDING, Phase.QUEUED]))
            .values(_ended(Phase.ERROR) | {"error": error})
        )
        if not ended.rowcount:
            raise ConflictError(
                f"Job {job} has begun or ended: its submission cannot fail any more. "
                f"Cancel it: `underbutler cancel {job}`.",
                job=str(job),
            )


def _ended(phase: Phase) -> dict[str, Any]:
    return {
        "phase": phase,
        "n_aborted": Job.n_aborted + Job.n_open,
        "n_open": 0,
        "ended_at": database_now(),
    }


def _abort_targets(connection: Connection, job: uuid.UUID, reason: str) -> list[str]:
    """Abort the open targets and their claims; return the Celery ids of messages that are on their way or being run.

    Rows are locked in one order, targets before their job, as every other transaction does.
    """
    locked = (
        select(Target.id)
        .where(Target.job_id == job, Target.state.in_(_OPEN))
        .order_by(Target.id)
        .with_for_update()
        .cte("locked")
    )
    now = literal(connection.execute(select(database_now())).scalar_one())
    aborted = connection.execute(
        update(Target)
        .where(Target.id.in_(select(locked.c.id)))
        .values(state=TargetState.ABORTED, ended_at=now, lease_until=None, lease_worker=None, lease_pid=None)
        .returning(Target.id, Target.send_no, Target.sent_at, Target.send_lease_until)
    ).all()
    connection.execute(
        update(Claim)
        .where(Claim.target_id == Target.id, Claim.claim_no == Target.claim_no)
        .where(Target.job_id == job, Target.state == TargetState.ABORTED, Claim.ended_at.is_(None))
        .values(ended_at=now, end="aborted", reason=reason)
    )
    return [f"{row.id}.{row.send_no}" for row in aborted if row.sent_at is not None or row.send_lease_until is not None]
