"""Which jobs somebody sees: for who may not see one, there is none."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from underbutler.errors import UnknownNameError
from underbutler.model.job import Phase
from underbutler.records import ListQuery

if TYPE_CHECKING:
    from underbutler.api.auth.principal import Principal
    from underbutler.records import EventRow, JobRow

    from .site import Site

__all__ = ["may_see", "seen_event", "seen_job", "seen_query"]


def seen_job(site: Site, who: Principal, name: str) -> JobRow:
    """Return a job that somebody may see, by its whole id.

    Raises
    ------
    UnknownNameError
        If there is none, or it is not for them to see.
    """
    who.need("read")
    row = None
    if (job := _identity(name)) is not None:
        row = site.jobs.read.job_if_any(job)
    if row is None or not may_see(who, row):
        raise UnknownNameError(f"No job has the id {name[:64]!r}. List yours: GET /v1/jobs.", name=name[:64])
    return row


def may_see(who: Principal, row: JobRow) -> bool:
    """Tell whether a job is for somebody to see: their own, one that waits for their approval, or all."""
    if not who.may_use(row.repo, row.out):
        return False
    waits = row.phase is Phase.PENDING and row.needs_approval and "approve" in who.scopes
    return who.sees_all or row.user == who.user or waits


def seen_event(who: Principal, event: EventRow) -> bool:
    """Tell whether an event is of a job that is for somebody to see."""
    mine = who.sees_all or event.user == who.user
    return mine and who.may_use(event.repo or "", event.out or "")


def seen_query(who: Principal, **asked: Any) -> ListQuery:
    """Return a query for the jobs that somebody may see."""
    who.need("read")
    return ListQuery(
        user=None if who.sees_all else who.user,
        repos=None if who.repos is None else sorted(who.repos),
        waiting_for_approval="approve" in who.scopes,
        **asked,
    )


def _identity(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name)
    except ValueError:
        return None
