"""``/v1/jobs/{job}/targets`` and ``/results``: targets with their attempts, and what they made, in pages."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query

from underbutler.api.asking import Asking, Here
from underbutler.api.jobs.sight import seen_job
from underbutler.api.jobs.site import Site
from underbutler.errors import UnknownNameError
from underbutler.model.identity import short_id
from underbutler.records import JobRow, ProductRow

from .documents import attempt_document, product_document, target_document
from .queries import ResultsQuery, TargetsQuery

__all__ = ["routes"]

routes = APIRouter(prefix="/v1/jobs/{job}", tags=["jobs"])


@routes.get("/results", summary="What a job made, in the order of its targets.")
def list_results(site: Here, who: Asking, job: str, query: Annotated[ResultsQuery, Query()]) -> dict[str, Any]:
    """List datasets in pages: `next` is the cursor of the next one. Behind `href` is the file."""
    row = seen_job(site, who, job)
    skip = 0 if query.cursor is None else int(query.cursor)
    rows = site.jobs.read.products(row.id, query.limit, skip)
    last = str(skip + query.limit) if len(rows) == query.limit else None
    return {"results": [product_document(one, _href(site, row, one)) for one in rows], "next": last}


@routes.get("/targets", summary="A job's targets, in their order.")
def list_targets(site: Here, who: Asking, job: str, query: Annotated[TargetsQuery, Query()]) -> dict[str, Any]:
    """List targets in pages: `next` is the cursor of the next one."""
    row = seen_job(site, who, job)
    after = -1 if query.cursor is None else int(query.cursor)
    rows = site.jobs.read.targets(row.id, states=query.state or None, limit=query.limit, after=after)
    last = str(rows[-1].ordinal) if len(rows) == query.limit else None
    return {"targets": [target_document(one) for one in rows], "next": last}


@routes.get("/targets/{target}", summary="A target with its attempts and what it made.")
def show_target(
    site: Here,
    who: Asking,
    job: str,
    target: uuid.UUID,
    log: Annotated[bool, Query(description="With what each attempt said.")] = False,
) -> dict[str, Any]:
    """Return all that is known of a target."""
    row = seen_job(site, who, job)
    found = site.jobs.read.target(target)
    if found.job_id != row.id:
        raise UnknownNameError(f"Job {short_id(row.id)} has no target {target}. List them: …/targets.")
    products = site.jobs.read.products_of(target)
    return target_document(found) | {
        "attempts": [attempt_document(claim, with_log=log) for claim in site.jobs.read.claims(target)],
        "products": [product_document(one, _href(site, row, one)) for one in products],
    }


def _href(site: Site, row: JobRow, product: ProductRow) -> str:
    return f"{site.base_url}/async/{row.id}/results/{product.dataset_type}.{product.dataset_id}"
