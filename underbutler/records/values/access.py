"""Who asks over HTTP, what was done, what happened: frozen values. Times are seconds since 1970 UTC."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["AuditRow", "CredentialRow", "Deed", "EventRow", "KeyRow", "ListQuery", "NewCredential", "NewPending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A bearer token that is going to be recorded, by its digest.

    Parameters
    ----------
    id, digest
        Its public part, and SHA-256 of its secret part, hexadecimal.
    user, note
        Whose it is, and what it is for.
    scopes
        What it is good for.
    repos
        Labels that it is good for; None: all.
    lifetime_s
        It ends so long from now, in seconds; None: never.
    """

    id: str
    digest: str
    user: str
    note: str
    scopes: Sequence[str]
    repos: Sequence[str] | None = None
    lifetime_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRow:
    """A bearer token as recorded. `live` says whether it was neither revoked nor expired when it was read."""

    id: str
    digest: str
    user: str
    note: str
    scopes: list[str]
    repos: list[str] | None
    created_at: float
    expires_at: float | None
    used_at: float | None
    revoked_at: float | None
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What somebody did, for the audit.

    Parameters
    ----------
    who, credential
        Who, and by which bearer token; None where there was none.
    origin
        From where: an address, or ``command line``.
    action, subject
        What, and to what.
    result
        ``ok``, or why not.
    """

    who: str
    credential: str | None
    origin: str
    action: str
    subject: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A line of the audit."""

    seq: int
    at: float
    who: str
    credential: str | None
    origin: str
    action: str
    subject: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """The key of a request as recorded; `mine` says whether who asked has to make the job."""

    digest: str
    job_id: uuid.UUID
    mine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """What happened, with what its job and target say of themselves now; both may have been destroyed since.

    `cursor` is its place in the order of events.
    """

    cursor: str
    at: float
    kind: str
    job_id: uuid.UUID
    target_id: uuid.UUID | None
    state: str | None
    ref: str | None
    user: str | None
    task: str | None
    repo: str | None
    out: str | None
    data_id: dict[str, Any] | None
    ordinal: int | None
    notice: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPending:
    """A request that is stored, and understood later.

    Parameters
    ----------
    id, user
        Identity of the job to be, and whose it is.
    parameters
        What is asked, names and values.
    task, repo, out
        For people, as far as it is known.
    needs_approval
        Whether somebody else has to approve it.
    execution_duration_s
        Seconds that its targets may take from the first claim on; None: as long as they like.
    destruction_at
        When it is destroyed.
    """

    id: uuid.UUID
    user: str
    parameters: Sequence[Sequence[str]]
    task: str = ""
    repo: str = ""
    out: str = ""
    needs_approval: bool = False
    execution_duration_s: float | None = None
    destruction_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """Which jobs are listed; what is None or empty chooses nothing.

    Parameters
    ----------
    user, repos
        Whose, and of which labels: what the reader may see.
    phases
        In these phases; empty: all but ARCHIVED.
    owner, task
        Of this user and of this task.
    tags
        With all of these tags.
    since, until
        Created after the first, and before or at the second.
    text
        A text within id, task, RUN collection, tags or user.
    before
        Only jobs with a smaller `scan_id`.
    limit
        So many, the newest first.
    waiting_for_approval
        Whether those of others that wait for an approval may be seen, too.
    """

    user: str | None = None
    repos: Sequence[str] | None = None
    phases: Sequence[str] = ()
    owner: str | None = None
    task: str | None = None
    tags: Sequence[tuple[str, str]] = ()
    since: float | None = None
    until: float | None = None
    text: str | None = None
    before: int | None = None
    limit: int | None = None
    waiting_for_approval: bool = False
