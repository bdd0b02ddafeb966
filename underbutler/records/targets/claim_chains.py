"""The chains of writes of a claim's life: granted, renewed, in delivery, complete.

Every change is guarded by the claim number AND the target's state, as one chain: nothing is half-done, and a claim that
was overtaken changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Engine

from underbutler.chain import Chain, Kind, rows_parameter
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.records.values.jobs import Upload
from underbutler.records.writing.counting import COUNT_ENDED, STEP_LABEL
from underbutler.records.writing.fence import END_CLAIM, HOLDS
from underbutler.records.writing.products import PRODUCT, RECORD_PRODUCTS

__all__ = ["ADD_UPLOADS", "BEGIN_DELIVERY", "COMPLETE", "GRANT", "RENEW", "notice_rows", "upload_rows"]

# Of two that claim one target at once the second waits for the row and reads it anew: `lease_until` is set by now, and
# it gets nothing. A fast worker claims before its sender has marked the message: `sent_at` is set here, and the mark
# finds nothing to do. Breakers are asked again: one may have opened while the message lay in the broker.
GRANT: Final = Chain(
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
            step, queue, queued_at, state = 'delivering' AS delivering,
            (SELECT job.traceparent FROM job WHERE job.id = target.job_id) AS traceparent,
            (SELECT job.token_handle FROM job WHERE job.id = target.job_id) AS token_handle""",
    columns=(
        "id", "job_id", "claim_no", "deaths", "worker_deaths", "transient_retries", "started_at", "lease_until",
        "step", "queue", "queued_at", "delivering", "traceparent", "token_handle",
    ),
    followers=(
        """INSERT INTO claim (target_id, claim_no, worker, pid, pid_started, send_no, started_at)
            SELECT first.id, first.claim_no, :worker, :pid, :pid_started, :send_no, first.started_at FROM first""",
        """UPDATE job SET phase = 'EXECUTING', started_at = first.started_at
            FROM first WHERE job.id = first.job_id AND job.phase = 'QUEUED'""",
    ),
)  # fmt: skip

RENEW: Final = Chain(
    first=f"UPDATE target SET lease_until = {{now}} + :lease_s WHERE {HOLDS} RETURNING id",  # noqa: S608 - our own words
    columns=("id",),
)

_UPLOAD: Final[Mapping[str, Kind]] = {"bucket": "text", "key": "text"}
_RECORD_UPLOADS: Final = """INSERT INTO upload (target_id, claim_no, created_at, bucket, key)
            SELECT first.id, first.claim_no, first.moment, planned.bucket, planned.key
            FROM first, {uploads} AS planned WHERE true
            ON CONFLICT (bucket, key) DO NOTHING"""

BEGIN_DELIVERY: Final = Chain(
    first=f"""
        UPDATE target SET state = 'delivering', scalars = :scalars, seconds = :seconds
        WHERE {HOLDS} AND state = 'running'
        RETURNING id, claim_no, {{now}} AS moment""",  # noqa: S608 - our own words
    columns=("id", "claim_no", "moment"),
    followers=(RECORD_PRODUCTS, _RECORD_UPLOADS),
    rows={"products": PRODUCT, "uploads": _UPLOAD},
)

# It changes nothing of the target: an UPDATE locks the row, so that uploads are written only while the claim holds.
ADD_UPLOADS: Final = Chain(
    first=f"UPDATE target SET claim_no = claim_no WHERE {HOLDS} RETURNING id, claim_no, {{now}} AS moment",  # noqa: S608
    columns=("id", "claim_no", "moment"),
    followers=(_RECORD_UPLOADS,),
    rows={"uploads": _UPLOAD},
)

_NOTICE: Final[Mapping[str, Kind]] = {"id": "text", "body": "json", "routing_key": "text"}

# A delivery that another claim resumes brings no figures of its own: `coalesce` keeps those of the claim that measured.
COMPLETE: Final = Chain(
    first=f"""
        UPDATE target SET
            state = :state, ended_at = {{now}}, lease_until = NULL, lease_worker = NULL, lease_pid = NULL,
            deaths = deaths + :died, transient_retries = transient_retries + :transient,
            exit_status = :exit_status, error_type = :error_type, error_text = :error_text,
            fingerprint = :fingerprint, seconds = coalesce(:seconds, seconds), scalars = coalesce(:scalars, scalars)
        WHERE {HOLDS} AND (state = 'running' OR state = :other_before)
        RETURNING id, job_id, claim_no, ended_at AS moment, ordinal, task, data_id, seconds, scalars,
            {STEP_LABEL} AS label, (SELECT job.out FROM job WHERE job.id = target.job_id) AS out""",  # noqa: S608 - our own words
    columns=("id", "job_id", "claim_no", "moment", "ordinal", "task", "data_id", "seconds", "scalars", "label", "out"),
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


def upload_rows(uploads: Iterable[Upload], engine: Engine) -> str:
    """Return the parameter ``uploads`` of `BEGIN_DELIVERY` and `ADD_UPLOADS`."""
    return rows_parameter(({"bucket": one.bucket, "key": one.key} for one in uploads), _UPLOAD, engine)


def notice_rows(notices: Iterable[LargeFileObjectAvailable], engine: Engine) -> str:
    """Return the parameter ``notices`` of `COMPLETE`."""
    rows = ({"id": one.id, "body": one.to_json(), "routing_key": one.routing_key} for one in notices)
    return rows_parameter(rows, _NOTICE, engine)
