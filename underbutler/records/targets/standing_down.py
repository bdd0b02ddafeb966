"""Why a target was not to be claimed, as it stands now."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, select

from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Job, Target
from underbutler.records.tables.service import Breaker
from underbutler.records.values.jobs import StandDown, StandDownReason
from underbutler.sql import database_now, read

__all__ = ["stand_down"]


def stand_down(engine: Engine, target: uuid.UUID, digest: str) -> StandDown:
    """Say why a target was not claimable, as it stands now."""
    row = _look(engine, target)
    breaker = None if row is None else _open_breaker(engine, [row.repo, row.out])
    fields: dict[str, Any] = {}
    if row is None:
        reason, words = StandDownReason.UNKNOWN, "not found in the job database; submit with `underbutler submit`."
    elif row.digest != digest:
        reason, words = StandDownReason.DIGEST, "the message is an old copy: its digest is not the target's."
    elif row.cancel_requested and (row.state is TargetState.ABORTED or not row.state.ended):
        reason, words = StandDownReason.CANCELLED, "it is cancelled."
    elif row.state.ended:
        reason, words = StandDownReason.ENDED, f"it has ended already: {row.state.value}."
    elif row.lease_until is not None:
        delivering = row.state is TargetState.DELIVERING
        reason = StandDownReason.DELIVERING if delivering else StandDownReason.LIVE
        words = f"it is live in claim {row.claim_no} by {row.lease_worker}: {row.state.value}."
    elif breaker is not None:
        wait_s = max(0.0, breaker.open_until - row.now)
        fields = {"label": breaker.label, "open_until": breaker.open_until, "wait_s": wait_s}
        reason = StandDownReason.BREAKER
        words = (
            f"the circuit breaker for repository {breaker.label!r} is open for another {wait_s:.0f} s: {breaker.reason}"
        )
    else:  # what could be claimed by now was given back a moment ago: its message is sent again
        fields = {"wait_s": max(0.0, (row.not_before or 0.0) - row.now)}
        reason, words = StandDownReason.NOT_BEFORE, f"it must wait {fields['wait_s']:.1f} s; it will be sent again."
    return StandDown(reason, target, words, **fields)


def _look(engine: Engine, target: uuid.UUID) -> Any:
    with read(engine) as connection:
        return connection.execute(
            select(
                Target.state,
                Target.digest,
                Target.claim_no,
                Target.not_before,
                Target.lease_until,
                Target.lease_worker,
                Target.cancel_requested,
                Job.repo,
                Job.out,
                database_now().label("now"),
            )
            .join(Job, Job.id == Target.job_id)
            .where(Target.id == target)
        ).one_or_none()


def _open_breaker(engine: Engine, labels: Sequence[str]) -> Any:
    with read(engine) as connection:
        return connection.execute(
            select(Breaker.label, Breaker.open_until, Breaker.reason)
            .where(Breaker.label.in_(labels), Breaker.open_until > database_now())
            .order_by(Breaker.open_until.desc())
            .limit(1)
        ).one_or_none()
