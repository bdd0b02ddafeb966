"""What a keeper tells of a claim that it ends: whose lines are whose, what its child said last, and its span."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path

from underbutler.records import HeldClaim
from underbutler.telemetry import claim_log_file as black_box
from underbutler.telemetry import logs, tracing

__all__ = ["about", "last_words", "tell_trace"]


def about(claim: HeldClaim) -> AbstractContextManager[None]:
    """Bind what is known of a claim's target."""
    names: dict[str, object] = {
        "job": str(claim.job),
        "target": str(claim.target),
        "task": claim.task,
        "data_id": claim.argsrepr,
        "attempt": claim.claim_no,
    }
    trace = tracing.trace_id_of(claim.traceparent)
    return logs.bound(**names, **({"trace_id": trace} if trace else {}))


def last_words(box: Path | None, claim: HeldClaim, *, forget: bool = False) -> str | None:
    """Return the log of a claim whose child could not give it to the records."""
    return black_box.take(box, claim.target, claim.claim_no, remove=forget)


def tell_trace(claim: HeldClaim, end: str, reason: str) -> None:
    """Tell the trace of an attempt whose process can tell nothing any more."""
    tracing.record(
        f"attempt {claim.task}",
        kind="consumer",
        parent=claim.traceparent,
        trace=claim.job,
        identity=tracing.attempt_identity(claim.target, claim.claim_no),
        start_s=claim.started_at,  # by the database's clock
        end_s=time.time(),
        error=f"{end}: {reason}",
        job=str(claim.job),
        target=str(claim.target),
        task=claim.task,
        data_id=claim.argsrepr,
        attempt=claim.claim_no,
        worker=claim.worker,
        end=end,
    )
