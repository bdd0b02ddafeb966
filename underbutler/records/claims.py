"""A claim's life: granted, renewed, given back, or brought to an end together with its target.

Every change is guarded by the claim number AND the target's state, as one chain of writes: nothing is half-done, and a
claim that was overtaken changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

from sqlalchemy import Engine, select

from underbutler.errors import FencedOutError, UsageError
from underbutler.model.job import CLAIM_ENDS, TargetState, may_follow
from underbutler.sql import database_now, read

from .chain import Chain, Kind, json_text, rows_parameter
from .integrity import conflicts
from .tables import Claim as ClaimTable
from .tables import Job, Target
from .values import Claim, Outcome, Product, StandDown, StandDownReason

__all__ = ["GiveBackEnd", "begin_delivery", "claim", "complete", "give_back", "renew"]

GiveBackEnd = Literal["given_back", "transient", "died"]

TEXT_LIMIT: Final = 64 * 1024
"""Longest reason or error text that is kept, in characters."""
LOG_LIMIT: Final = 1024 * 1024
"""Longest log of a claim that is kept, in characters; the end counts most."""

_CLAIM: Final = Chain(
    first="""
        UPDATE target SET
            state = 'running', claim_no = target.claim_no + 1,
            started_at = {now}, lease_until = {now} + :lease_s, lease_worker = :worker, lease_pid = :pid,
            sent_at = coalesce(target.sent_at, {now}), send_lease_until = NULL, not_before = NULL,
            worker_deaths = target.worker_deaths + CASE target.state WHEN 'running' THEN 1 ELSE 0 END
        FROM job
        WHERE target.id = :target AND target.digest = :digest
            AND job.id = target.job_id AND job.phase IN ('QUEUED', 'EXECUTING') AND NOT job.cancel_requested
            AND (target.state = 'queued' AND coalesce(target.not_before, 0) <= {now}
                OR target.state = 'running' AND target.lease_until < {now})
        RETURNING target.id, target.job_id, target.claim_no, target.deaths, target.worker_deaths,
            target.transient_retries, target.started_at, target.lease_until""",
    columns=(
        "id", "job_id", "claim_no", "deaths", "worker_deaths", "transient_retries", "started_at", "lease_until",
    ),
    followers=(
        """UPDATE claim SET ended_at = first.started_at, "end" = 'expired', reason = 'its lease ran out'
            FROM first
            WHERE claim.target_id = first.id AND claim.claim_no = first.claim_no - 1 AND claim.ended_at IS NULL""",
        """INSERT INTO claim (target_id, claim_no, worker, pid, send_no, started_at)
            SELECT first.id, first.claim_no, :worker, :pid, :send_no, first.started_at FROM first""",
        """UPDATE job SET phase = 'EXECUTING', started_at = first.started_at
            FROM first WHERE job.id = first.job_id AND job.phase = 'QUEUED'""",
    ),
)  # fmt: skip

_RENEW: Final = Chain(
    first="""
        UPDATE target SET lease_until = {now} + :lease_s
        WHERE id = :target AND claim_no = :claim_no AND state IN ('running', 'delivering')
        RETURNING id""",
    columns=("id",),
)

_END_CLAIM: Final = """UPDATE claim SET
                ended_at = first.moment, "end" = :claim_end, reason = :reason, log = :log, metadata = :metadata
            FROM first WHERE claim.target_id = first.id AND claim.claim_no = first.claim_no"""

_GIVE_BACK: Final = Chain(
    first="""
        UPDATE target SET
            state = 'queued', queued_at = {now}, sent_at = NULL, send_lease_until = NULL,
            not_before = CASE WHEN :delay_s > 0 THEN {now} + :delay_s END,
            lease_until = NULL, lease_worker = NULL, lease_pid = NULL,
            deaths = deaths + :died, transient_retries = transient_retries + :transient
        WHERE id = :target AND claim_no = :claim_no AND state = 'running'
        RETURNING id, claim_no, queued_at AS moment""",
    columns=("id", "claim_no", "moment"),
    followers=(_END_CLAIM,),
)

_PRODUCT: Final[Mapping[str, Kind]] = {
    "dataset_id": "uuid",
    "dataset_type": "text",
    "data_id": "json",
    "large": "boolean",
    "url": "text",
    "byte_size": "bigint",
    "sha256": "text",
    "etag": "text",
    "mime_type": "text",
}
_NOTICE: Final[Mapping[str, Kind]] = {"id": "text", "body": "json", "routing_key": "text"}

_PRODUCT_COLUMNS = ", ".join(_PRODUCT)
_RECORD_PRODUCTS: Final = f"""INSERT INTO product (target_id, claim_no, delivered_at, {_PRODUCT_COLUMNS})
            SELECT first.id, first.claim_no, CASE WHEN url IS NOT NULL THEN first.moment END, {_PRODUCT_COLUMNS}
            FROM first, {{products}} AS made WHERE true
            ON CONFLICT (dataset_id) DO UPDATE SET
                target_id = CASE WHEN product.target_id = excluded.target_id THEN product.target_id END,
                claim_no = excluded.claim_no, large = excluded.large, url = excluded.url,
                byte_size = excluded.byte_size, sha256 = excluded.sha256, etag = excluded.etag,
                mime_type = excluded.mime_type,
                delivered_at = excluded.delivered_at"""  # noqa: S608 - our own column names
# A dataset that another target made would make its target_id null: the constraint then undoes the whole chain.

_BEGIN_DELIVERY: Final = Chain(
    first="""
        UPDATE target SET state = 'delivering'
        WHERE id = :target AND claim_no = :claim_no AND state = 'running'
        RETURNING id, claim_no, {now} AS moment""",
    columns=("id", "claim_no", "moment"),
    followers=(_RECORD_PRODUCTS,),
    rows={"products": _PRODUCT},
)

_COMPLETE: Final = Chain(
    first="""
        UPDATE target SET
            state = :state, ended_at = {now}, lease_until = NULL, lease_worker = NULL, lease_pid = NULL,
            deaths = deaths + :died, transient_retries = transient_retries + :transient,
            exit_status = :exit_status, error_type = :error_type, error_text = :error_text, seconds = :seconds,
            scalars = :scalars
        WHERE id = :target AND claim_no = :claim_no AND (state = 'running' OR state = :other_before)
        RETURNING id, job_id, claim_no, ended_at AS moment""",
    columns=("id", "job_id", "claim_no", "moment"),
    followers=(
        _END_CLAIM,
        _RECORD_PRODUCTS,
        """INSERT INTO notice (job_id, target_id, created_at, id, body, routing_key)
            SELECT first.job_id, first.id, first.moment, made.id, body, routing_key
            FROM first, {notices} AS made WHERE true
            ON CONFLICT (id) DO NOTHING""",
        """UPDATE job SET
            n_open = n_open - 1, n_failed = n_failed + :failed, n_aborted = n_aborted + :aborted,
            phase = CASE
                WHEN n_open > 1 THEN phase
                WHEN n_failed + :failed > 0 THEN 'ERROR'
                WHEN n_aborted + :aborted > 0 THEN 'ABORTED'
                ELSE 'COMPLETED' END,
            ended_at = CASE WHEN n_open > 1 THEN NULL ELSE {now} END
            FROM first WHERE job.id = first.job_id""",
    ),
    rows={"products": _PRODUCT, "notices": _NOTICE},
)


def claim(
    engine: Engine, *, target: uuid.UUID, digest: str, send_no: int, worker: str, pid: int, lease_s: float
) -> Claim:
    """Claim a target; see `JobStore.claim`."""
    parameters = {
        "target": target,
        "digest": digest,
        "send_no": send_no,
        "worker": worker,
        "pid": pid,
        "lease_s": float(lease_s),
    }
    row = _CLAIM.run(engine, parameters)
    if row is None:
        raise _stand_down(engine, target, digest)
    return Claim(
        target=_uuid(row.pop("id")), job=_uuid(row.pop("job_id")), worker=worker, pid=pid, send_no=send_no, **row
    )


def renew(engine: Engine, held: Claim, lease_s: float) -> bool:
    """Prolong the lease; see `JobStore.renew`."""
    return _RENEW.run(engine, _fence(held) | {"lease_s": float(lease_s)}) is not None


def give_back(
    engine: Engine,
    held: Claim,
    *,
    reason: str,
    not_before_in_s: float = 0.0,
    end: GiveBackEnd = "given_back",
    log: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Queue the target again; see `JobStore.give_back`."""
    if end not in {"given_back", "transient", "died"}:
        raise UsageError(f"A claim is not given back as {end!r}; say given_back, transient or died.", end=end)
    parameters = _fence(held) | _counters(end) | _of_claim(end, reason, log, metadata)
    if _GIVE_BACK.run(engine, parameters | {"delay_s": float(not_before_in_s)}) is None:
        _accept_repeated(engine, held, TargetState.QUEUED, end)


def begin_delivery(engine: Engine, held: Claim, products: Sequence[Product]) -> None:
    """Go from running to delivering; see `JobStore.begin_delivery`."""
    parameters = _fence(held) | {"products": _product_rows(products, engine)}
    with conflicts(_FOREIGN_PRODUCT):
        row = _BEGIN_DELIVERY.run(engine, parameters)
    if row is None:
        _accept_repeated(engine, held, TargetState.DELIVERING, None)


def complete(engine: Engine, held: Claim, outcome: Outcome) -> None:
    """Bring the target to its end; see `JobStore.complete`."""
    state = TargetState(outcome.state)
    if not may_follow(TargetState.RUNNING, state) or not state.ended:
        raise UsageError(f"{state.value!r} is no last state of a target.", state=state.value)
    claim_end = outcome.claim_end or ("failed" if state is TargetState.HELD else state.value)
    if claim_end not in CLAIM_ENDS:
        raise UsageError(f"A claim does not end as {claim_end!r}; known: {', '.join(CLAIM_ENDS)}.", end=claim_end)
    delivering = TargetState.DELIVERING if may_follow(TargetState.DELIVERING, state) else TargetState.RUNNING
    parameters = {
        **_fence(held),
        **_counters(claim_end),
        **_of_claim(claim_end, outcome.reason, outcome.log, outcome.metadata),
        "state": state.value,
        "other_before": delivering.value,
        "exit_status": outcome.exit_status,
        "error_type": _kept(outcome.error_type),
        "error_text": _kept(outcome.error_text),
        "seconds": outcome.seconds,
        "scalars": json_text(None if outcome.scalars is None else dict(outcome.scalars)),
        "failed": int(state in {TargetState.FAILED, TargetState.HELD}),
        "aborted": int(state is TargetState.ABORTED),
        "products": _product_rows(outcome.products, engine),
        "notices": rows_parameter(
            ({"id": n.id, "body": n.to_json(), "routing_key": n.routing_key} for n in outcome.notices), _NOTICE, engine
        ),
    }
    with conflicts(_FOREIGN_PRODUCT):
        row = _COMPLETE.run(engine, parameters)
    if row is None:
        _accept_repeated(engine, held, state, claim_end)


_FOREIGN_PRODUCT = (
    "A dataset of this target is recorded as the product of another target. Give the job a RUN collection of its own "
    "(leave out -o)."
)


def _fence(held: Claim) -> dict[str, Any]:
    return {"target": held.target, "claim_no": held.claim_no}


def _counters(end: str) -> dict[str, int]:
    return {"died": int(end == "died"), "transient": int(end == "transient")}


def _of_claim(end: str, reason: str | None, log: str | None, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "claim_end": end,
        "reason": _kept(reason),
        "log": None if log is None else _storable(log)[-LOG_LIMIT:],
        "metadata": json_text(None if metadata is None else dict(metadata)),
    }


def _product_rows(products: Sequence[Product], engine: Engine) -> str:
    rows = {product.dataset_id: asdict(product) | {"data_id": dict(product.data_id)} for product in products}
    return rows_parameter(rows.values(), _PRODUCT, engine)


def _kept(words: str | None) -> str | None:
    return None if words is None else _storable(words)[:TEXT_LIMIT]


def _storable(words: str) -> str:
    """Return a text that both databases take: an error's text may hold anything that a file or a header held."""
    return words.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _uuid(value: uuid.UUID | str) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def _look(engine: Engine, target: uuid.UUID) -> Any:
    wanted = select(
        Target.state,
        Target.digest,
        Target.claim_no,
        Target.not_before,
        Target.lease_worker,
        Job.cancel_requested,
        Job.phase,
        database_now().label("now"),
    )
    with read(engine) as connection:
        return connection.execute(wanted.join(Job, Job.id == Target.job_id).where(Target.id == target)).one_or_none()


def _stand_down(engine: Engine, target: uuid.UUID, digest: str) -> StandDown:
    """Say why a target was not claimable, as it stands now."""
    row = _look(engine, target)
    if row is None:
        reason, words = StandDownReason.UNKNOWN, "the records do not know it; submit with `underbutler submit`."
    elif row.digest != digest:
        reason, words = StandDownReason.DIGEST, "the message is an old copy: its digest is not the target's."
    elif row.cancel_requested and row.state is TargetState.ABORTED:
        reason, words = StandDownReason.CANCELLED, "its job was cancelled."
    elif row.state.ended or row.phase.ended:
        reason, words = StandDownReason.ENDED, f"it has ended already: {row.state.value}."
    elif row.state is TargetState.DELIVERING:
        reason, words = StandDownReason.DELIVERING, "its products are being delivered."
    elif row.not_before is not None and row.not_before > row.now:
        wait_s = row.not_before - row.now
        reason, words = StandDownReason.NOT_BEFORE, f"it must wait {wait_s:.1f} s; it will be sent again."
    else:
        reason, words = StandDownReason.LIVE, f"it is live in claim {row.claim_no} by {row.lease_worker}."
    return StandDown(reason, target, words)


def _accept_repeated(engine: Engine, held: Claim, state: TargetState, end: str | None) -> None:
    """Accept a repeated call whose first answer was lost; a claim that was overtaken is fenced out.

    Raises
    ------
    FencedOutError
        If it was not this claim that brought its target to `state`.
    """
    with read(engine) as connection:
        row = connection.execute(
            select(Target.state, Target.claim_no, ClaimTable.end)
            .join(ClaimTable, (ClaimTable.target_id == Target.id) & (ClaimTable.claim_no == held.claim_no))
            .where(Target.id == held.target)
        ).one_or_none()
    if row is not None and row.claim_no == held.claim_no and row.state is state and row.end == end:
        return
    now = "unknown" if row is None else f"{row.state.value} in claim {row.claim_no}"
    raise FencedOutError(
        f"Claim {held.claim_no} of target {held.target} no longer holds: the target is {now}. "
        "Its work is not made visible; look at `underbutler status JOB -v`.",
        target=str(held.target),
        claim_no=held.claim_no,
        state=None if row is None else row.state.value,
    )
