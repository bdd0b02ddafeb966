"""The tables of the records. Times are double seconds since 1970 UTC, by the database's clock.

``target`` is the outbox of its message and ``notice`` of its notice: a row is written first and sent after the commit.
"""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    String,
    TextClause,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from underbutler.model.job import Phase, TargetState
from underbutler.sql import Base

__all__ = [
    "EXPIRED",
    "SENT",
    "TO_BE_SENT",
    "UNCHECKED",
    "AnnexDecision",
    "Claim",
    "Edge",
    "Intent",
    "Job",
    "Notice",
    "Product",
    "Step",
    "Target",
    "Upload",
]

# Conditions of partial indexes: queries say them in the same words, or no database finds the index.
TO_BE_SENT: Final = text("state IN ('queued', 'delivering') AND lease_until IS NULL AND sent_at IS NULL")
"""A target nobody holds, whose message is not on its way."""
SENT: Final = text("state IN ('queued', 'delivering') AND lease_until IS NULL AND sent_at IS NOT NULL")
"""A target nobody holds, whose message should be in the broker."""
UNCHECKED: Final = text("ended_at IS NOT NULL AND checked_at IS NULL")
"""An ended target of which nobody knows yet what it left in the Butler."""
EXPIRED: Final = text("\"end\" = 'expired'")
"""A claim whose lease ran out: its process may be alive, stopped, and wake up."""


def _words(kind: type[StrEnum]) -> Enum:
    """Return a text column type that holds the values of an enumeration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


def _partial(name: str, *columns: str, where: TextClause) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


class Job(Base):
    """One submission. `n_open`, `n_failed` (failed or held) and `n_aborted` change with each target that ends.

    `task` is for people: that of its step, or of several steps all of them. A PENDING job is a stored request:
    `parameters` are what was asked, ``[[name, value], …]``; `starting_until` is the lease of who understands it.
    """

    __tablename__ = "job"
    __table_args__ = (CheckConstraint("n_open >= 0 AND n_open <= n_targets", name="open_targets"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    scan_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    task: Mapped[str]
    repo: Mapped[str]
    out: Mapped[str]
    run: Mapped[str]
    user: Mapped[str]
    phase: Mapped[Phase] = mapped_column(_words(Phase), index=True)
    request: Mapped[dict[str, Any] | None]
    # Those of the first step, for workers of the release before: nothing of this release reads them.
    overrides: Mapped[list[Any]]
    config: Mapped[Any] = mapped_column(JSON)
    config_digest: Mapped[str]
    options: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any]]
    collections: Mapped[list[Any]]
    n_targets: Mapped[int]
    n_open: Mapped[int]
    n_failed: Mapped[int]
    n_aborted: Mapped[int]
    created_at: Mapped[float]
    queued_at: Mapped[float | None]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    destruction_at: Mapped[float | None] = mapped_column(index=True)
    parent_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("job.id"), index=True)
    cancel_requested: Mapped[bool]
    error: Mapped[str | None]
    traceparent: Mapped[str | None]
    token_handle: Mapped[str | None]
    parameters: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    faults: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    execution_duration_s: Mapped[float | None]
    quote_at: Mapped[float | None]
    starting_until: Mapped[float | None]
    needs_approval: Mapped[bool] = mapped_column(server_default=false())
    approved_by: Mapped[str | None]


class Step(Base):
    """One task of a job, with its config: most jobs have one. `label` is its name within the job."""

    __tablename__ = "step"
    __table_args__ = (UniqueConstraint("job_id", "label"),)

    job_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("job.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    task: Mapped[str]
    overrides: Mapped[list[Any]]
    config: Mapped[Any] = mapped_column(JSON)
    config_digest: Mapped[str]
    options: Mapped[dict[str, Any]]


class Target(Base):
    """One element of a job's target list, and the outbox of its message.

    It is to be sent when it is queued, or delivering without a lease, `sent_at` is null, `not_before` has passed and
    nobody holds the send lease. A job's `cancel_requested` is also said of each target that was open then: one row
    decides.
    """

    __tablename__ = "target"
    __table_args__ = (
        Index("ix_target_job_id_ordinal", "job_id", "ordinal", unique=True),
        Index("ix_target_job_id_state", "job_id", "state"),
        _partial("ix_target_unsent", "queued_at", "ordinal", where=TO_BE_SENT),
        _partial("ix_target_sent", "queue", "sent_at", where=SENT),
        _partial("ix_target_leased", "lease_until", where=text("lease_until IS NOT NULL")),
        _partial("ix_target_unchecked", "ended_at", where=UNCHECKED),
        _partial("ix_target_held", "fingerprint", where=text("state = 'held'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("job.id", deferrable=True, initially="DEFERRED"))
    ordinal: Mapped[int]
    step: Mapped[int] = mapped_column(server_default=text("0"))
    state: Mapped[TargetState] = mapped_column(_words(TargetState))
    task: Mapped[str]
    queue: Mapped[str]
    data_id: Mapped[dict[str, Any]]
    args: Mapped[list[Any]]
    digest: Mapped[str] = mapped_column(String(64))
    argsrepr: Mapped[str]
    kwargsrepr: Mapped[str]
    queued_at: Mapped[float]
    send_no: Mapped[int]
    sent_at: Mapped[float | None]
    send_lease_until: Mapped[float | None]
    claim_no: Mapped[int]
    deaths: Mapped[int]
    worker_deaths: Mapped[int]
    transient_retries: Mapped[int]
    not_before: Mapped[float | None]
    lease_until: Mapped[float | None]
    lease_worker: Mapped[str | None]
    lease_pid: Mapped[int | None]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    exit_status: Mapped[int | None]
    error_type: Mapped[str | None]
    error_text: Mapped[str | None]
    seconds: Mapped[float | None]
    scalars: Mapped[dict[str, Any] | None]
    cancel_requested: Mapped[bool] = mapped_column(server_default=false())
    waiting_since: Mapped[float | None]
    waiting_reason: Mapped[str | None]
    replayed_as: Mapped[uuid.UUID | None]
    discarded_at: Mapped[float | None]
    fingerprint: Mapped[str | None]
    checked_at: Mapped[float | None]


class Edge(Base):
    """One target waits for another of its job: until its parent is done (``done``), or however that ends (``ended``).

    Nothing is recorded here yet: submissions make targets that wait for nothing.
    """

    __tablename__ = "edge"
    __table_args__ = (CheckConstraint("kind IN ('done', 'ended')", name="known_kind"),)

    child_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("target.id"), primary_key=True)
    parent_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("target.id"), primary_key=True, index=True)
    kind: Mapped[str]


class Claim(Base):
    """One try at a target by one worker."""

    __tablename__ = "claim"
    __table_args__ = (_partial("ix_claim_expired", "ended_at", where=EXPIRED),)

    target_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("target.id"), primary_key=True)
    claim_no: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str]
    pid: Mapped[int]
    pid_started: Mapped[float | None]
    send_no: Mapped[int]
    started_at: Mapped[float]
    ended_at: Mapped[float | None]
    end: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None]
    log: Mapped[str | None]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")


class Intent(Base):
    """A dataset that a claim is going to write: who may put, and what to prune when the claim dies."""

    __tablename__ = "intent"
    __table_args__ = (Index("ix_intent_target_id_claim_no", "target_id", "claim_no"),)

    dataset_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    target_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("target.id"))
    claim_no: Mapped[int]
    dataset_type: Mapped[str]
    run: Mapped[str]
    data_id: Mapped[dict[str, Any]]
    created_at: Mapped[float]


class Product(Base):
    """A dataset that a target made; `url` and what follows once it is in the annex."""

    __tablename__ = "product"

    dataset_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    target_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("target.id"), index=True)
    claim_no: Mapped[int]
    dataset_type: Mapped[str]
    data_id: Mapped[dict[str, Any]]
    large: Mapped[bool]
    url: Mapped[str | None]
    byte_size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    etag: Mapped[str | None]
    mime_type: Mapped[str | None]
    delivered_at: Mapped[float | None]


class Notice(Base):
    """A notice, and its outbox."""

    __tablename__ = "notice"
    __table_args__ = (_partial("ix_notice_unsent", "created_at", where=text("sent_at IS NULL")),)

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("job.id"), index=True)
    target_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("target.id"))
    body: Mapped[dict[str, Any]]
    routing_key: Mapped[str]
    created_at: Mapped[float]
    send_lease_until: Mapped[float | None]
    sent_at: Mapped[float | None]


class AnnexDecision(Base):
    """Whether a job's datasets of one type go to the annex: decided once, at first sight."""

    __tablename__ = "annex_decision"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("job.id"), primary_key=True)
    dataset_type: Mapped[str] = mapped_column(primary_key=True)
    large: Mapped[bool]


class Upload(Base):
    """A key of the annex that a claim is going to write: recorded before the first byte, so that it can be removed.

    It refers to its target by value: what a destroyed job's dead claims left is still removed.
    """

    __tablename__ = "upload"
    __table_args__ = (Index("ix_upload_target_id_claim_no", "target_id", "claim_no"),)

    bucket: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    target_id: Mapped[uuid.UUID]
    claim_no: Mapped[int]
    created_at: Mapped[float]
    cleaned_at: Mapped[float | None]
