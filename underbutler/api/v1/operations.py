"""``/v1/quarantine``, ``/v1/schedules``, ``/v1/audit``: what whoever runs the service looks after."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query

from underbutler.api.asking import Asking, Here
from underbutler.api.jobs.sight import seen_query
from underbutler.catalog.remote.errors import outward

from .documents import target_document, utc

__all__ = ["routes"]

routes = APIRouter(prefix="/v1", tags=["operations"])

Limit = Annotated[int, Query(ge=1, le=1000)]


@routes.get("/quarantine", summary="What is held or parked.")
def list_quarantine(site: Here, who: Asking, limit: Limit = 200, job: uuid.UUID | None = None) -> dict[str, Any]:
    """List held targets of jobs that you may see, the latest first; for `admin` the groups and parked messages, too."""
    held = site.jobs.quarantine.held(job=job, limit=None if not who.sees_all else limit)
    if not who.sees_all:
        mine = {row.id for row in site.jobs.listing.page(seen_query(who))}
        held = [target for target in held if target.job_id in mine][:limit]
    found: dict[str, Any] = {
        "held": [
            target_document(target) | {"job": str(target.job_id), "fingerprint": target.fingerprint} for target in held
        ]
    }
    if not who.sees_all:
        return found
    groups = [
        {
            "fingerprint": group.fingerprint,
            "kind": group.kind,
            "count": group.count,
            "task": group.task,
            "first_at": utc(group.first_at),
            "last_at": utc(group.last_at),
            "error_type": group.error_type,
            "reason": outward(group.reason),
        }
        for group in site.jobs.quarantine.groups()
    ]
    return found | {"groups": groups}


@routes.get("/schedules", summary="What is submitted by the clock.")
def list_schedules(site: Here, who: Asking) -> dict[str, Any]:
    """List the entries of the schedule, for whoever has the scope `admin`."""
    who.need("admin")
    return {
        "schedules": [
            {
                "name": row.name,
                "definition": row.definition,
                "next_due": utc(row.next_due),
                "paused": row.paused,
                "error": outward(row.error),
                "changed_at": utc(row.changed_at),
                "changed_by": row.changed_by,
            }
            for row in site.jobs.schedules.entries()
            if row.removed_at is None
        ]
    }


@routes.get("/audit", summary="Who did what.")
def list_audit(
    site: Here, who: Asking, limit: Limit = 100, cursor: Annotated[int | None, Query(ge=1, lt=2**62)] = None
) -> dict[str, Any]:
    """List lines of the audit, the newest first, for whoever has the scope `admin`."""
    who.need("admin")
    rows = site.jobs.audit.latest(limit, cursor)
    lines = [
        {
            "at": utc(row.at),
            "who": row.who,
            "token": row.credential,
            "from": row.origin,
            "action": row.action,
            "subject": row.subject,
            "result": outward(row.result),
        }
        for row in rows
    ]
    return {"audit": lines, "next": rows[-1].seq if len(rows) == limit else None}
