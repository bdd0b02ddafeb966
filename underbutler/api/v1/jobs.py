"""``/v1/jobs``: made, listed, begun, cancelled, destroyed, run again."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from underbutler.api.asking import Asking, Here
from underbutler.api.jobs.changes import Choice, cancel, destroy, rerun, retry
from underbutler.api.jobs.creation import begin, create, dry_run, own_request, store
from underbutler.api.jobs.requests import parameters_of, request_of
from underbutler.api.jobs.sight import seen_job, seen_query
from underbutler.api.jobs.waiting import wait_for_change
from underbutler.model.identity import new_id
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobRow, NewPending

from .documents import job_document, job_summary
from .queries import REQUEST_BODY, Again, Body, JobsQuery, RerunAgain, seconds_of, tags_of

__all__ = ["routes"]

routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@routes.post("", status_code=201, openapi_extra=REQUEST_BODY, summary="Make a job, or look what it would be.")
def make_job(
    site: Here,
    who: Asking,
    request: Body,
    dry: Annotated[bool, Query(alias="dry_run", description="Look at everything, and write nothing.")] = False,
    review: Annotated[bool, Query(description="Store it, PENDING, until somebody else approves it.")] = False,
    check: Annotated[bool, Query(description="Refuse a job of which targets would fail.")] = True,
    key: Annotated[
        str | None, Header(alias="Idempotency-Key", description="The same key and body again is the same job.")
    ] = None,
) -> Response:
    """Make a job of a `JobRequest`. It exists when this is answered: 201 if it is new, 200 if the key came before."""
    if dry:
        return JSONResponse(_dry(site, who, request))
    if review:
        own = own_request(who, request)
        row = store(site, who, _stored(who.user, own, needs_approval=True))
        return _answer(site, row, HTTPStatus.CREATED)
    row, made = create(site, who, request, key=key, check=check)
    return _answer(site, row, HTTPStatus.CREATED if made else HTTPStatus.OK)


@routes.get("", summary="List jobs, newest first.")
def list_jobs(site: Here, who: Asking, query: Annotated[JobsQuery, Query()]) -> dict[str, Any]:
    """List the jobs that you may see, newest first, in pages: `next` is the cursor of the next one."""
    rows = site.jobs.listing.page(
        seen_query(
            who,
            phases=query.phase,
            owner=query.user,
            task=query.task,
            tags=tags_of(query.tag),
            since=seconds_of(query.since),
            until=seconds_of(query.until),
            text=query.text,
            before=None if query.cursor is None else int(query.cursor),
            limit=query.limit,
        )
    )
    if query.view == "full":
        counts = site.jobs.read.counts_of_jobs([row.id for row in rows])
        jobs = [job_document(row, counts[row.id], site.base_url) for row in rows]
    else:
        jobs = [job_summary(row) for row in rows]
    return {"jobs": jobs, "next": str(rows[-1].scan_id) if len(rows) == query.limit else None}


@routes.get("/{job}", summary="A job; with `wait`, when its phase changes.")
async def show_job(
    site: Here,
    who: Asking,
    job: str,
    wait: Annotated[float, Query(ge=-1, description="Seconds to wait for a change, less than a minute; -1: most.")] = 0,
    phase: Annotated[Phase | None, Query(description="Wait while it is in this phase.")] = None,
) -> dict[str, Any]:
    """Return all that is known of a job but its targets."""
    row = await run_in_threadpool(seen_job, site, who, job)
    if wait:
        row = await wait_for_change(site, row.id, wait, phase)
    return await run_in_threadpool(_document, site, row)


@routes.delete("/{job}", status_code=204, summary="Destroy a job and its rows: no dataset, and no object.")
def destroy_job(site: Here, who: Asking, job: str) -> Response:
    """End a job and destroy its rows and logs. Datasets in the Butler and objects in the annex stay."""
    destroy(site, who, seen_job(site, who, job))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@routes.post("/{job}/start", summary="Begin a stored request.")
def start_job(site: Here, who: Asking, job: str) -> Response:
    """Begin a PENDING job: its request is understood anew. What is wrong with it ends it as ERROR, with all faults."""
    row = seen_job(site, who, job)
    return _answer(site, begin(site, who, row, request_of(row), approve=False))


@routes.post("/{job}/approve", summary="Approve a stored request of somebody else, and begin it.")
def approve_job(site: Here, who: Asking, job: str) -> Response:
    """Begin a PENDING job that waits for an approval; its submitter may not."""
    row = seen_job(site, who, job)
    return _answer(site, begin(site, who, row, request_of(row), approve=True))


@routes.post("/{job}/cancel", summary="Cancel a job.")
def cancel_job(site: Here, who: Asking, job: str) -> Response:
    """Abort what has not ended of a job: what runs is stopped within seconds."""
    return _answer(site, cancel(site, who, seen_job(site, who, job)))


@routes.post("/{job}/retry", status_code=201, summary="Run a choice of a job's targets again.")
def retry_job(site: Here, who: Asking, job: str, again: Again) -> Response:
    """Run targets that ended badly again, each once, as a new job that is linked to this one."""
    choice = Choice(states=again.states, targets=again.targets, step=again.step, config=again.config, check=again.check)
    return _answer(site, retry(site, who, seen_job(site, who, job), choice), HTTPStatus.CREATED)


@routes.post("/{job}/recover", status_code=201, summary="Run what failed and what never ran.")
def recover_job(site: Here, who: Asking, job: str, check: Annotated[bool, Query()] = True) -> Response:
    """Run what is not done of a job as a new job; what is done stays as it is."""
    return _answer(site, retry(site, who, seen_job(site, who, job), Choice(check=check)), HTTPStatus.CREATED)


@routes.post("/{job}/rerun", status_code=201, summary="Run all of a job again, with a changed config.")
def rerun_job(site: Here, who: Asking, job: str, again: RerunAgain) -> Response:
    """Run every target of a job that has ended again, as a new job with a RUN collection of its own."""
    ended = [state for state in TargetState if state.ended]
    choice = Choice(states=ended, step=again.step, config=again.config, check=again.check)
    return _answer(site, rerun(site, who, seen_job(site, who, job), choice), HTTPStatus.CREATED)


def _stored(user: str, request: Any, *, needs_approval: bool) -> NewPending:
    return NewPending(
        id=new_id(),
        user=user,
        parameters=parameters_of(request),
        task=request.steps[0].task,
        repo=request.repo,
        out=request.out or request.repo,
        needs_approval=needs_approval,
    )


def _dry(site: Any, who: Any, request: Any) -> dict[str, Any]:
    found = dry_run(site, who, request)
    return {
        "run": found.prepared.command.run,
        "targets": [
            {"data_id": dict(target.data_id), "args": list(target.args), "digest": target.digest}
            for target in found.prepared.targets
        ],
        "look": found.look.to_json(),
        "estimate": found.expected.to_json(),
        "seconds": found.expected.seconds,
    }


def _document(site: Any, row: JobRow) -> dict[str, Any]:
    return job_document(row, site.jobs.read.counts(row.id), site.base_url)


def _answer(site: Any, row: JobRow, status: HTTPStatus = HTTPStatus.OK) -> Response:
    headers = {"Location": f"{site.base_url}/v1/jobs/{row.id}"}
    return JSONResponse(_document(site, row), status, headers=headers)
