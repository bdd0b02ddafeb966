"""The spans of one attempt at a target: how long it waited, and what was done with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from underbutler.pipe.binding import references
from underbutler.telemetry import logs, tracing

if TYPE_CHECKING:
    from underbutler.model.message import Element, TargetMessage
    from underbutler.records import Claim

__all__ = ["attempted"]


@contextmanager
def attempted(message: TargetMessage, element: Element, claim: Claim, came_s: float) -> Iterator[None]:
    """Make the block the span of an attempt, in the trace of the target's job.

    Parameters
    ----------
    message, element
        The target as it came, and decoded.
    claim
        What was granted.
    came_s
        When its message came here, in seconds since 1970 UTC.
    """
    if not tracing.on():
        yield
        return
    envelope = message.envelope
    place: dict[str, Any] = {"parent": claim.traceparent or envelope.traceparent, "trace": claim.job}
    names: dict[str, Any] = {
        "job": str(claim.job),
        "target": str(claim.target),
        "task": message.task,
        "data_id": message.argsrepr,
        "repo": next((ref.repo for ref in references(element)), None),
        "attempt": claim.claim_no,
    }
    before = {claim.job: tracing.attempt_identity(claim.target, claim.claim_no - 1)} if claim.claim_no > 1 else {}
    sent_s = min(envelope.sent_at, came_s)  # by the sender's clock
    tracing.record("queue", kind="consumer", start_s=sent_s, end_s=came_s, **place, **names)
    with tracing.span(
        f"attempt {message.task}",
        kind="consumer",
        start_s=came_s,
        identity=tracing.attempt_identity(claim.target, claim.claim_no),
        links=before,
        worker=claim.worker,
        **place,
        **names,
    ):
        tracing.record("claim", start_s=came_s, end_s=time.time())
        logs.bind_target(trace_id=tracing.trace_id_of(tracing.traceparent()))
        yield
