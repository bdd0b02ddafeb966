"""How long targets of a task took, and how much they delivered: what a job to come may take, by its own past."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Job, Product, Step, Target
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import read

__all__ = ["Estimates", "PastTargets"]

JOBS: Final = 50
"""So many of the latest jobs that ran the task are looked at."""
TARGETS: Final = 2000
"""So many of their targets at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTargets:
    """What targets of one task on one instrument took that are done.

    Parameters
    ----------
    task, instrument
        Whose.
    count
        How many were looked at, of the latest jobs.
    median_s, p90_s, longest_s
        Quantiles of the seconds that each took in its worker; None if there is none.
    median_bytes
        Median of the bytes that each delivered to the annex.
    """

    task: str
    instrument: str
    count: int
    median_s: float | None
    p90_s: float | None
    longest_s: float | None
    median_bytes: int

    def total_s(self, targets: int) -> float | None:
        """Return the seconds of worker time that so many targets take, by the median; None if nothing is known."""
        return None if self.median_s is None else targets * self.median_s

    def total_bytes(self, targets: int) -> int:
        """Return the bytes that so many targets deliver, by the median."""
        return targets * self.median_bytes


class Estimates(StorePart):
    """What past runs say of one to come."""

    def past(self, task: str, instrument: str) -> PastTargets:
        """Return what the latest done targets of a task on an instrument took.

        Parameters
        ----------
        task
            Registered name of the task.
        instrument
            Value of the data ID's instrument; empty: whatever their data IDs say.
        """
        with read(self._engine) as connection:
            rows = _done(connection, task, instrument)
            sizes = _bytes_of(connection, [target for target, _ in rows])
        seconds = sorted(took for _, took in rows)
        delivered = sorted(sizes.get(target, 0) for target, _ in rows)
        return PastTargets(
            task=task,
            instrument=instrument,
            count=len(rows),
            median_s=_quantile(seconds, 0.5),
            p90_s=_quantile(seconds, 0.9),
            longest_s=_quantile(seconds, 1.0),
            median_bytes=int(_quantile(delivered, 0.5) or 0),
        )


def _done(connection: Connection, task: str, instrument: str) -> list[tuple[uuid.UUID, float]]:
    jobs = (
        select(Job.id)
        .where(select(Step.job_id).where(Step.job_id == Job.id, Step.task == task).exists())
        .order_by(Job.scan_id.desc())
        .limit(JOBS)
    )
    wanted = select(Target.id, Target.seconds).where(
        Target.job_id.in_(list(connection.execute(jobs).scalars())),
        Target.state == TargetState.DONE,
        Target.task == task,
        Target.seconds.is_not(None),
    )
    if instrument:
        wanted = wanted.where(Target.data_id["instrument"].as_string() == instrument)
    rows = connection.execute(wanted.order_by(Target.ended_at.desc()).limit(TARGETS))
    return [(target, float(seconds)) for target, seconds in rows if seconds is not None]


def _bytes_of(connection: Connection, targets: Sequence[uuid.UUID]) -> dict[Any, int]:
    sizes: dict[Any, int] = {}
    for begin in range(0, len(targets), 500):
        part = targets[begin : begin + 500]
        rows = connection.execute(
            select(Product.target_id, func.coalesce(func.sum(Product.byte_size), 0))
            .where(Product.target_id.in_(part))
            .group_by(Product.target_id)
        )
        sizes.update({target: int(size or 0) for target, size in rows})
    return sizes


def _quantile(ordered: Sequence[float], part: float) -> float | None:
    """Return the smallest value that at least a part of the values does not exceed."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
