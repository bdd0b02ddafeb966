"""Values of the service around the jobs: workers, submissions, quarantine, breakers, tokens, the sweeper's memory."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from underbutler.model.fingerprint import fingerprint_of

__all__ = [
    "BeatRow",
    "BreakerRow",
    "Parked",
    "ParkedRow",
    "Remembered",
    "Submission",
    "TokenRow",
    "Worker",
    "WorkerRow",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One start of a worker.

    Parameters
    ----------
    id
        ``{nodename}/{8 hex}``, new for every start: what claims name.
    name, host
        Celery's node name, and the machine.
    pid, keeper_pid
        Of its main process and of its keeper.
    queue
        What it consumes.
    concurrency
        How many children it has.
    """

    id: str
    name: str
    host: str
    pid: int
    keeper_pid: int
    queue: str
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A worker as recorded: when it was seen last, whether it signed off, why it takes nothing."""

    id: str
    name: str
    host: str
    pid: int
    keeper_pid: int
    queue: str
    concurrency: int
    started_at: float
    seen_at: float
    ended_at: float | None
    unfit_reason: str | None
    unfit_since: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a submission is going to write into the Butler before its job is recorded.

    Parameters
    ----------
    job
        Identity that the job will have.
    repo, out, run
        Where it reads and writes.
    own_run
        Whether the RUN collection is this job's alone.
    user
        Who submits.
    """

    job: uuid.UUID
    repo: str
    out: str
    run: str
    own_run: bool
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A message that nobody can run, as it came.

    Parameters
    ----------
    kind
        What is wrong with it, for programs.
    reason
        The same for people.
    queue
        Where it came from.
    raw
        Its bytes.
    task, headers
        What could be read of it.
    worker
        Who parks it.
    """

    kind: str
    reason: str
    queue: str
    raw: bytes
    task: str | None = None
    headers: Mapping[str, Any] | None = None
    worker: str = ""

    @property
    def digest(self) -> str:
        """Of queue, task, headers and bytes: the same message again is known by it."""
        headers = json.dumps(self.headers or {}, sort_keys=True, default=str)
        names = f"{self.queue}\0{self.task or ''}\0{headers}\0".encode("utf-8", "surrogatepass")
        return hashlib.sha256(names + self.raw).hexdigest()

    @property
    def fingerprint(self) -> str:
        """Of kind, name and reason: messages of one name that fail alike have the same."""
        return fingerprint_of(f"{self.kind} {self.task}" if self.task else self.kind, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRow:
    """A parked message as recorded; `count` says how often the same came."""

    id: uuid.UUID
    digest: str
    kind: str
    reason: str
    fingerprint: str
    queue: str
    task: str | None
    headers: dict[str, Any] | None
    raw: bytes
    worker: str
    count: int
    first_at: float
    last_at: float
    discarded_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatRow:
    """A beat as it told of itself: `name` is ``{host}/{pid}``, `faults` what is wrong with the schedule's file."""

    name: str
    seen_at: float
    leads: bool
    since: float
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRow:
    """A repository label's circuit breaker: open while `open_until` has not passed."""

    label: str
    failures: int
    trips: int
    open_until: float | None
    reason: str
    changed_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """An access token as kept, encrypted; `expired` by the database's clock."""

    handle: str
    user: str
    ciphertext: bytes
    expires_at: float
    created_at: float
    expired: bool

    def __repr__(self) -> str:
        return f"TokenRow(handle={self.handle!r}, user={self.user!r}, expires_at={self.expires_at})"


class Remembered(NamedTuple):
    """What the sweeper remembered, and when."""

    at: float
    body: Any
