"""Jobs, targets and attempts as JSON data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from underbutler.catalog.remote.errors import outward
from underbutler.model.status import status_of

if TYPE_CHECKING:
    from underbutler.model.job import TargetState
    from underbutler.records import ClaimRow, JobRow, ProductRow, TargetRow

__all__ = ["attempt_document", "job_document", "job_summary", "product_document", "target_document", "utc"]


def utc(seconds: float | None) -> str | None:
    """Return an instant as ISO 8601 in UTC with milliseconds, ``2026-12-01T12:00:00.000Z``."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_summary(row: JobRow) -> dict[str, Any]:
    """Return the minimal view of a job."""
    return {
        "id": str(row.id),
        "scan_id": row.scan_id,
        "phase": row.phase.value,
        "status": status_of(row.phase),
        "task": row.task,
        "repo": row.repo,
        "user": row.user,
        "created_at": utc(row.created_at),
        "ended_at": utc(row.ended_at),
        "n_targets": row.n_targets,
        "n_open": row.n_open,
        "n_failed": row.n_failed,
        "n_aborted": row.n_aborted,
    }


def job_document(row: JobRow, counts: Mapping[TargetState, int], base_url: str) -> dict[str, Any]:
    """Return the full view of a job."""
    return job_summary(row) | {
        "out": row.out,
        "run": row.run,
        "collections": row.collections,
        "counts": {state.value: number for state, number in counts.items() if number},
        "tags": (row.request or {}).get("tags", {}),
        "request": row.request,
        "parameters": row.parameters,
        "steps": [
            {
                "label": step.label,
                "task": step.task,
                "overrides": step.overrides,
                "config_digest": step.config_digest,
                "options": step.options,
            }
            for step in row.steps
        ],
        "versions": row.versions,
        "parent": None if row.parent_id is None else str(row.parent_id),
        "queued_at": utc(row.queued_at),
        "started_at": utc(row.started_at),
        "quote_at": utc(row.quote_at),
        "destruction_at": utc(row.destruction_at),
        "execution_duration_s": row.execution_duration_s,
        "cancel_requested": row.cancel_requested,
        "needs_approval": row.needs_approval,
        "approved_by": row.approved_by,
        "error": outward(row.error),
        "faults": outward(row.faults) or [],
        "links": {
            "self": f"{base_url}/v1/jobs/{row.id}",
            "targets": f"{base_url}/v1/jobs/{row.id}/targets",
            "uws": f"{base_url}/async/{row.id}",
        },
    }


def target_document(row: TargetRow) -> dict[str, Any]:
    """Return a target, without its attempts."""
    return {
        "id": str(row.id),
        "ordinal": row.ordinal,
        "step": row.step,
        "state": row.state.value,
        "task": row.task,
        "queue": row.queue,
        "data_id": row.data_id,
        "queued_at": utc(row.queued_at),
        "started_at": utc(row.started_at),
        "ended_at": utc(row.ended_at),
        "not_before": utc(row.not_before),
        "seconds": row.seconds,
        "exit_status": row.exit_status,
        "error_type": row.error_type,
        "error_text": outward(row.error_text),
        "waiting_reason": outward(row.waiting_reason),
        "scalars": row.scalars,
        "replayed_as": None if row.replayed_as is None else str(row.replayed_as),
    }


def attempt_document(row: ClaimRow, *, with_log: bool) -> dict[str, Any]:
    """Return one try at a target."""
    log = {"log": row.log} if with_log else {}
    return {
        "number": row.claim_no,
        "worker": row.worker,
        "started_at": utc(row.started_at),
        "ended_at": utc(row.ended_at),
        "end": row.end,
        "reason": outward(row.reason),
    } | log


def product_document(row: ProductRow, href: str) -> dict[str, Any]:
    """Return what a target made, and where it is served."""
    return {
        "dataset_id": str(row.dataset_id),
        "dataset_type": row.dataset_type,
        "data_id": row.data_id,
        "href": href,
        "byte_size": row.byte_size,
        "sha256": row.sha256,
        "mime_type": row.mime_type,
    }
