"""What guards a claim's changes, and what is said when it no longer holds."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Engine, select

from underbutler.chain import json_text
from underbutler.errors import FencedOutError
from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Claim as ClaimTable
from underbutler.records.tables.jobs import Target
from underbutler.records.values.jobs import Claim
from underbutler.redaction import redacted, redacted_text
from underbutler.sql import read

__all__ = [
    "END_CLAIM",
    "HOLDS",
    "accept_repeated",
    "fence",
    "fenced_out",
    "kept",
    "kept_log",
    "of_claim",
    "row_uuid",
]

TEXT_LIMIT: Final = 64 * 1024
"""Longest reason or error text that is kept, in characters."""
LOG_LIMIT: Final = 1024 * 1024
"""Longest log of a claim that is kept, in characters; the end counts most."""

HOLDS: Final = "id = :target AND claim_no = :claim_no AND lease_until IS NOT NULL"
"""The claim is the target's latest and was not ended: a delivery that waits to be resumed has no lease."""

END_CLAIM: Final = """UPDATE claim SET
                ended_at = first.moment, "end" = :claim_end, reason = :reason, log = :log, metadata = :metadata
            FROM first WHERE claim.target_id = first.id AND claim.claim_no = first.claim_no"""
"""The follower that ends a claim together with what the first step did."""


def fence(held: Claim) -> dict[str, Any]:
    """Return the parameters of `HOLDS`."""
    return {"target": held.target, "claim_no": held.claim_no}


def of_claim(end: str, reason: str | None, log: str | None, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the parameters of `END_CLAIM`."""
    return {
        "claim_end": end,
        "reason": kept(reason),
        "log": kept_log(log),
        "metadata": json_text(None if metadata is None else redacted(dict(metadata))),
    }


def kept(words: str | None) -> str | None:
    """Return as much of a text as is kept."""
    return None if words is None else _storable(words)[:TEXT_LIMIT]


def kept_log(log: str | None) -> str | None:
    """Return as much of a log as is kept: its end."""
    return None if log is None else _storable(log)[-LOG_LIMIT:]


def _storable(words: str) -> str:
    """Return a text that both databases take, without secrets: an error's text may hold anything."""
    return redacted_text(words).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def row_uuid(value: uuid.UUID | str) -> uuid.UUID:
    """Return an identity as a textual statement gave it."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def accept_repeated(engine: Engine, held: Claim, end: str | None, *states: TargetState) -> TargetState:
    """Accept a repeated call whose first answer was lost, and return the state it led to.

    Raises
    ------
    FencedOutError
        If it was not this claim that ended so and brought its target to one of `states`.
    """
    with read(engine) as connection:
        row = connection.execute(
            select(Target.state, Target.claim_no, ClaimTable.end)
            .join(ClaimTable, (ClaimTable.target_id == Target.id) & (ClaimTable.claim_no == held.claim_no))
            .where(Target.id == held.target)
        ).one_or_none()
    if row is not None and row.claim_no == held.claim_no and row.state in states and row.end == end:
        return TargetState(row.state)
    if row is None:
        raise fenced_out(held, "not found in the job database")
    words = f"the target is {row.state.value} in claim {row.claim_no}, so its work is not made visible"
    raise fenced_out(held, words, row.state.value)


def fenced_out(held: Claim, words: str, state: str | None = None) -> FencedOutError:
    """Return the error of a claim that no longer holds."""
    return FencedOutError(
        f"Claim {held.claim_no} of target {held.target} no longer holds: {words}; look at `underbutler status JOB -v`.",
        target=str(held.target),
        claim_no=held.claim_no,
        state=state,
    )
