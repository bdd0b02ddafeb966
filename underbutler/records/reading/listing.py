"""Lists of jobs: chosen, in pages, newest first. Nothing here changes a row."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, String, and_, cast, func, or_, select

from underbutler.model.job import Phase
from underbutler.records.tables.jobs import Job
from underbutler.records.values.access import ListQuery
from underbutler.records.values.rows import JobRow
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import read

from .jobs import JOBS, job_rows

__all__ = ["Listing"]

_ACTIVE: Final = tuple(phase for phase in Phase if not phase.ended)


class Listing(StorePart):
    """Jobs, chosen by what is asked and by who may see them."""

    def page(self, query: ListQuery) -> list[JobRow]:
        """Return the jobs that a query chooses, newest first."""
        wanted = JOBS.where(*_conditions(query)).order_by(Job.scan_id.desc()).limit(query.limit)
        with read(self._engine) as connection:
            return job_rows(connection, wanted)

    def number_open(self, user: str) -> int:
        """Return how many jobs of a user have not ended."""
        wanted = select(func.count()).select_from(Job).where(Job.user == user, Job.phase.in_(_ACTIVE))
        with read(self._engine) as connection:
            return int(connection.execute(wanted).scalar_one())


def _conditions(query: ListQuery) -> list[ColumnElement[bool]]:
    found = [*_seen(query)]
    if query.phases:
        found.append(Job.phase.in_([Phase(phase) for phase in query.phases]))
    else:
        found.append(Job.phase != Phase.ARCHIVED)
    if query.owner is not None:
        found.append(Job.user == query.owner)
    if query.task is not None:
        found.append(Job.task == query.task)
    if query.since is not None:
        found.append(Job.created_at > query.since)
    if query.until is not None:
        found.append(Job.created_at <= query.until)
    if query.before is not None:
        found.append(Job.scan_id < query.before)
    found += [Job.request[("tags", name)].as_string() == text for name, text in query.tags]
    if query.text:
        found.append(_holds(query.text))
    return found


def _seen(query: ListQuery) -> list[ColumnElement[bool]]:
    """Return what the reader may see."""
    seen: list[ColumnElement[bool]] = []
    if query.user is not None:
        mine = Job.user == query.user
        waits = and_(Job.phase == Phase.PENDING, Job.needs_approval)
        seen.append(or_(mine, waits) if query.waiting_for_approval else mine)
    if query.repos is not None:
        seen += [column.in_(["", *query.repos]) for column in (Job.repo, Job.out)]
    return seen


def _holds(text: str) -> ColumnElement[bool]:
    words = [Job.task, Job.run, Job.user, cast(Job.request["tags"], String)]
    digits = text.lower().replace("-", "")
    found = [column.icontains(text, autoescape=True) for column in words]
    return or_(*found, func.replace(cast(Job.id, String), "-", "").contains(digits, autoescape=True))
