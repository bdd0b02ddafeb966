"""The tables of the service around the jobs: workers, submissions, quarantine, breakers, tokens, sweeps."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, mapped_column

from underbutler.sql import Base

__all__ = ["Breaker", "Parked", "Submission", "SweepState", "Token", "Worker"]


class Worker(Base):
    """One start of a worker, as its keeper tells it."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    keeper_pid: Mapped[int]
    queue: Mapped[str]
    concurrency: Mapped[int]
    started_at: Mapped[float]
    seen_at: Mapped[float]
    ended_at: Mapped[float | None]
    unfit_reason: Mapped[str | None]
    unfit_since: Mapped[float | None]


class Submission(Base):
    """What a submission writes into the Butler before its job is recorded; it goes with the job's transaction.

    `taken_at` is when a sweeper gave it up: from then on its job is not recorded any more.
    """

    __tablename__ = "submission"

    job_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    repo: Mapped[str]
    out: Mapped[str]
    run: Mapped[str]
    own_run: Mapped[bool]
    user: Mapped[str]
    created_at: Mapped[float]
    taken_at: Mapped[float | None]


class Parked(Base):
    """A message that nobody can run: undecodable or not ours, with its raw bytes. The same again raises `count`."""

    __tablename__ = "parked"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    reason: Mapped[str]
    fingerprint: Mapped[str] = mapped_column(index=True)
    queue: Mapped[str]
    task: Mapped[str | None]
    headers: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    raw: Mapped[bytes]
    worker: Mapped[str]
    count: Mapped[int]
    first_at: Mapped[float]
    last_at: Mapped[float]
    discarded_at: Mapped[float | None]


class Breaker(Base):
    """A repository label that fails to open: while `open_until` has not passed, its targets wait."""

    __tablename__ = "breaker"

    label: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    trips: Mapped[int]
    open_until: Mapped[float | None]
    reason: Mapped[str]
    changed_at: Mapped[float]


class Token(Base):
    """A delegated access token, encrypted; a message carries only its handle."""

    __tablename__ = "token"

    handle: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str]
    ciphertext: Mapped[bytes]
    expires_at: Mapped[float]
    created_at: Mapped[float]


class SweepState(Base):
    """What the sweeper remembers from one sweep to the next, by name."""

    __tablename__ = "sweep_state"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[float]
    body: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
