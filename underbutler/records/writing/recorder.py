"""What a catalogue is told of jobs, inside the transactions of the records: it keeps what they keep, or nothing.

The records do not know what writes it: a `Recorder` is given to `JobStore`, which hands it to the
roles that make or end jobs and targets.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection

from underbutler.model.job import Phase, TargetState
from underbutler.records.values.jobs import NewJob, Product

__all__ = ["ClosedJob", "EndedTarget", "NoRecorder", "Recorder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTarget:
    """A target that ends in this transaction.

    Parameters
    ----------
    id, job, ordinal, task, data_id
        Which one.
    label
        That of its step; None if its job has one step only.
    out
        Label of the repository that holds what it made.
    state
        Its last state.
    at
        When it ended, seconds since 1970 UTC by the database's clock.
    seconds, scalars
        Of a target that is done: its wall clock, and the numbers and texts of its metadata.
    products
        What it made.
    error_type, reason
        Why it did not do what was asked.
    """

    id: uuid.UUID
    job: uuid.UUID
    ordinal: int
    task: str
    data_id: Mapping[str, int | str]
    label: str | None
    out: str
    state: TargetState
    at: float
    seconds: float | None = None
    scalars: Mapping[str, Any] | None = None
    products: Sequence[Product] = ()
    error_type: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedJob:
    """A job whose last target ends in this transaction.

    Parameters
    ----------
    id
        Which one.
    phase
        COMPLETED, ERROR or ABORTED.
    at
        When it ended, seconds since 1970 UTC.
    counts
        Number of targets per state.
    datasets
        Dataset type and identity of all that its targets made.
    """

    id: uuid.UUID
    phase: Phase
    at: float
    counts: Mapping[TargetState, int]
    datasets: Sequence[tuple[str, uuid.UUID]] = ()


class Recorder(Protocol):
    """Writes what becomes of jobs into a catalogue in the same database."""

    def begun(self, connection: Connection, new: NewJob, scan_id: int, created_at: float) -> None:
        """Take note of a job that is recorded in this transaction."""

    def ended(self, connection: Connection, targets: Sequence[EndedTarget]) -> None:
        """Take note of targets of one job that end in this transaction."""

    def closed(self, connection: Connection, job: ClosedJob) -> None:
        """Take note of a job that ends in this transaction."""


class NoRecorder:
    """Takes no note of anything."""

    def begun(self, connection: Connection, new: NewJob, scan_id: int, created_at: float) -> None:
        """Do nothing."""

    def ended(self, connection: Connection, targets: Sequence[EndedTarget]) -> None:
        """Do nothing."""

    def closed(self, connection: Connection, job: ClosedJob) -> None:
        """Do nothing."""
