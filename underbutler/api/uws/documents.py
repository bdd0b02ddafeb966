"""Jobs as XML of UWS 1.1: made by vo-models, and valid against the schema of the IVOA.

A job's own counts of states stand in ``jobInfo``, for which the standard leaves room.

References
----------
Harrison & Rixon 2016, Universal Worker Service Pattern 1.1, IVOA Recommendation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic_xml import BaseXmlModel, attr, element
from vo_models.uws import ErrorSummary, Jobs, JobSummary, Parameter, ResultReference, Results, ShortJobDescription
from vo_models.uws.models import NSMAP
from vo_models.uws.types import ErrorType, ExecutionPhase

from underbutler.api.jobs.requests import parameters_of, value
from underbutler.catalog.remote.errors import outward
from underbutler.model.job import Phase, TargetState
from underbutler.pipe.request import JobRequest
from underbutler.wording import visible

if TYPE_CHECKING:
    from underbutler.records import JobRow

    from .results import Result

__all__ = ["error_text", "job_list", "job_xml", "parameters_xml", "results_xml", "stored_parameters"]

_OURS: Final = {"ub": "urn:underbutler:job-info:1"}


class _Counts(BaseXmlModel, tag="targets", ns="ub", nsmap=_OURS):
    """How many targets are in each state."""

    total: int = attr()
    queued: int = attr(default=0)
    running: int = attr(default=0)
    delivering: int = attr(default=0)
    done: int = attr(default=0)
    no_work: int = attr(default=0)
    failed: int = attr(default=0)
    held: int = attr(default=0)
    aborted: int = attr(default=0)


class _Info(BaseXmlModel, tag="jobInfo", ns="uws", nsmap=NSMAP | _OURS):
    """What this service says of a job beside the standard."""

    targets: _Counts = element(tag="targets", ns="ub", nsmap=_OURS)
    run: str | None = element(tag="run", ns="ub", nsmap=_OURS, default=None)


class _Parameters(BaseXmlModel, tag="parameters", ns="uws", nsmap=NSMAP):
    """Parameters of any names."""

    parameter: list[Parameter] = element(tag="parameter", ns="uws", default_factory=list)


class _Job(JobSummary[_Parameters], tag="job", ns="uws", nsmap=NSMAP):
    """A job with what this service says of it."""

    job_info: _Info | None = element(tag="jobInfo", ns="uws", default=None)  # type: ignore[assignment]

    model_config: ClassVar[Any] = {"arbitrary_types_allowed": True}


def job_xml(
    row: JobRow, counts: Mapping[TargetState, int], results: Sequence[Result], why: str | None, base_url: str
) -> bytes:
    """Return the document of a job.

    Parameters
    ----------
    row, counts
        The job, and its targets by state.
    results
        What it made; empty before its end.
    why
        Why targets failed, in the words of the first; None if none did.
    base_url
        Where this service is.
    """
    job = _Job(
        job_id=str(row.id),
        run_id=_run_id(row),
        owner_id=_text(row.user),
        phase=ExecutionPhase(row.phase.value),
        quote=_instant(row.quote_at),
        creation_time=_instant(row.created_at),
        start_time=_instant(row.started_at),
        end_time=_instant(row.ended_at),
        execution_duration=round(row.execution_duration_s or 0),
        destruction=_instant(row.destruction_at),
        parameters=_parameters(row),
        results=_results(row, results, base_url),
        error_summary=_error_summary(row, counts, why),
        job_info=_Info(
            targets=_Counts(total=row.n_targets, **{state.value: number for state, number in counts.items()}),
            run=_text(row.run) or None,
        ),
    )
    if row.error is None and job.error_summary is None:
        return _xml(job, without=("errorSummary",))
    return _xml(job)


def job_list(rows: Iterable[JobRow], base_url: str) -> bytes:
    """Return the list of jobs."""
    return _xml(
        Jobs(
            jobref=[
                ShortJobDescription(
                    job_id=str(row.id),
                    phase=ExecutionPhase(row.phase.value),
                    run_id=_run_id(row),
                    owner_id=_text(row.user),
                    creation_time=_instant(row.created_at),
                    href=f"{base_url}/async/{row.id}",
                )
                for row in rows
            ]
        )
    )


def parameters_xml(row: JobRow) -> bytes:
    """Return a job's parameters."""
    return _xml(_parameters(row))


def results_xml(row: JobRow, results: Sequence[Result], base_url: str) -> bytes:
    """Return a job's list of results."""
    return _xml(_results(row, results, base_url))


def stored_parameters(row: JobRow) -> list[tuple[str, str]]:
    """Return what was asked: the parameters that were posted, or the request of a job that was made otherwise."""
    if row.parameters is not None:
        return [(name, text) for name, text in row.parameters]
    return [] if row.request is None else parameters_of(JobRequest.from_json(row.request))


def error_text(row: JobRow, counts: Mapping[TargetState, int], why: str | None) -> str:
    """Return in full why a job ended as it did; empty if nothing is wrong with it."""
    if row.phase not in {Phase.ERROR, Phase.ABORTED}:
        return ""
    lines = [f"{fault['field']}: {outward(fault['message'])}".removeprefix(": ") for fault in row.faults or ()]
    if not lines and row.error is not None:
        lines.append(str(outward(row.error)))
    bad = [f"{counts[state]} {state.value}" for state in _BAD if counts.get(state)]
    if bad:
        lines.append(f"Of {row.n_targets} targets: {', '.join(bad)}.")
    if why:
        lines.append(str(outward(why)))
    return _text("\n".join(lines) or "The job was aborted.")


_BAD: Final = (TargetState.FAILED, TargetState.HELD, TargetState.ABORTED)


def _error_summary(row: JobRow, counts: Mapping[TargetState, int], why: str | None) -> ErrorSummary | None:
    if row.phase is not Phase.ERROR:
        return None
    may_be_run_again = counts.get(TargetState.HELD, 0) and not counts.get(TargetState.FAILED, 0)
    kind = ErrorType.TRANSIENT if may_be_run_again else ErrorType.FATAL
    return ErrorSummary(message=error_text(row, counts, why)[:1000], type=kind, has_detail=True)


def _parameters(row: JobRow) -> _Parameters:
    return _Parameters.model_construct(
        parameter=[Parameter(id=name, value=_text(text)) for name, text in stored_parameters(row)]
    )


def _results(row: JobRow, results: Sequence[Result], base_url: str) -> Results:
    return Results(
        results=[
            ResultReference(
                id=one.name,
                href=f"{base_url}/async/{row.id}/results/{one.name}",
                size=one.byte_size,
                mime_type=one.mime_type,
            )
            for one in results
        ]
    )


def _run_id(row: JobRow) -> str | None:
    tags = (row.request or {}).get("tags", {})
    found = value(row.parameters, "RUNID") or tags.get("RUNID")
    return None if found is None else _text(found)


def _instant(seconds: float | None) -> Any:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _text(text: str) -> str:
    """Return a text with nothing that XML cannot hold."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _xml(model: BaseXmlModel, without: Sequence[str] = ()) -> bytes:
    tree = model.to_xml_tree()
    for child in list(tree):
        if any(child.tag.endswith(f"}}{name}") for name in without) or _is_empty_option(child):
            tree.remove(child)
    for jobref in tree:
        for child in list(jobref):
            if _is_empty_option(child):
                jobref.remove(child)
    return _written(tree)


def _is_empty_option(child: Any) -> bool:
    """Tell whether an element says nothing and may be left out: an empty run id would be a run id."""
    return child.tag.endswith(("}runId", "}errorSummary", "}run")) and len(child) == 0 and not child.text


def _written(tree: Any) -> bytes:
    from xml.etree import ElementTree as ET

    for prefix, address in (NSMAP | _OURS).items():
        ET.register_namespace(prefix, address)
    written: bytes = ET.tostring(tree, encoding="utf-8", xml_declaration=True)
    return written
