"""What a server answers, as values. What a later release adds is kept, and reachable by its name."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ENDED", "Event", "Job", "Notice", "Product", "Target"]

ENDED = frozenset({"COMPLETED", "ERROR", "ABORTED", "ARCHIVED"})
"""Phases after which nothing of a job changes."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)


class Job(_Document):
    """A job as it was when the server was asked."""

    id: UUID
    """Its identity, for all other calls."""
    phase: str
    """PENDING, QUEUED, EXECUTING, COMPLETED, ERROR, ABORTED, HELD, SUSPENDED or ARCHIVED, as UWS 1.1 has them."""
    task: str
    """Name of its task."""
    repo: str
    """Label of its repository."""
    user: str
    """Whose it is."""
    n_targets: int = 0
    """Of how many targets it is; 0 of one that has not begun."""
    n_open: int = 0
    """How many have not ended."""
    n_failed: int = 0
    """How many ended badly."""
    run: str | None = None
    """RUN collection of its outputs."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Numbers of targets by state."""
    error: Any = None
    """What is wrong with it as a whole, if anything."""
    created_at: datetime | None = None
    """When it was made, UTC."""
    ended_at: datetime | None = None
    """When its last target ended, UTC."""

    @property
    def ended(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.phase in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether every target is done."""
        return self.phase == "COMPLETED"


class Target(_Document):
    """One data ID of a job."""

    id: UUID
    """Its identity."""
    state: str
    """What it is: queued, running, delivering, done, failed, held or aborted."""
    task: str | None = None
    """Name of its task."""
    data_id: Any = None
    """What it is of."""
    seconds: float | None = None
    """How long its science took, in seconds."""
    error_text: str | None = None
    """Why it failed."""
    waiting_reason: str | None = None
    """Why it waits."""
    scalars: dict[str, Any] | None = None
    """What it measured."""


class Product(_Document):
    """A dataset that a job made."""

    href: str
    """Where it is fetched."""
    dataset_type: str
    """What it is: ``processCcd_calexp``, ``processCcd_src``."""
    dataset_id: UUID | None = None
    """UUID of the dataset."""
    data_id: Any = None
    """What it is of."""
    byte_size: int | None = None
    """Its length in bytes, where it was announced."""
    sha256: str | None = None
    """Its SHA-256 in hexadecimal, where it was announced."""
    mime_type: str | None = None
    """What kind of file it is."""


class Notice(_Document):
    """A large file that is available."""

    id: str
    """The same for each time that this notice comes."""
    url: str
    """``s3://bucket/key``."""
    generator: str = ""
    """Which task and dataset type made it."""
    byte_size: int | None = Field(None, alias="byteSize")
    """Its length in bytes."""
    sha256: str | None = Field(None, alias="checkSum")
    """Its SHA-256 in hexadecimal."""
    mime_type: str | None = Field(None, alias="mimeType")
    """What kind of file it is."""


class Event(_Document):
    """Something that changed, as the records have it."""

    id: str
    """Its place in the order of all; after it the next connection goes on."""
    kind: str
    """What it tells of."""
    data: Any = None
    """What it tells."""
