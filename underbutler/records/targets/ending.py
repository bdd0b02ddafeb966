"""How a claim ends when its target does not end with it, or ends without it: given back, dead, cut, past its time.

One function decides where the target goes; child, keeper and sweeper all go through it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final, Literal

from sqlalchemy import Connection, select, update

from underbutler.model.fingerprint import fingerprint_of
from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Claim as ClaimTable
from underbutler.records.tables.jobs import Target
from underbutler.records.writing.counting import end_targets
from underbutler.records.writing.fence import kept, kept_log
from underbutler.records.writing.recorder import Recorder
from underbutler.redaction import redacted
from underbutler.sql import database_now

__all__ = ["OF_WORKERS", "ClaimEnd", "GiveBackEnd", "end_locked", "lock_claimed", "state_after"]

GiveBackEnd = Literal["given_back", "transient", "died"]
ClaimEnd = Literal["given_back", "died", "worker_died", "expired", "aborted", "timed_out"]

OF_WORKERS: Final = ("worker_died", "expired")
_DEAD: Final = ("died", *OF_WORKERS)
_SHOWN: Final = 30
"""Dead claims whose reasons a held target names."""


def state_after(
    end: str,
    state: TargetState,
    *,
    cancel_requested: bool,
    deaths: int,
    worker_deaths: int,
    max_deaths: float,
    max_worker_deaths: float,
) -> TargetState:
    """Tell where a target goes when its claim ends.

    Parameters
    ----------
    end
        How the claim ends.
    state
        Running or delivering.
    cancel_requested
        Whether the target is to be aborted: then it is, however its claim ends.
    deaths, worker_deaths
        How often its child and its worker have died, this time counted.
    max_deaths, max_worker_deaths
        From how many on it is held.
    """
    if end == "aborted" or cancel_requested:
        return TargetState.ABORTED
    if end == "timed_out":
        return TargetState.FAILED
    if end == "died" and deaths >= max_deaths:
        return TargetState.HELD
    if end in OF_WORKERS and worker_deaths >= max_worker_deaths:
        return TargetState.HELD
    return TargetState.DELIVERING if state is TargetState.DELIVERING else TargetState.QUEUED


def lock_claimed(connection: Connection, target: uuid.UUID, claim_no: int) -> Any:
    """Lock the target of a claim that holds; None when it does not hold."""
    return connection.execute(
        select(
            Target.id,
            Target.job_id,
            Target.state,
            Target.claim_no,
            Target.deaths,
            Target.worker_deaths,
            Target.transient_retries,
            Target.cancel_requested,
            Target.lease_until,
            Target.lease_worker,
            database_now().label("now"),
        )
        .where(Target.id == target, Target.claim_no == claim_no, Target.lease_until.is_not(None))
        # FOR NO KEY UPDATE: rows that refer to the target may be inserted meanwhile.
        .with_for_update(key_share=True)
    ).one_or_none()


def end_locked(
    connection: Connection,
    recorder: Recorder,
    row: Any,
    state: TargetState,
    *,
    end: str,
    reason: str,
    delay_s: float,
    log: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """End a locked claim, and bring its target to a state: targets first, then their job."""
    connection.execute(
        update(ClaimTable)
        .where(ClaimTable.target_id == row.id, ClaimTable.claim_no == row.claim_no)
        .values(
            ended_at=row.now,
            end=end,
            reason=kept(reason),
            log=kept_log(log),
            metadata_=None if metadata is None else redacted(dict(metadata)),
        )
    )
    values: dict[str, Any] = {
        "state": state,
        "lease_until": None,
        "lease_worker": None,
        "lease_pid": None,
        "deaths": row.deaths + (end == "died"),
        "worker_deaths": row.worker_deaths + (end in OF_WORKERS),
        "transient_retries": row.transient_retries + (end == "transient"),
    }
    if state.ended:
        values |= {"ended_at": row.now} | _words_of_end(connection, row, state, reason)
    else:
        # Its message is gone with the claim: the outbox has to make another one.
        values |= {
            "queued_at": row.now,
            "sent_at": None,
            "send_lease_until": None,
            "not_before": row.now + delay_s if delay_s > 0 else None,
        }
    connection.execute(update(Target).where(Target.id == row.id).values(values))
    if state.ended:
        end_targets(connection, recorder, row.job_id, [row.id])


def _words_of_end(connection: Connection, row: Any, state: TargetState, reason: str) -> dict[str, Any]:
    if state is TargetState.FAILED:
        return {"exit_status": 1, "error_type": "TimedOut", "error_text": kept(reason)}
    if state is not TargetState.HELD:
        return {}
    dead = connection.execute(
        select(ClaimTable.claim_no, ClaimTable.worker, ClaimTable.end, ClaimTable.reason)
        .where(ClaimTable.target_id == row.id, ClaimTable.end.in_(_DEAD))
        .order_by(ClaimTable.claim_no.desc())
        .limit(_SHOWN)
    ).all()
    words = "\n".join(f"claim {one.claim_no} by {one.worker} {one.end}: {one.reason}" for one in reversed(dead))
    return {"error_type": "Held", "error_text": kept(words), "fingerprint": fingerprint_of("Held", words)}
