"""The tables of the schedule: its entries, and what each of them fired. Times as in `tables`."""

from __future__ import annotations

import uuid
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from underbutler.sql import Base

__all__ = ["OPEN", "Firing", "Schedule"]

OPEN: Final = text("ended_at IS NULL")
"""A firing that has still to be done."""


class Schedule(Base):
    """One entry of the schedule. `next_due` is null while no firing is in sight; `since` is when its clock began."""

    __tablename__ = "schedule"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    definition: Mapped[dict[str, Any] | None]
    next_due: Mapped[float | None] = mapped_column(index=True)
    since: Mapped[float]
    paused: Mapped[bool] = mapped_column(server_default=false())
    source: Mapped[str]
    error: Mapped[str | None]
    changed_at: Mapped[float]
    changed_by: Mapped[str]
    removed_at: Mapped[float | None]
    looked_at: Mapped[float | None]


class Firing(Base):
    """One firing of an entry, and the outbox of what it is for. `job_id` is that of its job, if it submits one.

    `definition` is the entry as it was when it fired; `missed` counts slots before this one that were left out.
    """

    __tablename__ = "firing"
    __table_args__ = (
        UniqueConstraint("schedule_id", "due_at", name="uq_firing_schedule_id"),
        Index("ix_firing_open", "lane", "due_at", sqlite_where=OPEN, postgresql_where=OPEN),
    )

    job_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    schedule_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("schedule.id"))
    due_at: Mapped[float]
    state: Mapped[str] = mapped_column(String(16))
    lane: Mapped[str] = mapped_column(String(16))
    definition: Mapped[dict[str, Any]]
    missed: Mapped[int]
    fired_at: Mapped[float]
    fired_by: Mapped[str]
    attempts: Mapped[int]
    not_before: Mapped[float | None]
    lease_until: Mapped[float | None]
    lease_holder: Mapped[str | None]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    told: Mapped[str | None]
