"""The one transaction that brings a target to its end and makes its work visible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Engine

from underbutler.chain import Chain, Kind, json_text, rows_parameter
from underbutler.errors import UsageError
from underbutler.model.fingerprint import fingerprint_of
from underbutler.model.job import CLAIM_ENDS, TargetState, may_follow
from underbutler.redaction import redacted
from underbutler.sql import write

from .counting import COUNT_ENDED, close, counted
from .fence import END_CLAIM, HOLDS, accept_repeated, fence, kept, of_claim, row_uuid
from .integrity import conflicts
from .products import FOREIGN_PRODUCT, PRODUCT, RECORD_PRODUCTS, product_rows
from .recorder import EndedTarget, recorder_of
from .values import Claim, Outcome

__all__ = ["complete"]

_NOTICE: Final[Mapping[str, Kind]] = {"id": "text", "body": "json", "routing_key": "text"}

_COMPLETE: Final = Chain(
    first=f"""
        UPDATE target SET
            state = :state, ended_at = {{now}}, lease_until = NULL, lease_worker = NULL, lease_pid = NULL,
            deaths = deaths + :died, transient_retries = transient_retries + :transient,
            exit_status = :exit_status, error_type = :error_type, error_text = :error_text,
            fingerprint = :fingerprint, seconds = coalesce(:seconds, seconds), scalars = coalesce(:scalars, scalars)
        WHERE {HOLDS} AND (state = 'running' OR state = :other_before)
        RETURNING id, job_id, claim_no, ended_at AS moment, ordinal, task, data_id, seconds, scalars,
            (SELECT job.out FROM job WHERE job.id = target.job_id) AS out""",  # noqa: S608 - our own words
    columns=("id", "job_id", "claim_no", "moment", "ordinal", "task", "data_id", "seconds", "scalars", "out"),
    followers=(
        END_CLAIM,
        RECORD_PRODUCTS,
        """INSERT INTO notice (job_id, target_id, created_at, id, body, routing_key)
            SELECT first.job_id, first.id, first.moment, made.id, body, routing_key
            FROM first, {notices} AS made WHERE true
            ON CONFLICT (id) DO NOTHING""",
    ),
    last=f"{COUNT_ENDED} FROM first WHERE job.id = first.job_id RETURNING n_open",
    last_columns=("n_open",),
    rows={"products": PRODUCT, "notices": _NOTICE},
)


def complete(engine: Engine, held: Claim, outcome: Outcome) -> None:
    """Bring the target to its end; see `JobStore.complete`."""
    state = TargetState(outcome.state)
    if not state.ended:
        raise UsageError(f"{state.value!r} is no last state of a target.", state=state.value)
    claim_end = outcome.claim_end or ("failed" if state is TargetState.HELD else state.value)
    if claim_end not in CLAIM_ENDS:
        raise UsageError(f"A claim does not end as {claim_end!r}; known: {', '.join(CLAIM_ENDS)}.", end=claim_end)
    delivering = TargetState.DELIVERING if may_follow(TargetState.DELIVERING, state) else TargetState.RUNNING
    fingerprint = fingerprint_of(outcome.error_type or "Held", outcome.error_text or outcome.reason or "")
    parameters = {
        **fence(held),
        **of_claim(claim_end, outcome.reason, outcome.log, outcome.metadata),
        "died": int(claim_end == "died"),
        "transient": int(claim_end == "transient"),
        "state": state.value,
        "other_before": delivering.value,
        "exit_status": outcome.exit_status,
        "error_type": kept(outcome.error_type),
        "error_text": kept(outcome.error_text),
        "fingerprint": fingerprint if state is TargetState.HELD else None,
        "seconds": outcome.seconds,
        "scalars": json_text(None if outcome.scalars is None else redacted(dict(outcome.scalars))),
        **counted({state: 1}),
        "products": product_rows(outcome.products, engine),
        "notices": rows_parameter(
            ({"id": n.id, "body": n.to_json(), "routing_key": n.routing_key} for n in outcome.notices), _NOTICE, engine
        ),
    }
    with conflicts(FOREIGN_PRODUCT), write(engine) as connection:
        row = _COMPLETE.run_within(connection, parameters)
        if row is not None:
            ended = _ended(row, state, outcome)
            recorder_of(connection).ended(connection, [ended])
            if not row["n_open"]:
                close(connection, ended.job)
            return
    accept_repeated(engine, held, claim_end, state)


def _ended(row: Mapping[str, Any], state: TargetState, outcome: Outcome) -> EndedTarget:
    return EndedTarget(
        id=row_uuid(row["id"]),
        job=row_uuid(row["job_id"]),
        ordinal=row["ordinal"],
        task=row["task"],
        data_id=_decoded(row["data_id"]),
        out=row["out"],
        state=state,
        at=row["moment"],
        seconds=row["seconds"],
        scalars=outcome.scalars if outcome.scalars is not None else _decoded(row["scalars"]),
        products=outcome.products,
        error_type=outcome.error_type,
        reason=kept(outcome.error_text or outcome.reason),
    )


def _decoded(value: Any) -> Any:
    """Return a JSON column as a textual statement gave it: SQLite gives its text."""
    return json.loads(value) if isinstance(value, str) else value
