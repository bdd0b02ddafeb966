"""What the records say: jobs, counts, targets, claims, products, notices. Nothing here changes a row."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Engine, func, select

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.job import TargetState
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.sql import Base, read

from .rows import ClaimRow, JobRow, ProductRow, TargetRow
from .tables import Claim, Job, Notice, Product, Target

__all__ = [
    "claims",
    "counts",
    "counts_of_jobs",
    "find_job",
    "id_range",
    "jobs",
    "notices",
    "products",
    "products_of",
    "target",
    "targets",
]

_SHOWN: Final = 5
"""Candidates that an ambiguous prefix names."""


def find_job(engine: Engine, name: uuid.UUID | str) -> JobRow:
    """Return a job by its id or the first characters of it; see `JobStore.job`."""
    low, high = id_range(name, "status")
    with read(engine) as connection:
        rows = connection.execute(
            _all(Job).where(Job.id >= low, Job.id <= high).order_by(Job.scan_id.desc()).limit(_SHOWN + 1)
        ).all()
    if not rows:
        raise UnknownNameError(
            f"No job has an id that is or begins with {str(name)!r}. List the jobs: `underbutler status`.",
            name=str(name),
        )
    if len(rows) > 1:
        candidates = [str(row.id) for row in rows[:_SHOWN]]
        more = ", …" if len(rows) > _SHOWN else ""
        raise UsageError(
            f"Several jobs have ids that begin with {str(name)!r}: {', '.join(candidates)}{more}. "
            "Give more characters.",
            name=str(name),
            candidates=candidates,
        )
    return JobRow(**rows[0]._mapping)


def jobs(engine: Engine, limit: int | None) -> list[JobRow]:
    """Return jobs, newest first; see `JobStore.jobs`."""
    with read(engine) as connection:
        rows = connection.execute(_all(Job).order_by(Job.scan_id.desc()).limit(limit)).all()
    return [JobRow(**row._mapping) for row in rows]


def counts(engine: Engine, job: uuid.UUID) -> dict[TargetState, int]:
    """Return the number of a job's targets per state; see `JobStore.counts`."""
    return counts_of_jobs(engine, [job])[job]


def counts_of_jobs(engine: Engine, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, dict[TargetState, int]]:
    """Return the number of targets per state of several jobs; see `JobStore.counts_of_jobs`."""
    found = {job: dict.fromkeys(TargetState, 0) for job in ids}
    with read(engine) as connection:
        rows = connection.execute(
            select(Target.job_id, Target.state, func.count())
            .where(Target.job_id.in_(found))
            .group_by(Target.job_id, Target.state)
        )
        for job, state, number in rows:
            found[job][state] = number
    return found


def targets(
    engine: Engine, job: uuid.UUID, *, states: Collection[TargetState] | None, limit: int | None
) -> list[TargetRow]:
    """Return targets of a job, in order; see `JobStore.targets`."""
    wanted = _all(Target).where(Target.job_id == job).order_by(Target.ordinal).limit(limit)
    if states is not None:
        wanted = wanted.where(Target.state.in_(list(states)))
    with read(engine) as connection:
        return [TargetRow(**row._mapping) for row in connection.execute(wanted)]


def target(engine: Engine, id: uuid.UUID) -> TargetRow:  # noqa: A002 - it is the column's name
    """Return one target; see `JobStore.target`."""
    with read(engine) as connection:
        row = connection.execute(_all(Target).where(Target.id == id)).one_or_none()
    if row is None:
        raise UnknownNameError(f"No target has the id {id}. List a job's: `underbutler status JOB`.", name=str(id))
    return TargetRow(**row._mapping)


def claims(engine: Engine, of: uuid.UUID) -> list[ClaimRow]:
    """Return the claims of a target or of a job; see `JobStore.claims`."""
    wanted = (
        _all(Claim)
        .join(Target, Target.id == Claim.target_id)
        .where((Target.id == of) | (Target.job_id == of))
        .order_by(Target.ordinal, Claim.claim_no)
    )
    with read(engine) as connection:
        return [ClaimRow(**row._mapping) for row in connection.execute(wanted)]


def products(engine: Engine, job: uuid.UUID) -> list[ProductRow]:
    """Return the products of a job; see `JobStore.products`."""
    wanted = (
        _all(Product)
        .join(Target, Target.id == Product.target_id)
        .where(Target.job_id == job)
        .order_by(Target.ordinal, Product.dataset_type, Product.dataset_id)
    )
    with read(engine) as connection:
        return [ProductRow(**row._mapping) for row in connection.execute(wanted)]


def products_of(engine: Engine, target: uuid.UUID) -> list[ProductRow]:
    """Return the products of a target; see `JobStore.products_of`."""
    wanted = _all(Product).where(Product.target_id == target).order_by(Product.dataset_type, Product.dataset_id)
    with read(engine) as connection:
        return [ProductRow(**row._mapping) for row in connection.execute(wanted)]


def notices(engine: Engine, job: uuid.UUID) -> list[LargeFileObjectAvailable]:
    """Return the notices of a job; see `JobStore.notices`."""
    wanted = select(Notice.body).where(Notice.job_id == job).order_by(Notice.created_at, Notice.id)
    with read(engine) as connection:
        return [LargeFileObjectAvailable.from_json(body) for body in connection.execute(wanted).scalars()]


def _all(table: type[Base]) -> Any:
    """Select every column under its own name (a row of a table, not an object of the ORM)."""
    return select(*table.__table__.columns)


def id_range(name: uuid.UUID | str, command: str) -> tuple[uuid.UUID, uuid.UUID]:
    """Return the lowest and the highest id that begin so: an index serves it, on every database.

    Raises
    ------
    UnknownNameError
        If it is no beginning of an id; `command` is what lists those that exist.
    """
    if isinstance(name, uuid.UUID):
        return name, name
    digits = name.strip().lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        kind = "job id" if command == "status" else "id"
        raise UnknownNameError(
            f"{name!r} is no {kind} and no beginning of one: ids are hexadecimal, like 1a2b3c4d. "
            f"List them: `underbutler {command}`.",
            name=name,
        )
    return uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
