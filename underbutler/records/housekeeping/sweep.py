"""What only the sweeper does: its memory, and datasets of ended targets to compare with the registry."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import delete, exists, select, update

from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import EXPIRED, UNCHECKED, Claim, Job, Product, Target
from underbutler.records.tables.jobs import Intent as IntentTable
from underbutler.records.tables.service import SweepState
from underbutler.records.values.rows import TargetRow
from underbutler.records.values.service import Remembered
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Sweep"]


class Sweep(StorePart):
    """What only the sweeper needs; claims are in `Leases`, messages in `Outbox`, jobs in `Lifetimes`."""

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
            Largest number to list.
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

    def product_ids(self, targets: Iterable[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
        """Return the datasets that are recorded as products of targets, each with its target."""
        with read(self._engine) as connection:
            made = select(Product.dataset_id, Product.target_id).where(Product.target_id.in_(sorted(set(targets))))
            return {row.dataset_id: row.target_id for row in connection.execute(made)}

    def forget_products(self, dataset_ids: Iterable[uuid.UUID]) -> None:
        """Remove products of aborted targets: what such a target has made is not a product, and was pruned."""
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
