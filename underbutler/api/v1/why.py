"""``…/why``: one chain of reasons why a job's targets are where they are, as `underbutler why` tells it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query

from underbutler.api.asking import Asking, Here
from underbutler.api.jobs.sight import seen_job
from underbutler.catalog.remote.errors import outward
from underbutler.errors import UnknownNameError
from underbutler.model.identity import short_id

if TYPE_CHECKING:
    from underbutler.status.why import Reason

__all__ = ["routes"]

routes = APIRouter(prefix="/v1/jobs/{job}", tags=["jobs"])


@routes.get("/why", summary="Why a job's targets are where they are.")
def explain_job(
    site: Here,
    who: Asking,
    job: str,
    target: Annotated[uuid.UUID | None, Query(description="Only this target; none: one for each reason.")] = None,
) -> dict[str, Any]:
    """Return reasons in words: what is ahead, who serves the queue, who runs it, why it failed and where."""
    from underbutler.status.why import explain, one_of_each

    row = seen_job(site, who, job)
    rows = [one for one in site.jobs.read.targets(row.id) if target is None or one.id == target]
    if target is not None and not rows:
        raise UnknownNameError(f"Job {short_id(row.id)} has no target {target}. List them: …/targets.")
    found = [explain(site.jobs, site.settings, one, alike=alike) for one, alike in one_of_each(rows)]
    return {
        "job": str(row.id),
        "phase": row.phase.value,
        "targets": [
            {
                "target": str(one.target),
                "ordinal": one.ordinal,
                "data_id": one.data,
                "state": one.state.value,
                "alike": one.alike,
                "reasons": _shown(one.reasons),
            }
            for one in found
        ],
    }


def _shown(reasons: Iterable[Reason]) -> list[dict[str, Any]]:
    return [{"kind": one.kind, "text": outward(one.text), "cure": outward(one.cure)} for one in reasons]
