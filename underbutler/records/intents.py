"""Who may write which dataset, what dead claims left, and which dataset types a job delivers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, delete, select

from underbutler.errors import ConflictError
from underbutler.model.job import TargetState
from underbutler.sql import database_now, read, write

from .fence import fenced_out
from .insertion import insertion
from .tables import AnnexDecision, Job, Target
from .tables import Intent as IntentTable
from .values import Claim, Intent

__all__ = ["decide_large", "forget_intents", "intend", "intents_of", "intents_of_dead_claims"]


def intend(engine: Engine, held: Claim, intents: Sequence[Intent]) -> None:
    """Record what a claim is going to write; see `JobStore.intend`."""
    new = {intent.dataset_id: intent for intent in intents}
    if not new:
        return
    with write(engine) as connection:
        _check_live(connection, held)
        insert = insertion(connection)(IntentTable).values(
            [
                {
                    "dataset_id": intent.dataset_id,
                    "target_id": held.target,
                    "claim_no": held.claim_no,
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
        foreign = set(new) - set(taken)
        if foreign:
            raise _owned_by_another(connection, new[min(foreign)])


def intents_of_dead_claims(engine: Engine, held: Claim) -> list[Intent]:
    """Return what earlier claims of the same target meant to write; see `JobStore.intents_of_dead_claims`."""
    with read(engine) as connection:
        rows = connection.execute(_intents(held.target).where(IntentTable.claim_no < held.claim_no)).all()
    return [Intent(**row._mapping) for row in rows]


def intents_of(engine: Engine, target: uuid.UUID) -> list[Intent]:
    """Return what all claims of a target meant to write; see `JobStore.intents_of`."""
    with read(engine) as connection:
        return [Intent(**row._mapping) for row in connection.execute(_intents(target))]


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


def forget_intents(engine: Engine, dataset_ids: Iterable[uuid.UUID]) -> None:
    """Remove intents; see `JobStore.forget_intents`."""
    ids = sorted(set(dataset_ids))
    if ids:
        with write(engine) as connection:
            connection.execute(delete(IntentTable).where(IntentTable.dataset_id.in_(ids)))


def decide_large(engine: Engine, job: uuid.UUID, dataset_type: str, size: int, threshold: int) -> bool:
    """Decide once per job and dataset type; see `JobStore.decide_large`."""
    wanted = select(AnnexDecision.large).where(AnnexDecision.job_id == job, AnnexDecision.dataset_type == dataset_type)
    with read(engine) as connection:
        decided = connection.execute(wanted).scalar_one_or_none()
    if decided is not None:
        return decided
    with write(engine) as connection:
        connection.execute(
            insertion(connection)(AnnexDecision)
            .values(job_id=job, dataset_type=dataset_type, large=size >= threshold)
            .on_conflict_do_nothing()
        )
        return connection.execute(wanted).scalar_one()


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
        raise fenced_out(held, "it may write nothing")


def _owned_by_another(connection: Connection, intent: Intent) -> ConflictError:
    owner = connection.execute(
        select(Target.id, Target.job_id, Job.task, Target.argsrepr)
        .join(IntentTable, IntentTable.target_id == Target.id)
        .join(Job, Job.id == Target.job_id)
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
