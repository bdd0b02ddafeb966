"""Keys of the annex that claims were going to write: what became visible is forgotten, the rest is to be removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, tuple_, update

from underbutler.sql import database_now, read, write

from . import claims
from .face import Face
from .rows import UploadRow
from .tables import Claim as ClaimTable
from .tables import Product
from .tables import Upload as UploadTable
from .values import Claim, Upload

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


class Uploads(Face):
    """Keys of the annex that claims were going to write."""

    def add_uploads(self, claim: Claim, uploads: Sequence[Upload]) -> None:
        """Record keys that a claim is going to write, before the first byte; `begin_delivery` does it for its own.

        Raises
        ------
        FencedOutError
            If the claim no longer holds.
        """
        claims.add_uploads(self._engine, claim, uploads)

    def uploads_to_clean(self, limit: int = 500, again_after_s: float = 3600.0) -> list[UploadRow]:
        """Return keys whose claim has ended and which no product names, oldest first.

        A key is returned until it is marked clean, and once more later: a stopped claim may have woken up and written
        it all the same. Keys that became visible are forgotten here.

        Parameters
        ----------
        limit
            How many at most.
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
        self.forget_uploads(Upload(bucket=row.bucket, key=row.key) for row in kept)
        return [UploadRow(**row._mapping) for row in rows]

    def mark_cleaned(self, uploads: Iterable[Upload | UploadRow]) -> None:
        """Say that nothing is at these keys any more."""
        for batch in _batches(uploads):
            with write(self._engine) as connection:
                connection.execute(update(UploadTable).where(_among(batch)).values(cleaned_at=database_now()))

    def forget_uploads(self, uploads: Iterable[Upload | UploadRow]) -> None:
        """Remove the records of keys."""
        for batch in _batches(uploads):
            with write(self._engine) as connection:
                connection.execute(delete(UploadTable).where(_among(batch)))


def _among(batch: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    return and_(tuple_(UploadTable.bucket, UploadTable.key).in_(batch), ~_LIVING)


def _batches(uploads: Iterable[Upload | UploadRow]) -> Iterable[Sequence[tuple[str, str]]]:
    keys = sorted({(one.bucket, one.key) for one in uploads})
    return (keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH))
