"""Which objects of the annex were announced, as far as somebody can look at them in a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Job, Product, Target
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import read

__all__ = ["Announced", "AnnouncedObjects"]

_LATEST_JOBS: Final = 20
"""Where there are too many objects, those of so many jobs are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """Objects that should be in the annex.

    Parameters
    ----------
    total
        How many there are; counted up to one more than was asked for.
    urls
        Of all of them, or of some of the latest.
    """

    total: int
    urls: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether `urls` are all of them."""
        return len(self.urls) == self.total


class AnnouncedObjects(StorePart):
    """Objects that should be in the annex."""

    def take(self, most: int, sample: int) -> Announced:
        """Return all objects that should be there, or a sample of the latest.

        Parameters
        ----------
        most
            All of them are returned if they are no more than this.
        sample
            Else so many.
        """
        there = (Product.url.is_not(None), Target.state == TargetState.DONE)
        urls = select(Product.url).join(Target, Target.id == Product.target_id).where(*there)
        with read(self._engine) as connection:
            counted = select(func.count()).select_from(urls.limit(most + 1).subquery())
            total = int(connection.execute(counted).scalar_one())
            wanted = urls
            if total > most:
                jobs = select(Job.id).order_by(Job.scan_id.desc()).limit(_LATEST_JOBS)
                wanted = urls.where(Target.job_id.in_(jobs)).limit(sample)
            return Announced(total=total, urls=tuple(url for url in connection.execute(wanted).scalars() if url))
