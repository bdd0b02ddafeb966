"""What only the sweeper does: its memory, submissions that died, datasets to compare, jobs to close and to destroy."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import delete, exists, select, update

from underbutler.model.job import TargetState
from underbutler.sql import database_now, read, write

from . import destruction, intents
from .face import Face
from .insertion import insertion
from .rows import TargetRow
from .service_tables import Submission as SubmissionTable
from .service_tables import SweepState
from .service_values import Remembered, Submission
from .tables import EXPIRED, UNCHECKED, Claim, Job, Product, Target
from .tables import Intent as IntentTable
from .values import Intent

__all__ = ["Sweeping"]


class Sweeping(Face):
    """The sweeper's own verbs; those about claims are in `Keeping`, about messages in `Waiting`."""

    def now(self) -> float:
        """Return the database's clock, seconds since 1970 UTC."""
        with read(self._engine) as connection:
            return float(connection.execute(select(database_now())).scalar_one())

    def remembered(self, name: str) -> Remembered | None:
        """Return what was remembered under a name, and when."""
        with read(self._engine) as connection:
            row = connection.execute(
                select(SweepState.at, SweepState.body).where(SweepState.name == name)
            ).one_or_none()
        return None if row is None else Remembered(row.at, row.body)

    def remember(self, name: str, body: Any = None) -> None:
        """Remember a JSON value under a name, now."""
        values = {"at": database_now(), "body": body}
        with write(self._engine) as connection:
            insert = insertion(connection)(SweepState).values(name=name, **values)
            changed = {"at": insert.excluded["at"], "body": insert.excluded["body"]}
            connection.execute(insert.on_conflict_do_update(index_elements=[SweepState.name], set_=changed))

    def remember_next(self, name: str, body: Any, before: Remembered | None) -> bool:
        """Remember a JSON value in place of what was remembered before.

        Returns
        -------
        remembered
            False when somebody else has remembered something under this name meanwhile; then that stays.
        """
        values = {"at": database_now(), "body": body}
        with write(self._engine) as connection:
            if before is None:
                first = insertion(connection)(SweepState).values(name=name, **values).on_conflict_do_nothing()
                # PostgreSQL's driver counts no rows of such an insert.
                made = connection.execute(first.returning(SweepState.name))
                return made.one_or_none() is not None
            unchanged = (SweepState.name == name, SweepState.at == before.at)
            return bool(connection.execute(update(SweepState).where(*unchanged).values(values)).rowcount)

    # Submissions

    def record_submission(self, submission: Submission) -> None:
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

    def stale_submissions(self, older_than_s: float, limit: int = 100) -> list[Submission]:
        """Give up submissions that have not become a job for so many seconds, and return them.

        From here on `create_job` refuses them: remove what they wrote into the Butler, then call `forget_submission`.
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

    def forget_submission(self, job: uuid.UUID) -> None:
        """Remove the record of a submission: nothing of it is left in the Butler."""
        with write(self._engine) as connection:
            connection.execute(delete(SubmissionTable).where(SubmissionTable.job_id == job))

    # What ended targets left in the Butler

    def ended_unchecked(
        self, limit: int = 100, older_than_s: float = 0.0, not_in: Collection[str] = ()
    ) -> list[TargetRow]:
        """Return ended targets that meant to write datasets and whose intents nobody has compared with the registry.

        Parameters
        ----------
        limit
            How many at most, the oldest first.
        older_than_s
            Only those that ended so long ago, in seconds.
        not_in
            Leave out what writes into these repositories.
        """
        before = database_now() - older_than_s
        meant = exists().where(IntentTable.target_id == Target.id)
        unchecked = select(*Target.__table__.columns).where(UNCHECKED, Target.ended_at <= before)
        if not_in:
            unchecked = unchecked.where(Target.job_id.not_in(select(Job.id).where(Job.out.in_(not_in))))
        with read(self._engine) as connection:
            idle = connection.execute(
                select(Target.id).where(UNCHECKED, Target.ended_at <= before, ~meant).limit(limit * 20)
            ).scalars()
            without = list(idle)
            rows = connection.execute(unchecked.where(meant).order_by(Target.ended_at).limit(limit)).all()
        self.mark_checked(without)
        return [TargetRow(**row._mapping) for row in rows]

    def to_check_again(self, limit: int, after_s: float, not_in: Collection[str] = ()) -> list[TargetRow]:
        """Return ended targets that were compared while a process of an expired claim could still be alive.

        Such a process may have been stopped, and have written when it woke up.

        Parameters
        ----------
        limit
            How many at most.
        after_s
            When no process of a claim can be left: seconds after the claim's end.
        not_in
            Leave out what writes into these repositories.
        """
        last_moment = Claim.ended_at + after_s
        late = (
            select(Claim.target_id)
            .join(Target, Target.id == Claim.target_id)
            .where(EXPIRED, last_moment < database_now(), Target.checked_at < last_moment)
        )
        if not_in:
            late = late.where(Target.job_id.not_in(select(Job.id).where(Job.out.in_(not_in))))
        wanted = select(*Target.__table__.columns).where(Target.id.in_(late.distinct().limit(limit)))
        with read(self._engine) as connection:
            return [TargetRow(**row._mapping) for row in connection.execute(wanted)]

    def intents_of(self, target: uuid.UUID) -> list[Intent]:
        """Return what all claims of a target meant to write."""
        return intents.intents_of(self._engine, target)

    def product_ids(self, targets: Iterable[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
        """Return the datasets that are recorded as products of targets, each with its target."""
        with read(self._engine) as connection:
            made = select(Product.dataset_id, Product.target_id).where(Product.target_id.in_(sorted(set(targets))))
            return {row.dataset_id: row.target_id for row in connection.execute(made)}

    def forget_products(self, dataset_ids: Iterable[uuid.UUID]) -> None:
        """Remove products of aborted targets: what such a target has made is no product, and was pruned."""
        aborted = exists().where(Target.id == Product.target_id, Target.state == TargetState.ABORTED)
        with write(self._engine) as connection:
            connection.execute(delete(Product).where(Product.dataset_id.in_(sorted(set(dataset_ids))), aborted))

    def mark_checked(self, targets: Iterable[uuid.UUID]) -> None:
        """Say that what ended targets left in the Butler was compared with the registry, and pruned."""
        ids = sorted(set(targets))
        with write(self._engine) as connection:
            for start in range(0, len(ids), 500):
                wanted = select(Target.id).where(Target.id.in_(ids[start : start + 500]), Target.ended_at.is_not(None))
                locked = wanted.order_by(Target.id).with_for_update(key_share=True).cte("locked")
                connection.execute(
                    update(Target).where(Target.id.in_(select(locked.c.id))).values(checked_at=database_now())
                )

    # Jobs

    def close_jobs(self) -> list[uuid.UUID]:
        """Close jobs whose targets have all ended although their counters say otherwise; return them.

        The counters are set right by counting. There should never be one: whoever ends a target counts it.
        """
        return destruction.close_jobs(self._engine)

    def destroy_due(self, limit: int = 50) -> list[uuid.UUID]:
        """Destroy jobs past their destruction time and return those that were; they are ARCHIVED, their row is kept.

        Removed are targets, claims and their logs, intents, products, notices: never a dataset in the Butler nor an
        object in the annex. A job that is still open is cancelled first and destroyed by a later call; one whose
        notices are unsent, or whose intents were not compared with the registry, has to wait.
        """
        return destruction.destroy_due(self._engine, limit)

    def may_be_destroyed(self, job: uuid.UUID) -> bool:
        """Tell whether a job has ended, its notices are sent, and its intents were compared with the registry."""
        return destruction.may_be_destroyed(self._engine, job)

    def destroy(self, job: uuid.UUID) -> bool:
        """Destroy an ended job now; see `destroy_due`.

        Returns
        -------
        destroyed
            False when it has to wait, and is destroyed by a later `destroy_due`; also when it has not ended.
        """
        return destruction.destroy(self._engine, job)
