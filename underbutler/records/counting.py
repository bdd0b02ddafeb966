"""The end of targets and of their job: counted, told to the catalogue, in the transaction that ends them.

Rows are locked in one order everywhere: targets, what the catalogue counts, the job.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Uuid, bindparam, func, select, text

from underbutler.model.job import Phase, TargetState
from underbutler.sql import NOW

from .recorder import ClosedJob, EndedTarget, recorder_of
from .tables import Job, Target
from .tables import Product as ProductTable
from .values import Product

__all__ = ["close", "count_ended", "end_targets"]

BATCH: Final = 500
"""Targets that are read at once."""

_COUNT_ENDED: Final = """UPDATE job SET
            n_open = n_open - :ended, n_failed = n_failed + :failed, n_aborted = n_aborted + :aborted,
            phase = CASE
                WHEN n_open > :ended THEN phase
                WHEN cancel_requested AND n_aborted + :aborted > 0 THEN 'ABORTED'
                WHEN n_failed + :failed > 0 THEN 'ERROR'
                WHEN n_aborted + :aborted > 0 THEN 'ABORTED'
                ELSE 'COMPLETED' END,
            ended_at = CASE WHEN n_open > :ended THEN NULL ELSE {now} END
        WHERE id = :job RETURNING n_open, phase"""
_COUNT: Final = {
    dialect: text(_COUNT_ENDED.format(now=now)).bindparams(bindparam("job", type_=Uuid()))
    for dialect, now in NOW.items()
}
_FAILED: Final = (TargetState.FAILED, TargetState.HELD)


def end_targets(connection: Connection, job: uuid.UUID, targets: Sequence[uuid.UUID]) -> None:
    """Count targets of a job whose rows say since this transaction that they have ended, and tell the catalogue."""
    counts: Counter[TargetState] = Counter()
    for start in range(0, len(targets), BATCH):
        ended = list(_ended(connection, targets[start : start + BATCH]))
        counts.update(target.state for target in ended)
        recorder_of(connection).ended(connection, ended)
    count_ended(connection, job, counts)


def count_ended(connection: Connection, job: uuid.UUID, counts: Mapping[TargetState, int]) -> None:
    """Count targets that have ended, of which the catalogue was told; with the last one end their job."""
    row = connection.execute(
        _COUNT[connection.dialect.name],
        {
            "job": job,
            "ended": sum(counts.values()),
            "failed": sum(counts.get(state, 0) for state in _FAILED),
            "aborted": counts.get(TargetState.ABORTED, 0),
        },
    ).one_or_none()
    if row is not None and row.n_open == 0 and Phase(row.phase).ended:
        close(connection, job)


def close(connection: Connection, job: uuid.UUID) -> None:
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
    recorder_of(connection).closed(connection, closed)


def _ended(connection: Connection, targets: Sequence[uuid.UUID]) -> Iterator[EndedTarget]:
    """Yield targets as their rows say."""
    products: dict[uuid.UUID, list[Product]] = {}
    for row in connection.execute(select(ProductTable).where(ProductTable.target_id.in_(targets))):
        products.setdefault(row.target_id, []).append(_product(row))
    columns = (
        Target.id,
        Target.job_id.label("job"),
        Target.ordinal,
        Target.task,
        Target.data_id,
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
