"""Values of the schedule: entries as they are given and recorded, firings. Times are seconds since 1970 UTC."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

__all__ = ["FiringRow", "FiringState", "NewFiring", "NewSchedule", "ScheduleRow", "firing_id", "schedule_id"]

_NAMESPACE: Final = uuid.UUID("6f1d1c5e-0a53-5d0e-9b6a-3c4b2f7e8a10")


class FiringState(StrEnum):
    """What became of a firing.

    ::

        waiting → running → done | empty | failed
        waiting ← running            a service was away, or who did it died
        skipped                      never to be done: its time had passed
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    EMPTY = "empty"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """An entry as a file gives it.

    Parameters
    ----------
    name
        Its name: what its id is made of.
    definition
        What it is, as JSON values; None if it has an error.
    next_due
        When it fires first, if it is new or its clock has changed.
    error
        What is wrong with it, if anything: then it goes on as it was.
    """

    name: str
    definition: Mapping[str, Any] | None
    next_due: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    """An entry as recorded."""

    id: uuid.UUID
    name: str
    definition: dict[str, Any] | None
    next_due: float | None
    since: float
    paused: bool
    source: str
    error: str | None
    changed_at: float
    changed_by: str
    removed_at: float | None
    looked_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFiring:
    """One firing to be recorded.

    Parameters
    ----------
    due_at
        Its slot.
    state
        Waiting, or skipped.
    missed
        Slots before it that were left out.
    """

    due_at: float
    state: FiringState = FiringState.WAITING
    missed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringRow:
    """A firing as recorded."""

    job_id: uuid.UUID
    schedule_id: uuid.UUID
    name: str
    due_at: float
    state: FiringState
    lane: str
    definition: dict[str, Any]
    missed: int
    fired_at: float
    fired_by: str
    attempts: int
    not_before: float | None
    lease_until: float | None
    lease_holder: str | None
    started_at: float | None
    ended_at: float | None
    told: str | None


def schedule_id(name: str) -> uuid.UUID:
    """Return the identity of an entry: the same wherever its file is read."""
    return uuid.uuid5(_NAMESPACE, name)


def firing_id(schedule: uuid.UUID, due_at: float) -> uuid.UUID:
    """Return the identity of a firing, which its job will have: the same whoever takes it up."""
    return uuid.uuid5(schedule, f"{due_at:.3f}")
