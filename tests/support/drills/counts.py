"""Five who count what a job has made, each by itself: registry, records, store, a consumer of notices, catalogue."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from underbutler.catalog.database.store import CatalogStore
from underbutler.recording import PRIMARY

if TYPE_CHECKING:
    from tests.support.drills.site import DrillSite
    from underbutler.records import JobRow

__all__ = ["Counts", "counts_of"]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many pictures there are.

    Parameters
    ----------
    registry
        Datasets of the Butler's registry.
    records
        Products that were delivered.
    store
        Objects of the annex, and unfinished uploads.
    heard
        Notices that a registered consumer was handed, the same ones too.
    catalogue
        Events of targets that are done.
    """

    registry: int
    records: int
    store: int
    heard: int
    catalogue: int


def counts_of(site: DrillSite, job: JobRow) -> Counts:
    """Count the pictures of a job whose targets make one each."""
    with site.context.repositories.butler("demo", collections=[job.run]) as butler:
        kinds = Counter(ref.datasetType.name for ref in butler.query_all_datasets(job.run))
    store = CatalogStore(site.context.engine)
    (header,) = store.headers({"uid": str(job.id)})
    run = store.source(header)
    streams = [one["uid"] for one in run.get_event_descriptors() if one["name"] == PRIMARY]
    return Counts(
        registry=kinds["drillPicture"],
        records=sum(row.url is not None for row in site.context.jobs.read.products(job.id)),
        store=len(site.keys(job)),
        heard=site.heard.of(job.id).total(),
        catalogue=sum(run.get_event_count(uid) for uid in streams),
    )
