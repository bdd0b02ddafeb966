"""What the records say of the annex: which objects should be there, announced by which notices; read page by page."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import aliased

from underbutler.model.job import TargetState
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.records.tables.jobs import AnnexDecision, Job, Notice, Product, Target
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Announcement", "Deliveries", "Delivery", "TargetFate"]


@dataclass(frozen=True, slots=True)
class Announcement:
    """A notice as recorded, whether the broker confirmed it, and how long ago it was written, in seconds."""

    notice: LargeFileObjectAvailable
    sent: bool
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A large product of a target that is done: what should be in the annex, and what was announced of it.

    Parameters
    ----------
    job, target, claim_no
        Whose it is; the claim is the one that became visible.
    task
        Registered name of the task.
    out, run
        Where the dataset is: repository label and RUN collection.
    dataset_id, dataset_type, data_id
        The dataset.
    url, byte_size, sha256, etag, mime_type
        The object: None where it was never delivered; size in bytes.
    notices
        What is recorded as announced of it.
    """

    job: uuid.UUID
    target: uuid.UUID
    claim_no: int
    task: str
    out: str
    run: str
    dataset_id: uuid.UUID
    dataset_type: str
    data_id: dict[str, int | str]
    url: str | None
    byte_size: int | None
    sha256: str | None
    etag: str | None
    mime_type: str | None
    notices: tuple[Announcement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFate:
    """What became of a target: `urls` are its visible objects, `claim_no` its latest claim."""

    job: uuid.UUID
    state: TargetState
    claim_no: int
    urls: frozenset[str]


class Deliveries(StorePart):
    """What should be in the annex, and what a check of it sets right."""

    def page(
        self,
        *,
        job: uuid.UUID | None = None,
        since_s: float | None = None,
        after: uuid.UUID | None = None,
        limit: int = 200,
    ) -> list[Delivery]:
        """Return one page of what should be in the annex, by dataset.

        Parameters
        ----------
        job
            Only what this job made.
        since_s
            Only what ended within so many seconds.
        after
            The page before ended with this dataset.
        limit
            Largest number to list.
        """
        columns = (Product.claim_no, Target.task, Job.out, Job.run, Product.dataset_id, Product.dataset_type)
        object_columns = (Product.data_id, Product.url, Product.byte_size, Product.sha256, Product.etag)
        ids = (Job.id.label("job"), Target.id.label("target"))
        wanted = _large(select(*ids, *columns, *object_columns, Product.mime_type), job, since_s)
        if after is not None:
            wanted = wanted.where(Product.dataset_id > after)
        age_s = database_now() - Notice.created_at
        with read(self._engine) as connection:
            rows = connection.execute(wanted.order_by(Product.dataset_id).limit(limit)).all()
            told = connection.execute(
                select(Notice.body, Notice.sent_at, age_s)
                .where(Notice.target_id.in_({row.target for row in rows}))
                .order_by(Notice.created_at, Notice.id)
            ).all()
        of_dataset: dict[str, list[Announcement]] = {}
        for body, sent_at, age in told:
            one = Announcement(LargeFileObjectAvailable.from_json(body), sent_at is not None, age)
            of_dataset.setdefault(str(body.get("dataset")), []).append(one)
        return [Delivery(**row._mapping, notices=tuple(of_dataset.get(str(row.dataset_id), ()))) for row in rows]

    def count(self, *, job: uuid.UUID | None = None, since_s: float | None = None) -> int:
        """Return how many objects there should be; parameters as of `page`."""
        with read(self._engine) as connection:
            return int(connection.execute(_large(select(func.count()), job, since_s)).scalar_one())

    def target_fates(self, targets: Collection[uuid.UUID]) -> dict[uuid.UUID, TargetFate]:
        """Return what became of targets; those that are not known are left out."""
        with read(self._engine) as connection:
            rows = connection.execute(
                select(Target.id, Target.job_id, Target.state, Target.claim_no).where(Target.id.in_(targets))
            ).all()
            made = connection.execute(
                select(Product.target_id, Product.url).where(Product.target_id.in_(targets), Product.url.is_not(None))
            ).all()
        urls: dict[uuid.UUID, set[str]] = {}
        for target, url in made:
            urls.setdefault(target, set()).add(str(url))
        return {
            row.id: TargetFate(
                job=row.job_id,
                state=TargetState(row.state),
                claim_no=row.claim_no,
                urls=frozenset(urls.get(row.id, ())),
            )
            for row in rows
        }

    def decide_large(self, job: uuid.UUID, dataset_type: str, size: int, threshold: int) -> bool:
        """Tell whether a job's datasets of one type go to the annex: decided by the first that is seen.

        Parameters
        ----------
        job, dataset_type
            Of which.
        size, threshold
            Size of the dataset at hand, and from which size on it is large, in bytes.
        """
        of_type = (AnnexDecision.job_id == job, AnnexDecision.dataset_type == dataset_type)
        wanted = select(AnnexDecision.large).where(*of_type)
        with read(self._engine) as connection:
            decided = connection.execute(wanted).scalar_one_or_none()
        if decided is not None:
            return decided
        with write(self._engine) as connection:
            connection.execute(
                insertion(connection)(AnnexDecision)
                .values(job_id=job, dataset_type=dataset_type, large=size >= threshold)
                .on_conflict_do_nothing()
            )
            # Asked again, not assumed: another target of the job may have decided in between.
            return connection.execute(wanted).scalar_one()

    def shares_run(self, job: uuid.UUID) -> bool:
        """Tell whether another job of the same repository writes to the same RUN collection."""
        other = aliased(Job)
        with read(self._engine) as connection:
            found = connection.execute(
                select(other.id)
                .join(Job, (Job.out == other.out) & (Job.run == other.run) & (Job.id != other.id))
                .where(Job.id == job)
                .limit(1)
            )
            return found.one_or_none() is not None

    def record_redelivery(self, dataset: uuid.UUID, claim_no: int, etag: str) -> bool:
        """Record that an object was delivered again under its key; False when the product is another claim's now."""
        with write(self._engine) as connection:
            changed = connection.execute(
                update(Product)
                .where(Product.dataset_id == dataset, Product.claim_no == claim_no, Product.url.is_not(None))
                .values(etag=etag, delivered_at=database_now())
            )
        return bool(changed.rowcount)

    def add_notice(self, notice: LargeFileObjectAvailable) -> None:
        """Record a notice that is missing; one that is there stays as it is."""
        with write(self._engine) as connection:
            connection.execute(
                insertion(connection)(Notice)
                .values(
                    id=notice.id,
                    job_id=uuid.UUID(notice.job),
                    target_id=uuid.UUID(notice.target),
                    body=notice.to_json(),
                    routing_key=notice.routing_key,
                    created_at=database_now(),
                )
                .on_conflict_do_nothing()
            )


def _large(wanted: Select[Any], job: uuid.UUID | None, since_s: float | None) -> Select[Any]:
    wanted = (
        wanted.select_from(Product)
        .join(Target, Target.id == Product.target_id)
        .join(Job, Job.id == Target.job_id)
        .where(Product.large.is_(True), Target.state == TargetState.DONE)
    )
    if job is not None:
        wanted = wanted.where(Target.job_id == job)
    if since_s is not None:
        wanted = wanted.where(Target.ended_at >= database_now() - since_s)
    return wanted
