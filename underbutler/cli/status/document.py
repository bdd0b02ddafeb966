"""The service and a job as JSON documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from underbutler.cli.session import counts_json
from underbutler.redaction import redacted
from underbutler.status.schema import VERSION

if TYPE_CHECKING:
    from underbutler.model.job import TargetState
    from underbutler.records import JobRow
    from underbutler.status.findings import Finding, PartState
    from underbutler.status.service import ServiceState

__all__ = ["job_json", "service_json"]


def service_json(found: ServiceState) -> dict[str, Any]:
    """Return the service as its schema describes it (`underbutler.status.schema`), without secrets."""
    document = {
        "v": VERSION,
        "well": not found.wrong,
        "exit_code": found.exit_code,
        "at": found.at,
        "took_s": round(found.took_s, 3),
        "wrong": [_finding_json(finding) for finding in found.wrong],
        "noted": [_finding_json(finding) for finding in found.findings[len(found.wrong) :]],
        "parts": [_part_json(part) for part in found.parts],
        "workers": [asdict(worker) for worker in found.workers],
        "failures": [asdict(failure) | {"job": str(failure.job)} for failure in found.failures],
        "looked_at": found.looked_at,
        "jobs": [job_json(row, counts) for row, counts in found.jobs],
    }
    return redacted(document)


def job_json(row: JobRow, counts: Mapping[TargetState, int]) -> dict[str, Any]:
    """Return a job as JSON; what is of its step stands with the job itself too, if it has only one."""
    step = row.steps[0]
    of_step = {
        "overrides": step.overrides,
        "config": step.config,
        "config_digest": step.config_digest,
        "options": step.options,
    }
    return asdict(row) | (of_step if len(row.steps) == 1 else {}) | {"counts": counts_json(counts)}


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "about": finding.about,
        "what": finding.what,
        "why": finding.why,
        "cure": finding.cure,
        "code": finding.code,
        "since": finding.since,
        "until": finding.until,
        "count": finding.count,
    }


def _part_json(part: PartState) -> dict[str, Any]:
    return {
        "name": part.name,
        "state": part.state.value,
        "since": part.since,
        "address": part.address,
        "told": part.told,
        "facts": dict(part.facts),
    }
