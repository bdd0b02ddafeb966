"""``/v1/events`` and ``/v1/notices``: what happens, as server-sent events; from where a client was cut off, too.

Who comes with ``Last-Event-ID`` gets what it has missed out of the records, then what happens: in one order, each once.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from underbutler.api.asking import Asking, Here
from underbutler.api.auth.principal import Principal
from underbutler.api.jobs.sight import seen_event
from underbutler.api.jobs.site import Site
from underbutler.errors import UnderbutlerError
from underbutler.records import EventRow
from underbutler.records.reading.events import parse_cursor

from .documents import utc

__all__ = ["routes"]

BATCH: Final = 500
SILENCE_S: Final = 15.0
"""A client that is told nothing for so long is told its place, so that its connection lives and its place is new."""

routes = APIRouter(prefix="/v1", tags=["events"])


def _last_id(given: Annotated[str | None, Header(alias="Last-Event-ID")] = None) -> str | None:
    if given is not None:
        parse_cursor(given)
    return given


LastId = Annotated[str | None, Depends(_last_id)]


@routes.get("/events", response_class=EventSourceResponse, summary="What happens to jobs, targets and notices.")
async def stream_events(
    site: Here,
    who: Asking,
    last_id: LastId,
    job: Annotated[uuid.UUID | None, Query(description="Only of this job.")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Tell what happens to the jobs that you may see: events `job`, `target` and `notice`."""
    who.need("read")
    async for event in _stream(site, who, last_id, lambda one: job is None or one.job_id == job, _described):
        yield event


@routes.get("/notices", response_class=EventSourceResponse, summary="Notices of objects in the annex.")
async def stream_notices(site: Here, who: Asking, last_id: LastId) -> AsyncIterator[ServerSentEvent]:
    """Tell of each object that is there: the body of its `largeFileObjectAvailable` notice."""
    who.need("read")
    async for event in _stream(site, who, last_id, lambda one: one.kind == "notice", lambda one: one.notice):
        yield event


async def _stream(
    site: Site,
    who: Principal,
    last_id: str | None,
    wanted: Callable[[EventRow], bool],
    told: Callable[[EventRow], Any],
) -> AsyncIterator[ServerSentEvent]:
    def shown(event: EventRow) -> ServerSentEvent | None:
        if not seen_event(who, event) or not wanted(event):
            return None
        return ServerSentEvent(raw_data=json.dumps(told(event)), event=event.kind, id=event.cursor)

    try:
        async with site.bell.listening() as (subscription, begin):
            place = begin if last_id is None else last_id
            if last_id is not None and await run_in_threadpool(site.jobs.events.has_lost, last_id):
                said = json.dumps({"detail": "Older events are gone. Read the jobs again: GET /v1/jobs."})
                yield ServerSentEvent(raw_data=said, event="lost")
            yield ServerSentEvent(comment="here", id=place, retry=2000)
            while parse_cursor(place) < parse_cursor(begin):
                for event in await run_in_threadpool(site.jobs.events.after, place, BATCH):
                    if parse_cursor(event.cursor) > parse_cursor(begin):
                        break
                    place = event.cursor
                    if (one := shown(event)) is not None:
                        yield one
                else:
                    if parse_cursor(place) < parse_cursor(begin):
                        continue
                break
            place = max(place, begin, key=parse_cursor)
            while not subscription.behind:
                found = await subscription.next(SILENCE_S)
                if found is None:
                    yield ServerSentEvent(comment="here", id=place)
                    continue
                if parse_cursor(found.cursor) <= parse_cursor(place):
                    continue
                place = found.cursor
                if (one := shown(found)) is not None:
                    yield one
    except UnderbutlerError as error:
        yield ServerSentEvent(raw_data=json.dumps({"detail": type(error).__name__}), event="error")


def _described(event: EventRow) -> dict[str, Any]:
    said: dict[str, Any] = {"at": utc(event.at), "job": str(event.job_id), "user": event.user, "task": event.task}
    if event.kind == "job":
        return said | {"phase": event.state}
    said |= {"target": str(event.target_id), "ordinal": event.ordinal, "data_id": event.data_id}
    return said | ({"state": event.state} if event.kind == "target" else {"notice": event.notice})
