"""Who may write which dataset, and what dead claims left."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from underbutler.errors import ConflictError
from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Intent as IntentTable
from underbutler.records.tables.jobs import Target
from underbutler.records.values.jobs import Claim, Intent
from underbutler.records.writing.fence import fenced_out
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Intents"]


class Intents(StorePart):
    """Datasets that claims are going to write: each belongs to one target."""

    def record(self, claim: Claim, datasets: Sequence[Intent]) -> None:
        """Record what a claim is going to write; what earlier claims of the same target recorded is taken over.

        Raises
        ------
        ConflictError
            If another target owns one of the datasets, naming its job; then nothing is written.
        FencedOutError
            If the claim no longer holds.
        """
        new = {intent.dataset_id: intent for intent in datasets}
        if not new:
            return
        with write(self._engine) as connection:
            _check_live(connection, claim)
            insert = insertion(connection)(IntentTable).values(
                [
                    {
                        "dataset_id": intent.dataset_id,
                        "target_id": claim.target,
                        "claim_no": claim.claim_no,
                        "dataset_type": intent.dataset_type,
                        "run": intent.run,
                        "data_id": dict(intent.data_id),
                        "created_at": database_now(),
                    }
                    for intent in sorted(new.values(), key=lambda intent: intent.dataset_id)
                ]
            )
            taken = connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[IntentTable.dataset_id],
                    set_={"claim_no": insert.excluded.claim_no, "created_at": insert.excluded.created_at},
                    where=IntentTable.target_id == insert.excluded.target_id,
                ).returning(IntentTable.dataset_id)
            ).scalars()
            # A row of another target is not updated, and so is not among those that come back.
            foreign = set(new) - set(taken)
            if foreign:
                raise _owned_by_another(connection, new[min(foreign)])

    def of_dead_claims(self, claim: Claim) -> list[Intent]:
        """Return what earlier claims of the same target meant to write and this one has not taken over."""
        with read(self._engine) as connection:
            rows = connection.execute(_intents(claim.target).where(IntentTable.claim_no < claim.claim_no)).all()
        return [Intent(**row._mapping) for row in rows]

    def of_target(self, target: uuid.UUID) -> list[Intent]:
        """Return what all claims of a target meant to write."""
        with read(self._engine) as connection:
            return [Intent(**row._mapping) for row in connection.execute(_intents(target))]

    def forget(self, dataset_ids: Iterable[uuid.UUID]) -> None:
        """Remove the intents of datasets that were pruned."""
        ids = sorted(set(dataset_ids))
        if ids:
            with write(self._engine) as connection:
                connection.execute(delete(IntentTable).where(IntentTable.dataset_id.in_(ids)))


def _intents(target: uuid.UUID) -> Any:
    return (
        select(
            IntentTable.dataset_id,
            IntentTable.dataset_type,
            IntentTable.run,
            IntentTable.data_id,
            IntentTable.claim_no,
        )
        .where(IntentTable.target_id == target)
        .order_by(IntentTable.claim_no, IntentTable.dataset_type, IntentTable.dataset_id)
    )


def _check_live(connection: Connection, held: Claim) -> None:
    live = connection.execute(
        select(Target.id)
        .where(
            Target.id == held.target,
            Target.claim_no == held.claim_no,
            Target.state == TargetState.RUNNING,
            Target.lease_until.is_not(None),
        )
        .with_for_update(key_share=True)
    ).one_or_none()
    if live is None:
        raise fenced_out(held, "it may not write")


def _owned_by_another(connection: Connection, intent: Intent) -> ConflictError:
    owner = connection.execute(
        select(Target.id, Target.job_id, Target.task, Target.argsrepr)
        .join(IntentTable, IntentTable.target_id == Target.id)
        .where(IntentTable.dataset_id == intent.dataset_id)
    ).one()
    return ConflictError(
        f"The dataset {intent.dataset_type} {dict(intent.data_id)} in the RUN collection {intent.run!r} "
        f"({intent.dataset_id}) belongs to job {owner.job_id} ({owner.task} {owner.argsrepr}). Submit into another RUN "
        "collection: leave out -o, or give it another name.",
        dataset=str(intent.dataset_id),
        job=str(owner.job_id),
        target=str(owner.id),
    )
