"""A claim's life: granted, renewed, in delivery. How it ends is in `completion` and `ending`.

Every change is guarded by the claim number AND the target's state, as one chain of writes: nothing is half-done, and a
claim that was overtaken changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Engine, select

from underbutler.chain import Chain, Kind, json_text, rows_parameter
from underbutler.model.job import TargetState
from underbutler.redaction import redacted
from underbutler.sql import database_now, read

from .fence import HOLDS, accept_repeated, fence, fenced_out, row_uuid
from .integrity import conflicts
from .products import FOREIGN_PRODUCT, PRODUCT, RECORD_PRODUCTS, product_rows
from .service_tables import Breaker
from .tables import Job, Target
from .values import Claim, Product, StandDown, StandDownReason, Upload

__all__ = ["add_uploads", "begin_delivery", "claim", "renew"]

_CLAIM: Final = Chain(
    first="""
        UPDATE target SET
            state = CASE state WHEN 'queued' THEN 'running' ELSE state END, claim_no = claim_no + 1,
            started_at = {now}, lease_until = {now} + :lease_s, lease_worker = :worker, lease_pid = :pid,
            sent_at = coalesce(sent_at, {now}), send_lease_until = NULL,
            not_before = NULL, waiting_since = NULL, waiting_reason = NULL
        WHERE id = :target AND digest = :digest AND state IN ('queued', 'delivering') AND lease_until IS NULL
            AND coalesce(not_before, 0) <= {now} AND NOT cancel_requested
            AND NOT EXISTS (SELECT 1 FROM breaker JOIN job ON breaker.label IN (job.repo, job.out)
                WHERE breaker.open_until > {now} AND job.id = target.job_id)
        RETURNING id, job_id, claim_no, deaths, worker_deaths, transient_retries, started_at, lease_until,
            queue, queued_at, state = 'delivering' AS delivering,
            (SELECT job.traceparent FROM job WHERE job.id = target.job_id) AS traceparent,
            (SELECT job.token_handle FROM job WHERE job.id = target.job_id) AS token_handle""",
    columns=(
        "id", "job_id", "claim_no", "deaths", "worker_deaths", "transient_retries", "started_at", "lease_until",
        "queue", "queued_at", "delivering", "traceparent", "token_handle",
    ),
    followers=(
        """INSERT INTO claim (target_id, claim_no, worker, pid, pid_started, send_no, started_at)
            SELECT first.id, first.claim_no, :worker, :pid, :pid_started, :send_no, first.started_at FROM first""",
        """UPDATE job SET phase = 'EXECUTING', started_at = first.started_at
            FROM first WHERE job.id = first.job_id AND job.phase = 'QUEUED'""",
    ),
)  # fmt: skip

_RENEW: Final = Chain(
    first=f"UPDATE target SET lease_until = {{now}} + :lease_s WHERE {HOLDS} RETURNING id",  # noqa: S608 - our own words
    columns=("id",),
)

_UPLOAD: Final[Mapping[str, Kind]] = {"bucket": "text", "key": "text"}
_RECORD_UPLOADS: Final = """INSERT INTO upload (target_id, claim_no, created_at, bucket, key)
            SELECT first.id, first.claim_no, first.moment, planned.bucket, planned.key
            FROM first, {uploads} AS planned WHERE true
            ON CONFLICT (bucket, key) DO NOTHING"""

_BEGIN_DELIVERY: Final = Chain(
    first=f"""
        UPDATE target SET state = 'delivering', scalars = :scalars, seconds = :seconds
        WHERE {HOLDS} AND state = 'running'
        RETURNING id, claim_no, {{now}} AS moment""",  # noqa: S608 - our own words
    columns=("id", "claim_no", "moment"),
    followers=(RECORD_PRODUCTS, _RECORD_UPLOADS),
    rows={"products": PRODUCT, "uploads": _UPLOAD},
)

_ADD_UPLOADS: Final = Chain(
    first=f"UPDATE target SET claim_no = claim_no WHERE {HOLDS} RETURNING id, claim_no, {{now}} AS moment",  # noqa: S608
    columns=("id", "claim_no", "moment"),
    followers=(_RECORD_UPLOADS,),
    rows={"uploads": _UPLOAD},
)


def claim(
    engine: Engine,
    *,
    target: uuid.UUID,
    digest: str,
    send_no: int,
    worker: str,
    pid: int,
    lease_s: float,
    pid_started: float | None,
) -> Claim:
    """Claim a target; see `JobStore.claim`."""
    parameters = {
        "target": target,
        "digest": digest,
        "send_no": send_no,
        "worker": worker,
        "pid": pid,
        "pid_started": pid_started,
        "lease_s": float(lease_s),
    }
    row = _CLAIM.run(engine, parameters)
    if row is None:
        raise _stand_down(engine, target, digest)
    return Claim(
        target=row_uuid(row.pop("id")),
        job=row_uuid(row.pop("job_id")),
        worker=worker,
        pid=pid,
        send_no=send_no,
        delivering=bool(row.pop("delivering")),
        **row,
    )


def renew(engine: Engine, held: Claim, lease_s: float) -> bool:
    """Prolong the lease; see `JobStore.renew`."""
    return _RENEW.run(engine, fence(held) | {"lease_s": float(lease_s)}) is not None


def begin_delivery(
    engine: Engine,
    held: Claim,
    products: Sequence[Product],
    *,
    scalars: Mapping[str, Any] | None,
    seconds: float | None,
    uploads: Sequence[Upload],
) -> None:
    """Go from running to delivering; see `JobStore.begin_delivery`."""
    parameters = fence(held) | {
        "scalars": json_text(None if scalars is None else redacted(dict(scalars))),
        "seconds": seconds,
        "products": product_rows(products, engine),
        "uploads": _upload_rows(uploads, engine),
    }
    with conflicts(FOREIGN_PRODUCT):
        row = _BEGIN_DELIVERY.run(engine, parameters)
    if row is None:
        accept_repeated(engine, held, None, TargetState.DELIVERING)


def add_uploads(engine: Engine, held: Claim, uploads: Sequence[Upload]) -> None:
    """Record keys that a claim is going to write; see `JobStore.add_uploads`."""
    if _ADD_UPLOADS.run(engine, fence(held) | {"uploads": _upload_rows(uploads, engine)}) is None:
        raise fenced_out(held, "it may deliver nothing")


def _upload_rows(uploads: Sequence[Upload], engine: Engine) -> str:
    return rows_parameter(({"bucket": one.bucket, "key": one.key} for one in uploads), _UPLOAD, engine)


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


def _stand_down(engine: Engine, target: uuid.UUID, digest: str) -> StandDown:
    """Say why a target was not claimable, as it stands now."""
    row = _look(engine, target)
    breaker = None if row is None else _open_breaker(engine, [row.repo, row.out])
    fields: dict[str, Any] = {}
    if row is None:
        reason, words = StandDownReason.UNKNOWN, "the records do not know it; submit with `underbutler submit`."
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
        words = f"the repository {breaker.label!r} is left alone for {wait_s:.0f} s: {breaker.reason}"
    else:  # what could be claimed by now was given back a moment ago: its message is sent again
        fields = {"wait_s": max(0.0, (row.not_before or 0.0) - row.now)}
        reason, words = StandDownReason.NOT_BEFORE, f"it must wait {fields['wait_s']:.1f} s; it will be sent again."
    return StandDown(reason, target, words, **fields)
