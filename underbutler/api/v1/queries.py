"""What may be asked in queries and bodies, read strictly: what is misspelt is refused, not passed over."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json
from starlette.requests import Request

from underbutler.api.jobs.changes import BADLY_ENDED
from underbutler.errors import UsageError
from underbutler.model.job import Phase, TargetState
from underbutler.pipe.request import JobRequest

__all__ = [
    "REQUEST_BODY",
    "Again",
    "Body",
    "JobsQuery",
    "RerunAgain",
    "ResultsQuery",
    "TargetsQuery",
    "read_json",
    "seconds_of",
    "tags_of",
]

MOST: Final = 1000

EXAMPLE: Final = {
    "repo": "demo",
    "steps": [{"task": "processCcd", "ids": {"id": [["instrument=SIMCAM", "detector=0"]]}}],
    "tags": {"night": "20260101"},
}


REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/JobRequest"}, "example": EXAMPLE}},
    }
}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class JobsQuery(_Strict):
    """Which jobs are listed."""

    phase: list[Phase] = Field(default_factory=list)
    """In these phases; none given: in all but ARCHIVED."""
    task: str | None = None
    """Of this task."""
    tag: list[str] = Field(default_factory=list)
    """With this tag, NAME=TEXT; again for more, all of which a job has to have."""
    user: str | None = None
    """Of this user, for who sees others'."""
    since: datetime | None = None
    """Created after this instant (UTC if it says no zone)."""
    until: datetime | None = None
    """Created at this instant or before."""
    text: str | None = Field(None, min_length=1, max_length=200)
    """A text within id, task, RUN collection, tags or user."""
    cursor: str | None = Field(None, pattern=r"^\d{1,18}$")
    """What the page before said as `next`."""
    limit: int = Field(50, ge=1, le=MOST)
    """So many."""
    view: Literal["minimal", "full"] = "minimal"
    """How much is said of each."""


class TargetsQuery(_Strict):
    """Which targets of a job are listed."""

    state: list[TargetState] = Field(default_factory=list)
    """In these states; none given: all."""
    cursor: str | None = Field(None, pattern=r"^\d{1,18}$")
    """What the page before said as `next`."""
    limit: int = Field(200, ge=1, le=MOST)
    """So many."""


class ResultsQuery(_Strict):
    """Which page of a job's results is listed."""

    cursor: str | None = Field(None, pattern=r"^\d{1,18}$")
    """What the page before said as `next`."""
    limit: int = Field(200, ge=1, le=MOST)
    """So many."""


class RerunAgain(_Strict):
    """How a job is run again."""

    config: list[str] = Field(default_factory=list, examples=[["detect.threshold=5"]])
    """Overrides PATH=VALUE, after those of the job."""
    step: str | None = None
    """Only the step of this label."""
    check: bool = True
    """Whether a job is refused of which targets would fail."""


class Again(RerunAgain):
    """Which targets of a job are run again, and how."""

    states: list[TargetState] = Field(default_factory=lambda: list(BADLY_ENDED))
    """Those in these states."""
    targets: list[uuid.UUID] | None = Field(None, max_length=100_000)
    """Of them only these."""


def seconds_of(instant: datetime | None) -> float | None:
    """Return an instant in seconds since 1970 UTC."""
    if instant is None:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def tags_of(words: list[str]) -> list[tuple[str, str]]:
    """Return tags that were written as NAME=TEXT.

    Raises
    ------
    UsageError
        If one is not.
    """
    for word in words:
        if not re.match(r"[^=]+=", word):
            raise UsageError(f"tag: {word[:80]!r} should be NAME=TEXT, e.g. night=20260101.", field="tag")
    return [(name, text) for name, _, text in (word.partition("=") for word in words)]


def read_json(body: bytes) -> Any:
    """Return the JSON document of a body.

    Raises
    ------
    UsageError
        If it is none, or nested too deeply.
    """
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise UsageError(f"The body is not JSON: {error}. Send a JobRequest, see GET /openapi.json.") from error


async def _request(request: Request) -> JobRequest:
    return JobRequest.from_json(read_json(await request.body()))


Body: TypeAlias = Annotated[JobRequest, Depends(_request)]
"""The request in the body."""
