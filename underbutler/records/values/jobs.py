"""What goes into the records, what is granted and refused: frozen values. Times are seconds since 1970 UTC."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Protocol

from underbutler.errors import UsageError
from underbutler.model.job import TargetState
from underbutler.model.message import TargetMessage
from underbutler.model.notice import LargeFileObjectAvailable

__all__ = [
    "Claim",
    "Intent",
    "Layout",
    "NewJob",
    "NewStep",
    "NewTarget",
    "Outcome",
    "Outgoing",
    "Product",
    "StandDown",
    "StandDownReason",
    "Upload",
]

_TAKEN: Final = ("", "problems")
"""Labels that no step may have: the second is the stream of targets that are not done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTarget:
    """A target that is going to be recorded.

    Parameters
    ----------
    id
        Its identity.
    args
        Encoded Celery args, JSON.
    digest
        What `underbutler.model.message.digest_of` says of it.
    data_id
        Data ID, for people and queries.
    argsrepr, kwargsrepr
        The same in words.
    delay_s
        Nobody may claim it before, seconds from now.
    """

    id: uuid.UUID
    args: Sequence[Any]
    digest: str
    data_id: Mapping[str, int | str] = field(default_factory=dict)
    argsrepr: str = ""
    kwargsrepr: str = ""
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """A step of a job that is going to be recorded: a task, its config, and its targets.

    Parameters
    ----------
    label
        Its name within the job, and that of its stream in the catalogue if the job has several steps.
    task
        Registered name of the task.
    config
        The effective config, JSON.
    config_digest
        Digest of it.
    targets
        Its targets, in order.
    overrides
        The config's overrides, ``[[path, value], …]``.
    options
        The task's own options.
    """

    label: str
    task: str
    config: Any
    config_digest: str
    targets: Sequence[NewTarget]
    overrides: Sequence[Any] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job that is going to be recorded, with its steps and their targets.

    Parameters
    ----------
    id
        Its identity.
    repo, out
        Labels of the repositories that are read and written.
    run
        RUN collection of its outputs.
    user
        Who submits.
    queue
        Queue that its messages go to.
    steps
        What it does, in order; their targets are numbered through.
    request
        What the user asked for, JSON.
    versions
        Package versions.
    collections
        Collections that are searched.
    parent_id
        The job that this one retries.
    traceparent
        W3C trace context of the submission.
    token_handle
        Handle of the access token that its targets may use.
    lifetime_s
        Its rows and logs are destroyed so long from now, in seconds; None: never.
    replaces
        Ended targets that this job runs again; each may be run again by one job only.
    announced
        Whether `Submissions.announce` was called: then a submission that was given up meanwhile is refused.
    quote_s
        It is expected to end so long from now, in seconds; None: nobody knows.

    Raises
    ------
    UsageError
        If it has no step, or labels that cannot be told apart.
    """

    id: uuid.UUID
    repo: str
    out: str
    run: str
    user: str
    queue: str
    steps: Sequence[NewStep]
    request: Mapping[str, Any] | None = None
    versions: Mapping[str, Any] = field(default_factory=dict)
    collections: Sequence[str] = ()
    parent_id: uuid.UUID | None = None
    traceparent: str | None = None
    token_handle: str | None = None
    lifetime_s: float | None = None
    replaces: Sequence[uuid.UUID] = ()
    announced: bool = False
    quote_s: float | None = None

    def __post_init__(self) -> None:
        if not self.steps:
            raise UsageError(f"Job {self.id} has no step. Give it one: a task with its config and targets.")
        labels = Counter(step.label for step in self.steps)
        for label, number in labels.items():
            if number > 1:
                raise UsageError(
                    f"{number} steps of job {self.id} have the label {label!r}. Give each a label of its own.",
                    label=label,
                )
            if label in _TAKEN:
                raise UsageError(
                    f"A step of job {self.id} has the label {label!r}, which is a stream of every run or no name at "
                    "all. Give it another, e.g. the name of its task.",
                    label=label,
                )

    @property
    def task(self) -> str:
        """The task's name; that of each, if there are several: ``isr + combine``."""
        return " + ".join(dict.fromkeys(step.task for step in self.steps))

    @property
    def targets(self) -> list[NewTarget]:
        """The targets of all steps, in order."""
        return [target for step in self.steps for target in step.targets]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim that was granted: its number is the fence of everything that is done under it.

    Parameters
    ----------
    target, job, step
        What was claimed, and the ordinal of its step.
    claim_no
        Greater than that of every claim before.
    worker, pid, send_no
        Who claimed it, by which sending.
    deaths, worker_deaths, transient_retries
        How often the target's child died, its worker died, and a service was away.
    started_at, lease_until
        When it began, and when it is judged dead unless it is renewed.
    delivering
        Whether the science is done already: this claim resumes the delivery.
    queue, queued_at
        Where it waited, and since when; None where nobody asked.
    traceparent, token_handle
        Of the job: trace context and handle of the access token.
    """

    target: uuid.UUID
    job: uuid.UUID
    claim_no: int
    worker: str
    pid: int
    send_no: int
    deaths: int
    worker_deaths: int
    transient_retries: int
    started_at: float
    lease_until: float
    delivering: bool = False
    step: int = 0
    queue: str = ""
    queued_at: float | None = None
    traceparent: str | None = None
    token_handle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A dataset that a claim is going to write; `claim_no` says which, when it is read."""

    dataset_id: uuid.UUID
    dataset_type: str
    run: str
    data_id: Mapping[str, int | str] = field(default_factory=dict)
    claim_no: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A key of the annex that a claim is going to write."""

    bucket: str
    key: str


class Layout(Protocol):
    """What an image looks like: its shape, its dtype as numpy writes it, and the names of its axes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""

    @property
    def dtype(self) -> str:
        """Such as ``<f4``."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Such as ``("y", "x")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A dataset that a target made; with `url`, `byte_size` (bytes), `sha256`, `etag` once it is in the annex.

    `layout` is for the catalogue, and in no row of the records.
    """

    dataset_id: uuid.UUID
    dataset_type: str
    data_id: Mapping[str, int | str] = field(default_factory=dict)
    large: bool = False
    url: str | None = None
    byte_size: int | None = None
    sha256: str | None = None
    etag: str | None = None
    mime_type: str | None = None
    layout: Layout | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a target ended.

    Parameters
    ----------
    state
        A last state.
    exit_status
        Of the task runner.
    error_type, error_text
        Class and text of what was raised.
    reason
        Why the claim ended so, for people.
    seconds
        Wall clock of the target; None keeps what `Claims.begin_delivery` was given.
    scalars
        Scalar task metadata, for tables; None likewise.
    log, metadata
        What the claim said, and all of its metadata; kept with the claim.
    products
        Everything that it made, delivered where it is large.
    notices
        What is to be announced.
    claim_end
        One of `underbutler.model.job.CLAIM_ENDS`; by default the state's own, and ``failed`` for a held target.
    """

    state: TargetState
    exit_status: int | None = None
    error_type: str | None = None
    error_text: str | None = None
    reason: str | None = None
    seconds: float | None = None
    scalars: Mapping[str, Any] | None = None
    log: str | None = None
    metadata: Mapping[str, Any] | None = None
    products: Sequence[Product] = ()
    notices: Sequence[LargeFileObjectAvailable] = ()
    claim_end: str | None = None

    def replaced(self, **changes: Any) -> Outcome:
        """Return this outcome with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message that is to be sent now: whoever took it holds its send lease.

    Parameters
    ----------
    message
        The message, with a number of sending of its own.
    queue
        Where it goes.
    argsrepr, kwargsrepr
        What Flower shows.
    """

    message: TargetMessage
    queue: str
    argsrepr: str
    kwargsrepr: str

    @property
    def task_id(self) -> str:
        """The Celery task id of this sending, ``{target}.{send_no}``."""
        return self.message.envelope.task_id


class StandDownReason(StrEnum):
    """Why a message is not to be run."""

    UNKNOWN = "unknown"
    DIGEST = "digest"
    CANCELLED = "cancelled"
    ENDED = "ended"
    LIVE = "live"
    DELIVERING = "delivering"
    NOT_BEFORE = "not_before"
    BREAKER = "breaker"


class StandDown(Exception):  # noqa: N818 - it is no error: another copy of the message does the work, or nobody shall
    """The message is not to be run: acknowledge it and go on.

    Parameters
    ----------
    reason
        Why, for programs.
    target
        The target that the message names.
    text
        Why, for people.
    **fields
        What the text speaks of: `wait_s` for ``not_before`` and ``breaker``; `label`, `open_until` for the latter.
    """

    def __init__(self, reason: StandDownReason, target: uuid.UUID, text: str, **fields: Any) -> None:
        super().__init__(f"Target {target}: {text}")
        self.reason = reason
        self.target = target
        self.fields = fields
