"""What comes out of the records: jobs, targets, claims, products as they stand. Times are seconds since 1970 UTC."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from underbutler.model.job import Phase, TargetState

__all__ = ["ClaimRow", "HeldClaim", "JobRow", "ProductRow", "StepRow", "TargetRow", "UploadRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step of a job as recorded: `label` is its name within the job, `ordinal` what its targets say in `step`."""

    ordinal: int
    label: str
    task: str
    overrides: list[Any]
    config: Any
    config_digest: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job as recorded: `task` names the tasks of all its steps, `n_failed` counts failed and held targets.

    `request` is what its user asked for, as JSON; None in a job that was not made of a request, and while it is
    PENDING: then `parameters` say what is asked. `faults` are those with which a PENDING job ended.
    """

    id: uuid.UUID
    scan_id: int
    task: str
    repo: str
    out: str
    run: str
    user: str
    phase: Phase
    request: dict[str, Any] | None
    steps: tuple[StepRow, ...]
    versions: dict[str, Any]
    collections: list[str]
    n_targets: int
    n_open: int
    n_failed: int
    n_aborted: int
    created_at: float
    queued_at: float | None
    started_at: float | None
    ended_at: float | None
    destruction_at: float | None
    parent_id: uuid.UUID | None
    cancel_requested: bool
    error: str | None
    traceparent: str | None
    token_handle: str | None
    parameters: list[list[str]] | None
    faults: list[dict[str, str]] | None
    execution_duration_s: float | None
    quote_at: float | None
    needs_approval: bool
    approved_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """A target as recorded.

    `step` is the ordinal of its step, `fingerprint` of why it is held, `checked_at` when its intents were compared.
    """

    id: uuid.UUID
    job_id: uuid.UUID
    ordinal: int
    step: int
    state: TargetState
    task: str
    queue: str
    data_id: dict[str, int | str]
    args: list[Any]
    digest: str
    argsrepr: str
    kwargsrepr: str
    queued_at: float
    send_no: int
    sent_at: float | None
    send_lease_until: float | None
    claim_no: int
    deaths: int
    worker_deaths: int
    transient_retries: int
    not_before: float | None
    lease_until: float | None
    lease_worker: str | None
    lease_pid: int | None
    started_at: float | None
    ended_at: float | None
    exit_status: int | None
    error_type: str | None
    error_text: str | None
    seconds: float | None
    scalars: dict[str, Any] | None
    cancel_requested: bool
    waiting_since: float | None
    waiting_reason: str | None
    replayed_as: uuid.UUID | None
    discarded_at: float | None
    fingerprint: str | None
    checked_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """A claim as recorded. `end` is one of `underbutler.model.job.CLAIM_ENDS`, or None while it lives."""

    target_id: uuid.UUID
    claim_no: int
    worker: str
    pid: int
    pid_started: float | None
    send_no: int
    started_at: float
    ended_at: float | None
    end: str | None
    reason: str | None
    log: str | None
    metadata: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRow:
    """A product as recorded."""

    dataset_id: uuid.UUID
    target_id: uuid.UUID
    claim_no: int
    dataset_type: str
    data_id: dict[str, int | str]
    large: bool
    url: str | None
    byte_size: int | None
    sha256: str | None
    etag: str | None
    mime_type: str | None
    delivered_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldClaim:
    """A claim that holds its target, for whoever keeps or judges it.

    Parameters
    ----------
    target, job, claim_no
        What is held.
    worker, pid, pid_started
        Who holds it; when that process began, if it said so.
    state
        Running or delivering.
    task, queue, send_no
        Of the message.
    started_at, age_s
        When the claim began, and how long ago by the database's clock, in seconds.
    lease_until
        When it is judged dead unless it is renewed.
    deaths, worker_deaths
        How often the target's child and its worker died before.
    cancel_requested
        Whether it, or its whole job, is to be aborted.
    argsrepr, traceparent
        Its data ID in words; the trace of its submission.
    """

    target: uuid.UUID
    job: uuid.UUID
    claim_no: int
    worker: str
    pid: int
    pid_started: float | None
    state: TargetState
    task: str
    queue: str
    send_no: int
    started_at: float
    age_s: float
    lease_until: float
    deaths: int
    worker_deaths: int
    cancel_requested: bool
    argsrepr: str = ""
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRow:
    """A key of the annex that a claim was going to write, as recorded."""

    bucket: str
    key: str
    target_id: uuid.UUID
    claim_no: int
    created_at: float
    cleaned_at: float | None
