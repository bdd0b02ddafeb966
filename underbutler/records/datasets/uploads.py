"""Keys of the annex that claims were going to write: what became visible is forgotten, the rest is to be removed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, tuple_, update

from underbutler.records.tables.jobs import Claim as ClaimTable
from underbutler.records.tables.jobs import Product, Target
from underbutler.records.tables.jobs import Upload as UploadTable
from underbutler.records.targets.claim_chains import ADD_UPLOADS, upload_rows
from underbutler.records.values.jobs import Claim, Upload
from underbutler.records.values.rows import UploadRow
from underbutler.records.writing.fence import fence, fenced_out
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Uploads"]

_BATCH = 400

_LIVING = exists().where(
    ClaimTable.target_id == UploadTable.target_id,
    ClaimTable.claim_no == UploadTable.claim_no,
    ClaimTable.ended_at.is_(None),
)
_VISIBLE = exists().where(
    Product.target_id == UploadTable.target_id,
    Product.url == "s3://" + UploadTable.bucket + "/" + UploadTable.key,
)


class Uploads(StorePart):
    """Keys of the annex that claims were going to write."""

    def add(self, claim: Claim, uploads: Sequence[Upload]) -> None:
        """Record keys that a claim is going to write, before the first byte; `Claims.begin_delivery` does so too.

        Raises
        ------
        FencedOutError
            If the claim no longer holds.
        """
        if ADD_UPLOADS.run(self._engine, fence(claim) | {"uploads": upload_rows(uploads, self._engine)}) is None:
            raise fenced_out(claim, "it may not deliver")

    def to_clean(self, limit: int = 500, again_after_s: float = 3600.0) -> list[UploadRow]:
        """Return keys whose claim has ended and which no product names, oldest first.

        A key is returned until it is marked clean, and once more later: a stopped claim may have woken up and written
        it all the same. Keys that became visible are forgotten here.

        Parameters
        ----------
        limit
            Largest number to list.
        again_after_s
            A key that was cleaned so long ago is returned again, in seconds: clean it and forget it.
        """
        due = or_(UploadTable.cleaned_at.is_(None), UploadTable.cleaned_at < database_now() - again_after_s)
        with read(self._engine) as connection:
            kept = connection.execute(
                select(UploadTable.bucket, UploadTable.key).where(~_LIVING, _VISIBLE).limit(limit * 10)
            ).all()
            rows = connection.execute(
                select(*UploadTable.__table__.columns)
                .where(~_LIVING, ~_VISIBLE, due)
                .order_by(UploadTable.created_at, UploadTable.key)
                .limit(limit)
            ).all()
        self.forget(Upload(bucket=row.bucket, key=row.key) for row in kept)
        return [UploadRow(**row._mapping) for row in rows]

    def mark_cleaned(self, uploads: Iterable[Upload | UploadRow]) -> None:
        """Say that nothing is at these keys any more."""
        for batch in _batches(uploads):
            with write(self._engine) as connection:
                connection.execute(update(UploadTable).where(_among(batch)).values(cleaned_at=database_now()))

    def forget(self, uploads: Iterable[Upload | UploadRow]) -> None:
        """Remove the records of keys."""
        for batch in _batches(uploads):
            with write(self._engine) as connection:
                connection.execute(delete(UploadTable).where(_among(batch)))

    def places(self, job: uuid.UUID | None = None) -> set[tuple[str, str]]:
        """Return the buckets that claims wrote to; of one job also the folders in them, else the empty folder."""
        with read(self._engine) as connection:
            if job is None:
                return {(bucket, "") for bucket in connection.execute(select(UploadTable.bucket).distinct()).scalars()}
            of_job = select(UploadTable.bucket, UploadTable.key).join(Target, Target.id == UploadTable.target_id)
            rows = connection.execute(of_job.where(Target.job_id == job))
            return {(bucket, key.rpartition("/")[0]) for bucket, key in rows}


def _among(batch: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    return and_(tuple_(UploadTable.bucket, UploadTable.key).in_(batch), ~_LIVING)


def _batches(uploads: Iterable[Upload | UploadRow]) -> Iterable[Sequence[tuple[str, str]]]:
    keys = sorted({(one.bucket, one.key) for one in uploads})
    return (keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH))
