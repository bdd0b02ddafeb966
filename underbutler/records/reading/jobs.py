"""What the records say: jobs, counts, targets, claims, products, notices. Nothing here changes a row."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.job import TargetState
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.records.tables.jobs import Claim, Job, Notice, Product, Step, Target
from underbutler.records.values.rows import ClaimRow, JobRow, ProductRow, StepRow, TargetRow
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import Base, read

from .naming import named

__all__ = ["JOBS", "Reading", "job_rows"]

_SHOWN: Final = 5
"""Candidates that an ambiguous part of an id names."""


JOBS: Final = select(*(Job.__table__.columns[one.name] for one in fields(JobRow) if one.name != "steps"))
_STEP_FIELDS: Final = [one.name for one in fields(StepRow)]
_STEPS: Final = select(Step.job_id, *(Step.__table__.columns[name] for name in _STEP_FIELDS))


class Reading(StorePart):
    """Jobs and what hangs on them, as they stand."""

    def job(self, name: uuid.UUID | str) -> JobRow:
        """Return a job by its id, or by the first or the last characters of it.

        Raises
        ------
        UnknownNameError
            If there is none.
        UsageError
            If there are several, naming them.
        """
        with read(self._engine) as connection:
            # In the index of ids first: an end is compared with all of them, which should not read all the jobs.
            found = select(Job.id).where(named(Job.id, name, kind="job id", command="status"))
            wanted = JOBS.where(Job.id.in_(found)).order_by(Job.scan_id.desc())
            rows = job_rows(connection, wanted.limit(_SHOWN + 1))
        if not rows:
            raise UnknownNameError(
                f"No job has an id that is, begins or ends with {str(name)!r}. List the jobs: `underbutler status`.",
                name=str(name),
            )
        if len(rows) > 1:
            candidates = [str(row.id) for row in rows[:_SHOWN]]
            more = ", …" if len(rows) > _SHOWN else ""
            raise UsageError(
                f"Several jobs have ids that begin or end with {str(name)!r}: {', '.join(candidates)}{more}. "
                "Give more characters.",
                name=str(name),
                candidates=candidates,
            )
        return rows[0]

    def job_if_any(self, job: uuid.UUID) -> JobRow | None:
        """Return a job by its id; None if there is none."""
        try:
            return self.job(job)
        except UnknownNameError:
            return None

    def jobs(self, limit: int | None = 20) -> list[JobRow]:
        """Return jobs, newest first."""
        with read(self._engine) as connection:
            return job_rows(connection, JOBS.order_by(Job.scan_id.desc()).limit(limit))

    def counts(self, job: uuid.UUID) -> dict[TargetState, int]:
        """Return the number of a job's targets in every state, without loading them."""
        return self.counts_of_jobs([job])[job]

    def counts_of_jobs(self, jobs: Iterable[uuid.UUID]) -> dict[uuid.UUID, dict[TargetState, int]]:
        """Return `counts` of several jobs at once."""
        found = {job: dict.fromkeys(TargetState, 0) for job in jobs}
        with read(self._engine) as connection:
            rows = connection.execute(
                select(Target.job_id, Target.state, func.count())
                .where(Target.job_id.in_(found))
                .group_by(Target.job_id, Target.state)
            )
            for job, state, number in rows:
                found[job][state] = number
        return found

    def counts_of_steps(self, job: uuid.UUID) -> dict[int, dict[TargetState, int]]:
        """Return `counts` of each step of a job, by its ordinal."""
        with read(self._engine) as connection:
            of_job = select(Step.ordinal).where(Step.job_id == job).order_by(Step.ordinal)
            found = {ordinal: dict.fromkeys(TargetState, 0) for ordinal in connection.execute(of_job).scalars()}
            rows = connection.execute(
                select(Target.step, Target.state, func.count())
                .where(Target.job_id == job)
                .group_by(Target.step, Target.state)
            )
            for ordinal, state, number in rows:
                found[ordinal][state] = number
        return found

    def targets(
        self,
        job: uuid.UUID,
        states: Collection[TargetState] | None = None,
        limit: int | None = None,
        after: int | None = None,
    ) -> list[TargetRow]:
        """Return a job's targets in their order, all or those in some states; only those after an ordinal."""
        wanted = _all(Target).where(Target.job_id == job).order_by(Target.ordinal).limit(limit)
        if after is not None:
            wanted = wanted.where(Target.ordinal > after)
        if states is not None:
            wanted = wanted.where(Target.state.in_(list(states)))
        with read(self._engine) as connection:
            return [TargetRow(**row._mapping) for row in connection.execute(wanted)]

    def target(self, target: uuid.UUID) -> TargetRow:
        """Return one target.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        with read(self._engine) as connection:
            row = connection.execute(_all(Target).where(Target.id == target)).one_or_none()
        if row is None:
            raise UnknownNameError(
                f"No target has the id {target}. List a job's: `underbutler status JOB`.", name=str(target)
            )
        return TargetRow(**row._mapping)

    def submitted_data_ids(self, task: str, repo: str, tag: tuple[str, str]) -> list[dict[str, Any]]:
        """Return the data IDs of all targets of a task whose jobs carry a tag, whatever became of them.

        Parameters
        ----------
        task
            Registered name of the task.
        repo
            Label of the repository that the jobs read.
        tag
            Name and text of the tag, as `JobRequest.tags` has them.
        """
        name, text = tag
        wanted = (
            select(Target.data_id)
            .join(Job, Job.id == Target.job_id)
            .where(Job.repo == repo, Target.task == task, Job.request[("tags", name)].as_string() == text)
        )
        with read(self._engine) as connection:
            return list(connection.execute(wanted).scalars())

    def claims(self, of: uuid.UUID) -> list[ClaimRow]:
        """Return the claims of a target, or of all targets of a job, in order."""
        wanted = (
            _all(Claim)
            .join(Target, Target.id == Claim.target_id)
            .where((Target.id == of) | (Target.job_id == of))
            .order_by(Target.ordinal, Claim.claim_no)
        )
        with read(self._engine) as connection:
            return [ClaimRow(**row._mapping) for row in connection.execute(wanted)]

    def products(self, job: uuid.UUID, limit: int | None = None, skip: int = 0) -> list[ProductRow]:
        """Return what a job's targets made, in their order; so many, after so many."""
        wanted = (
            _all(Product)
            .join(Target, Target.id == Product.target_id)
            .where(Target.job_id == job)
            .order_by(Target.ordinal, Product.dataset_type, Product.dataset_id)
            .limit(limit)
            .offset(skip)
        )
        with read(self._engine) as connection:
            return [ProductRow(**row._mapping) for row in connection.execute(wanted)]

    def products_of(self, target: uuid.UUID) -> list[ProductRow]:
        """Return what a target made."""
        wanted = _all(Product).where(Product.target_id == target).order_by(Product.dataset_type, Product.dataset_id)
        with read(self._engine) as connection:
            return [ProductRow(**row._mapping) for row in connection.execute(wanted)]

    def notices(self, job: uuid.UUID) -> list[LargeFileObjectAvailable]:
        """Return what a job's targets announced, in order."""
        wanted = select(Notice.body).where(Notice.job_id == job).order_by(Notice.created_at, Notice.id)
        with read(self._engine) as connection:
            return [LargeFileObjectAvailable.from_json(body) for body in connection.execute(wanted).scalars()]


def job_rows(connection: Connection, wanted: Select[Any]) -> list[JobRow]:
    """Return jobs with their steps."""
    jobs = connection.execute(wanted).all()
    of_job: dict[uuid.UUID, list[StepRow]] = {row.id: [] for row in jobs}
    for job, *step in connection.execute(_STEPS.where(Step.job_id.in_(of_job)).order_by(Step.ordinal)):
        of_job[job].append(StepRow(**dict(zip(_STEP_FIELDS, step, strict=True))))
    return [JobRow(**row._mapping, steps=tuple(of_job[row.id])) for row in jobs]


def _all(table: type[Base]) -> Any:
    """Select every column under its own name (a row of a table, not an object of the ORM)."""
    return select(*table.__table__.columns)
