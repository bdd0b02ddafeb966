"""The end of targets and of their job: counted, told to the catalogue, in the transaction that ends them.

Rows are locked in one order everywhere: targets, the job, what the catalogue counts.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Uuid, bindparam, func, literal_column, select, text

from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Job, Target
from underbutler.records.tables.jobs import Product as ProductTable
from underbutler.records.values.jobs import Product
from underbutler.sql import NOW

from .recorder import ClosedJob, EndedTarget, Recorder

__all__ = ["COUNT_ENDED", "STEP_LABEL", "close", "counted", "end_targets"]

BATCH: Final = 500
"""Targets that are read at once."""

COUNT_ENDED: Final = """UPDATE job SET
            n_open = n_open - :ended, n_failed = n_failed + :failed, n_aborted = n_aborted + :aborted,
            phase = CASE
                WHEN n_open > :ended THEN phase
                WHEN cancel_requested AND n_aborted + :aborted > 0 THEN 'ABORTED'
                WHEN n_failed + :failed > 0 THEN 'ERROR'
                WHEN n_aborted + :aborted > 0 THEN 'ABORTED'
                ELSE 'COMPLETED' END,
            ended_at = CASE WHEN n_open > :ended THEN NULL ELSE {now} END"""
"""Count targets that have ended, and with the last one end the job; a ``WHERE`` names the job."""
_COUNT: Final = {
    dialect: text(f"{COUNT_ENDED.format(now=now)} WHERE id = :job RETURNING n_open").bindparams(
        bindparam("job", type_=Uuid())
    )
    for dialect, now in NOW.items()
}
STEP_LABEL: Final = """(SELECT step.label FROM step WHERE step.job_id = target.job_id AND step.ordinal = target.step
            AND EXISTS (SELECT 1 FROM step AS other WHERE other.job_id = target.job_id AND other.ordinal = 1))"""
"""Label of a target's step; null if its job has no second one."""
_FAILED: Final = (TargetState.FAILED, TargetState.HELD)


def counted(counts: Mapping[TargetState, int]) -> dict[str, int]:
    """Return the parameters of `COUNT_ENDED`."""
    return {
        "ended": sum(counts.values()),
        "failed": sum(counts.get(state, 0) for state in _FAILED),
        "aborted": counts.get(TargetState.ABORTED, 0),
    }


def end_targets(connection: Connection, recorder: Recorder, job: uuid.UUID, targets: Sequence[uuid.UUID]) -> None:
    """Count targets of a job whose rows say since this transaction that they have ended, and tell the catalogue."""
    batches = [targets[start : start + BATCH] for start in range(0, len(targets), BATCH)]
    counts: Counter[TargetState] = Counter()
    for batch in batches:
        counts.update(connection.execute(select(Target.state).where(Target.id.in_(batch))).scalars())
    n_open = connection.execute(_COUNT[connection.dialect.name], {"job": job, **counted(counts)}).scalar_one()
    for batch in batches:
        recorder.ended(connection, list(_ended(connection, batch)))
    if not n_open:
        close(connection, recorder, job)


def close(connection: Connection, recorder: Recorder, job: uuid.UUID) -> None:
    """Tell the catalogue of a job whose row says since this transaction that it has ended."""
    row = connection.execute(select(Job.phase, Job.ended_at).where(Job.id == job)).one()
    counts = connection.execute(
        select(Target.state, func.count().label("number")).where(Target.job_id == job).group_by(Target.state)
    ).all()
    datasets = connection.execute(
        select(ProductTable.dataset_type, ProductTable.dataset_id)
        .join(Target, Target.id == ProductTable.target_id)
        .where(Target.job_id == job)
        .order_by(Target.ordinal, ProductTable.dataset_type, ProductTable.dataset_id)
    ).all()
    closed = ClosedJob(
        id=job,
        phase=row.phase,
        at=row.ended_at,
        counts={row.state: row.number for row in counts},
        datasets=[(row.dataset_type, row.dataset_id) for row in datasets],
    )
    recorder.closed(connection, closed)


def _ended(connection: Connection, targets: Sequence[uuid.UUID]) -> Iterator[EndedTarget]:
    """Yield targets as their rows say."""
    products: dict[uuid.UUID, list[Product]] = {}
    for row in connection.execute(select(ProductTable).where(ProductTable.target_id.in_(targets))):
        products.setdefault(row.target_id, []).append(_product(row))
    columns: tuple[Any, ...] = (
        Target.id,
        Target.job_id.label("job"),
        Target.ordinal,
        Target.task,
        Target.data_id,
        literal_column(STEP_LABEL).label("label"),
        Job.out,
        Target.state,
        Target.ended_at.label("at"),
        Target.seconds,
        Target.scalars,
        Target.error_type,
        Target.error_text.label("reason"),
    )
    wanted = select(*columns).join(Job, Job.id == Target.job_id).where(Target.id.in_(targets)).order_by(Target.ordinal)
    for row in connection.execute(wanted):
        yield replace(EndedTarget(**row._mapping), products=products.get(row.id, ()))


def _product(row: Any) -> Product:
    return Product(
        dataset_id=row.dataset_id,
        dataset_type=row.dataset_type,
        data_id=row.data_id,
        large=row.large,
        url=row.url,
        byte_size=row.byte_size,
        sha256=row.sha256,
        etag=row.etag,
        mime_type=row.mime_type,
    )
