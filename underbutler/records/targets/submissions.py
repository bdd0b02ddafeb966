"""A job's rows, made in one transaction; and the mark of a submission that is on its way there."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, insert, select, text, update

from underbutler.errors import ConflictError
from underbutler.model.job import Phase, TargetState
from underbutler.sql import database_now, is_postgresql, write

from .counting import close
from .integrity import conflicts
from .recorder import recorder_of
from .service_tables import Submission
from .tables import Job, Target
from .values import NewJob, NewTarget

__all__ = ["create_job"]

BATCH: Final = 2000
"""Rows that are handed to the driver at once: memory stays small however many targets a job has."""

_SCAN_ID_LOCK: Final = 0x7363616E
"""Key of the advisory lock under which PostgreSQL counts `scan_id`."""


def create_job(engine: Engine, new: NewJob) -> None:
    """Record a job and its targets; see `JobStore.create_job`."""
    words = f"Job {new.id} or a target of it is recorded already, or its parent is not. Submit it under a new identity."
    with conflicts(words), write(engine) as connection:
        _mark_replaced(connection, new)
        now = connection.execute(select(database_now())).scalar_one()
        for batch in _batches(new, now):
            connection.execute(insert(Target), batch)
        # The job comes last: `scan_id` is counted under a lock, which other submitters must not wait for.
        scan_id = _next_scan_id(connection)
        connection.execute(insert(Job).values(_job_values(new, now, scan_id)))
        recorder_of(connection).begun(connection, new, scan_id, now)
        if not new.targets:
            close(connection, new.id)
        _end_submission(connection, new)


def _mark_replaced(connection: Connection, new: NewJob) -> None:
    """Mark the targets that this job runs again; of two jobs that would, one is refused."""
    wanted = sorted(new.replaces)
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        free = select(Target.id).where(Target.id.in_(batch), Target.ended_at.is_not(None), Target.replayed_as.is_(None))
        locked = free.order_by(Target.id).with_for_update(key_share=True).cte("locked")
        marked = connection.execute(
            update(Target).where(Target.id.in_(select(locked.c.id))).values(replayed_as=new.id).returning(Target.id)
        ).scalars()
        if left := set(batch).difference(marked):
            raise ConflictError(
                f"Target {min(left)} runs still, or was run again by another job in the meantime. Look at it: "
                "`underbutler status JOB -v`.",
                target=str(min(left)),
            )


def _end_submission(connection: Connection, new: NewJob) -> None:
    """Remove the mark of the submission: from here on the job's rows answer for what it wrote into the Butler."""
    ended = connection.execute(delete(Submission).where(Submission.job_id == new.id, Submission.taken_at.is_(None)))
    if ended.rowcount == 0 and (new.announced or _is_taken(connection, new.id)):
        raise ConflictError(
            f"The submission of job {new.id} took so long that it was given up, and what it wrote into the Butler is "
            "being removed. Submit again.",
            job=str(new.id),
        )


def _is_taken(connection: Connection, job: uuid.UUID) -> bool:
    return connection.execute(select(Submission.job_id).where(Submission.job_id == job)).one_or_none() is not None


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
        "cancel_requested": False,
        "not_before": now + target.delay_s if target.delay_s > 0 else None,
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
        "token_handle": new.token_handle,
        "destruction_at": None if new.lifetime_s is None else now + new.lifetime_s,
    }
