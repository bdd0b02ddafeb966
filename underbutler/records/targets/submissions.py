"""A job's rows, made in one transaction; and the mark of a submission that is on its way there."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, insert, select, update

from underbutler.errors import ConflictError
from underbutler.model.job import Phase, TargetState
from underbutler.records.reading.jobs import Reading
from underbutler.records.tables.jobs import Job, Step, Target
from underbutler.records.tables.service import Submission as SubmissionTable
from underbutler.records.values.jobs import NewJob, NewStep, NewTarget
from underbutler.records.values.rows import JobRow
from underbutler.records.values.service import Submission
from underbutler.records.writing.counting import close
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.integrity import conflicts
from underbutler.records.writing.recorder import Recorder
from underbutler.records.writing.scan_ids import next_scan_id
from underbutler.records.writing.store_part import RecordedPart
from underbutler.sql import database_now, write

from .pending import begin, forget_steps

__all__ = ["Submissions"]

BATCH: Final = 2000
"""Rows that are handed to the driver at once: memory stays small however many targets a job has."""


class Submissions(RecordedPart):
    """Submissions on their way, and the jobs that they become."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        super().__init__(engine, recorder)
        self._reading = Reading(engine)

    def create_job(self, new: NewJob) -> JobRow:
        """Record a job and its targets in one transaction, phase QUEUED; without targets it is COMPLETED at once.

        A PENDING job of that identity becomes it.

        Raises
        ------
        ConflictError
            If the job or a target is recorded already, or `parent_id` is not, or a sweeper has given the submission
            up; then nothing is written.
        """
        words = (
            f"Job {new.id} or a target of it is recorded already, or its parent is not. Submit it under a new identity."
        )
        with conflicts(words), write(self._engine) as connection:
            _mark_replaced(connection, new)
            now = connection.execute(select(database_now())).scalar_one()
            for batch in _batches(new, now):
                connection.execute(insert(Target), batch)
            forget_steps(connection, new.id)
            steps = [_step_values(new, ordinal, step) for ordinal, step in enumerate(new.steps)]
            connection.execute(insert(Step), steps)
            # The job comes last: `scan_id` is counted under a lock, which other submitters must not wait for.
            scan_id = begin(connection, new.id, _job_values(new, now))
            if scan_id is None:
                scan_id = next_scan_id(connection)
                connection.execute(insert(Job).values(**_job_values(new, now), scan_id=scan_id))
            self._recorder.begun(connection, new, scan_id, now)
            if not new.targets:
                close(connection, self._recorder, new.id)
            _end_submission(connection, new)
        return self._reading.job(new.id)

    def announce(self, submission: Submission) -> None:
        """Record what a submission is going to write into the Butler; `create_job` ends the record. Repeat at will."""
        values = {
            "job_id": submission.job,
            "repo": submission.repo,
            "out": submission.out,
            "run": submission.run,
            "own_run": submission.own_run,
            "user": submission.user,
            "created_at": database_now(),
        }
        with write(self._engine) as connection:
            connection.execute(insertion(connection)(SubmissionTable).values(values).on_conflict_do_nothing())

    def give_up_stale(self, older_than_s: float, limit: int = 100) -> list[Submission]:
        """Give up submissions that have not become a job for so many seconds, and return them.

        From here on `create_job` refuses them: remove what they wrote into the Butler, then call `forget`.
        Until then they are returned again.
        """
        wanted = (
            select(SubmissionTable.job_id)
            .where(SubmissionTable.created_at < database_now() - older_than_s)
            .order_by(SubmissionTable.created_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("picked")
        )
        taking = (
            update(SubmissionTable)
            .where(SubmissionTable.job_id.in_(select(wanted.c.job_id)))
            .values(taken_at=database_now())
            .returning(*SubmissionTable.__table__.columns)
        )
        with write(self._engine) as connection:
            rows = connection.execute(taking).all()
        return [
            Submission(job=row.job_id, repo=row.repo, out=row.out, run=row.run, own_run=row.own_run, user=row.user)
            for row in sorted(rows, key=lambda row: row.created_at)
        ]

    def forget(self, job: uuid.UUID) -> None:
        """Remove the record of a submission: nothing of it is left in the Butler."""
        with write(self._engine) as connection:
            connection.execute(delete(SubmissionTable).where(SubmissionTable.job_id == job))


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
    ended = connection.execute(
        delete(SubmissionTable).where(SubmissionTable.job_id == new.id, SubmissionTable.taken_at.is_(None))
    )
    if ended.rowcount == 0 and (new.announced or _is_taken(connection, new.id)):
        raise ConflictError(
            f"The submission of job {new.id} took so long that it was given up, and what it wrote into the Butler is "
            "being removed. Submit again.",
            job=str(new.id),
        )


def _is_taken(connection: Connection, job: uuid.UUID) -> bool:
    return (
        connection.execute(select(SubmissionTable.job_id).where(SubmissionTable.job_id == job)).one_or_none()
        is not None
    )


def _batches(new: NewJob, now: float) -> Iterator[list[dict[str, Any]]]:
    targets = ((ordinal, step, target) for ordinal, step in enumerate(new.steps) for target in step.targets)
    numbered = enumerate(targets)
    while batch := [_target_values(new, number, *one, now) for number, one in itertools.islice(numbered, BATCH)]:
        yield batch


def _step_values(new: NewJob, ordinal: int, step: NewStep) -> dict[str, Any]:
    return {"job_id": new.id, "ordinal": ordinal, "label": step.label, "task": step.task, **_config_values(step)}


def _config_values(step: NewStep) -> dict[str, Any]:
    return {
        "overrides": list(step.overrides),
        "config": step.config,
        "config_digest": step.config_digest,
        "options": dict(step.options),
    }


def _target_values(
    new: NewJob, ordinal: int, of_step: int, step: NewStep, target: NewTarget, now: float
) -> dict[str, Any]:
    return {
        "id": target.id,
        "job_id": new.id,
        "ordinal": ordinal,
        "step": of_step,
        "state": TargetState.QUEUED,
        "task": step.task,
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


def _job_values(new: NewJob, now: float) -> dict[str, Any]:
    n_targets = len(new.targets)
    return {
        "id": new.id,
        "task": new.task,
        "repo": new.repo,
        "out": new.out,
        "run": new.run,
        "user": new.user,
        "phase": Phase.QUEUED if n_targets else Phase.COMPLETED,
        "request": None if new.request is None else dict(new.request),
        **_config_values(new.steps[0]),
        "versions": dict(new.versions),
        "collections": list(new.collections),
        "n_targets": n_targets,
        "n_open": n_targets,
        "n_failed": 0,
        "n_aborted": 0,
        "created_at": now,
        "queued_at": now,
        "ended_at": None if n_targets else now,
        "parent_id": new.parent_id,
        "cancel_requested": False,
        "traceparent": new.traceparent,
        "token_handle": new.token_handle,
        "destruction_at": None if new.lifetime_s is None else now + new.lifetime_s,
        "quote_at": None if new.quote_s is None else now + new.quote_s,
    }
