"""``/sync``: a job that is waited for, and answered with what it made."""

from __future__ import annotations

import time
from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from underbutler.api.asking import Asking, Here
from underbutler.api.jobs.creation import begin
from underbutler.api.jobs.requests import request_of
from underbutler.api.jobs.waiting import wait_for_change
from underbutler.model.job import Phase

from .documents import error_text
from .forms import Posted
from .jobs import create_job
from .results import RESULT

__all__ = ["routes"]

LONGEST_S: Final = 60.0
"""So long is a job waited for, in seconds."""

routes = APIRouter(tags=["UWS 1.1"])


@routes.post("/sync", summary="Run a job and wait for it.")
async def run_job(site: Here, who: Asking, pairs: Posted) -> Response:
    """Create a job, begin it, wait for it up to a minute: 303 to its results, or 202 with where it is."""
    row = await run_in_threadpool(create_job, site, who, pairs)
    row = await run_in_threadpool(begin, site, who, row, request_of(row), approve=False)
    deadline = time.monotonic() + LONGEST_S
    while not row.phase.ended and (left := deadline - time.monotonic()) > 0:
        row = await wait_for_change(site, row.id, left)
    where = f"{site.base_url}/async/{row.id}"
    if not row.phase.ended:
        said = f"Job {row.id} is {row.phase} still. Follow it: {where}\n"
        return PlainTextResponse(said, 202, headers={"Location": where})
    if row.phase is not Phase.COMPLETED:
        counts = await run_in_threadpool(site.jobs.read.counts, row.id)
        said = f"Job {row.id} is {row.phase}. {error_text(row, counts, None)}\nSee {where}/error\n"
        return PlainTextResponse(said, 422)
    return RedirectResponse(f"{where}/results/{RESULT}", 303)
