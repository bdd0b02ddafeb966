"""``/async``: the jobs of UWS 1.1.

References
----------
Harrison & Rixon 2016, Universal Worker Service Pattern 1.1, IVOA Recommendation, section 2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from underbutler.api.asking import Asking, Here
from underbutler.api.auth.principal import Principal
from underbutler.api.jobs.changes import cancel, destroy
from underbutler.api.jobs.creation import begin, store
from underbutler.api.jobs.requests import check_parameters, known_of, merged, request_of
from underbutler.api.jobs.sight import seen_job, seen_query
from underbutler.api.jobs.site import Site
from underbutler.api.jobs.waiting import wait_for_change
from underbutler.errors import ConflictError, UsageError
from underbutler.model.identity import new_id, short_id
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobRow, NewPending

from .documents import error_text, job_list, job_xml, parameters_xml, results_xml, stored_parameters
from .forms import Posted, control
from .instants import duration_of, instant_text, seconds_of, wait_of
from .results import fetched, results_of

__all__ = ["create_job", "routes"]

XML: Final = "application/xml"
CONTROLS: Final = ("PHASE", "ACTION", "DESTRUCTION", "EXECUTIONDURATION")

routes = APIRouter(prefix="/async", tags=["UWS 1.1"])


@routes.get("", summary="The list of jobs.")
def list_jobs(site: Here, who: Asking, pairs: Posted) -> Response:
    """List your jobs, newest first; archived ones only with PHASE=ARCHIVED. PHASE may be repeated, AFTER is strict."""
    _only(pairs, ("PHASE", "AFTER", "LAST"))
    last = control(pairs, "LAST")
    if last is not None and (not last.isdigit() or not 0 < int(last) < 2**31):
        raise UsageError(f"LAST: {last[:60]!r} is not a number of jobs. Write 10.", field="LAST")
    after = control(pairs, "AFTER")
    rows = site.jobs.listing.page(
        seen_query(
            who,
            phases=[_phase(text) for name, text in pairs if name.upper() == "PHASE"],
            since=None if after is None else seconds_of(after, "AFTER"),
            limit=None if last is None else int(last),
        )
    )
    return Response(job_list(rows, site.base_url), media_type=XML)


@routes.post("", summary="Create a job; with PHASE=RUN begin it, too.")
def post_job(site: Here, who: Asking, pairs: Posted) -> Response:
    """Store what is asked as a PENDING job, and answer 303 to it."""
    row = create_job(site, who, pairs)
    phase = control(pairs, "PHASE")
    if phase is not None:
        if phase != "RUN":
            raise UsageError(
                f"PHASE: {phase[:60]!r} does not create a job. Write PHASE=RUN, or leave it out.", field="PHASE"
            )
        begin(site, who, row, request_of(row), approve=False)
    return _to_job(site, row)


@routes.get("/{job}", summary="A job; with WAIT, when its phase changes.")
async def show_job(site: Here, who: Asking, job: str, pairs: Posted) -> Response:
    """Return the document of a job."""
    _only(pairs, ("WAIT", "PHASE"))
    row = await run_in_threadpool(seen_job, site, who, job)
    wait_s = wait_of(control(pairs, "WAIT"))
    if wait_s:
        phase = control(pairs, "PHASE")
        row = await wait_for_change(site, row.id, wait_s, None if phase is None else _phase(phase))
    return await run_in_threadpool(_document, site, row)


@routes.post("/{job}", summary="Post parameters of a PENDING job; or ACTION=DELETE, or PHASE.")
def change_job(site: Here, who: Asking, job: str, pairs: Posted) -> Response:
    """Change what a PENDING job asks, or do what the other resources of a job do."""
    row = seen_job(site, who, job)
    action = control(pairs, "ACTION")
    if action is not None:
        if action.upper() != "DELETE":
            raise UsageError(f"ACTION: {action[:60]!r} is not known. Write ACTION=DELETE.", field="ACTION")
        return delete_job(site, who, job)
    _post_parameters(site, who, row, pairs)
    _set_limits(site, who, row, pairs)
    phase = control(pairs, "PHASE")
    if phase is not None:
        _set_phase(site, who, site.jobs.read.job(row.id), phase)
    return _to_job(site, row)


@routes.delete("/{job}", summary="Destroy a job and its rows: no dataset, and no object.")
def delete_job(site: Here, who: Asking, job: str) -> Response:
    """Abort what is open of a job and destroy its rows; answer 303 to the list."""
    destroy(site, who, seen_job(site, who, job))
    return RedirectResponse(f"{site.base_url}/async", 303)


@routes.post("/{job}/phase", summary="PHASE=RUN or PHASE=ABORT.")
def post_phase(site: Here, who: Asking, job: str, pairs: Posted) -> Response:
    """Begin a PENDING job, or abort one that has not ended."""
    row = seen_job(site, who, job)
    _set_phase(site, who, row, control(pairs, "PHASE") or "")
    return _to_job(site, row)


@routes.post("/{job}/parameters", summary="Post parameters of a PENDING job.")
def post_parameters(site: Here, who: Asking, job: str, pairs: Posted) -> Response:
    """Change what a PENDING job asks: what is posted replaces the parameters of its names."""
    row = seen_job(site, who, job)
    _post_parameters(site, who, row, pairs)
    return _to_job(site, row)


@routes.post("/{job}/executionduration", summary="How long it may run, in seconds.")
@routes.post("/{job}/destruction", summary="When its rows are destroyed.")
def post_limit(site: Here, who: Asking, job: str, pairs: Posted) -> Response:
    """Set a limit of a job: EXECUTIONDURATION in seconds from its first claim, or DESTRUCTION as an instant."""
    row = seen_job(site, who, job)
    if control(pairs, "EXECUTIONDURATION") is None and control(pairs, "DESTRUCTION") is None:
        raise UsageError("Post EXECUTIONDURATION=3600, or DESTRUCTION=2026-12-02T00:00:00Z.", field="EXECUTIONDURATION")
    _set_limits(site, who, row, pairs)
    return _to_job(site, row)


@routes.get("/{job}/parameters", summary="What it asks.")
def show_parameters(site: Here, who: Asking, job: str) -> Response:
    """Return the list of parameters."""
    return Response(parameters_xml(seen_job(site, who, job)), media_type=XML)


@routes.get("/{job}/parameters/{name}", summary="The value of a parameter.")
def show_parameter(site: Here, who: Asking, job: str, name: str) -> Response:
    """Return the values of a parameter, one per line."""
    found = [text for known, text in stored_parameters(seen_job(site, who, job)) if known == name.upper()]
    return PlainTextResponse("\n".join(found), 200 if found else 404)


@routes.get("/{job}/results", summary="What it made.")
def show_results(site: Here, who: Asking, job: str) -> Response:
    """Return the list of results; it is empty until the job has ended."""
    row = seen_job(site, who, job)
    return Response(results_xml(row, results_of(site, row), site.base_url), media_type=XML)


@routes.get("/{job}/results/{name}", summary="A result, or where it is.")
@routes.head("/{job}/results/{name}", include_in_schema=False)
def show_result(request: Request, site: Here, who: Asking, job: str, name: str) -> Response:
    """Answer 303 to a URL of the annex that is signed for 15 minutes; or with the bytes, out of the Butler."""
    return fetched(site, seen_job(site, who, job), name, request.method)


@routes.get("/{job}/error", summary="In full, why it ended badly.")
def show_error(site: Here, who: Asking, job: str) -> Response:
    """Return as text why a job is ERROR or ABORTED."""
    row = seen_job(site, who, job)
    return PlainTextResponse(error_text(row, site.jobs.read.counts(row.id), _why(site, row)))


_TEXTS: Final[dict[str, Callable[[JobRow], str]]] = {
    "phase": lambda row: row.phase.value,
    "executionduration": lambda row: str(round(row.execution_duration_s or 0)),
    "destruction": lambda row: instant_text(row.destruction_at),
    "quote": lambda row: instant_text(row.quote_at),
    "owner": lambda row: row.user,
}


def _text_route(name: str) -> Callable[..., Response]:
    def show(site: Here, who: Asking, job: str) -> Response:
        return PlainTextResponse(_TEXTS[name](seen_job(site, who, job)))

    show.__name__ = f"show_{name}"
    return show


for _name in _TEXTS:
    routes.add_api_route(f"/{{job}}/{_name}", _text_route(_name), methods=["GET"], summary=f"Its {_name}, as text.")


def create_job(site: Site, who: Principal, pairs: list[tuple[str, str]]) -> JobRow:
    """Store what is asked as a PENDING job.

    Raises
    ------
    RequestError
        With each parameter that is not known or cannot be read.
    """
    parameters = check_parameters(pairs, CONTROLS)
    known = known_of(parameters)
    destruction, duration = control(pairs, "DESTRUCTION"), control(pairs, "EXECUTIONDURATION")
    return store(
        site,
        who,
        NewPending(
            id=new_id(),
            user=who.user,
            parameters=parameters,
            task=known.get("task", ""),
            repo=known.get("repo", ""),
            out=known.get("out", ""),
            destruction_at=None if destruction is None else seconds_of(destruction, "DESTRUCTION"),
            execution_duration_s=None if duration is None else duration_of(duration),
        ),
    )


def _post_parameters(site: Site, who: Principal, row: JobRow, pairs: list[tuple[str, str]]) -> None:
    posted = check_parameters(pairs, CONTROLS)
    if not posted:
        return
    who.need("submit")
    parameters = merged(row.parameters or (), posted)
    if not site.jobs.pending.change(row.id, parameters, **known_of(parameters)):
        raise ConflictError(
            f"Job {short_id(row.id)} is {row.phase}: parameters may be posted while it is PENDING.", job=str(row.id)
        )


def _set_limits(site: Site, who: Principal, row: JobRow, pairs: list[tuple[str, str]]) -> None:
    duration, destruction = control(pairs, "EXECUTIONDURATION"), control(pairs, "DESTRUCTION")
    if duration is not None:
        who.need("submit")
        site.jobs.lifetimes.set_execution_duration(row.id, duration_of(duration))
    if destruction is not None:
        who.need("submit")
        site.jobs.lifetimes.set_destruction(row.id, seconds_of(destruction, "DESTRUCTION"))


def _set_phase(site: Site, who: Principal, row: JobRow, phase: str) -> None:
    if phase == "RUN":
        begin(site, who, row, request_of(row), approve=False)
    elif phase == "ABORT":
        cancel(site, who, row)
    else:
        raise UsageError(f"PHASE: {phase[:60]!r} cannot be posted. Write PHASE=RUN or PHASE=ABORT.", field="PHASE")


def _document(site: Site, row: JobRow) -> Response:
    counts = site.jobs.read.counts(row.id)
    return Response(job_xml(row, counts, results_of(site, row), _why(site, row), site.base_url), media_type=XML)


def _why(site: Site, row: JobRow) -> str | None:
    """Return what the first target that failed or is held says."""
    if not row.n_failed:
        return None
    bad = site.jobs.read.targets(row.id, states=(TargetState.FAILED, TargetState.HELD), limit=1)
    return next((f"{one.error_type or one.state.value}: {one.error_text or ''}".rstrip(": ") for one in bad), None)


def _to_job(site: Site, row: JobRow) -> Response:
    return RedirectResponse(f"{site.base_url}/async/{row.id}", 303)


def _phase(text: str) -> Phase:
    if text.upper() not in Phase.__members__:
        raise UsageError(f"PHASE: {text[:60]!r} is not a phase. Known: {', '.join(Phase)}.", field="PHASE")
    return Phase(text.upper())


def _only(pairs: list[tuple[str, Any]], known: tuple[str, ...]) -> None:
    for name, _ in pairs:
        if name.upper() not in known:
            raise UsageError(f"No parameter is called {name[:40]!r} here. Known: {', '.join(known)}.", field=name[:40])
