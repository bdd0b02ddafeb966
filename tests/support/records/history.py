"""Databases of earlier releases, with rows as those releases wrote them."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

from sqlalchemy import JSON, Boolean, Connection, Double, Integer, String, Uuid, column, insert, table

from tests.support.records.rows import DIGEST
from underbutler import migrations
from underbutler.sql import open_engine, write

__all__ = ["at_revision", "insert_job_of_the_fourth_schema", "insert_rows_of_the_first_release"]

TYPES = {UUID: Uuid(), bool: Boolean(), int: Integer(), float: Double(), str: String(), dict: JSON(), list: JSON()}


def at_revision(url: str, revision: str) -> None:
    """Bring an empty database to the schema of an earlier release."""
    with patch.object(migrations, "HEAD", revision):
        migrations.upgrade(url)


def insert_rows_of_the_first_release(url: str) -> tuple[UUID, UUID, UUID, UUID, UUID]:
    """Insert a job at revision 0001; return it, and its queued, running, delivering and done targets."""
    job, queued, running, delivering, done = (uuid4() for _ in range(5))
    held = {"claim_no": 1, "sent_at": 1.0, "started_at": 1.0}
    leased = held | {"lease_until": 2.0, "lease_worker": "w1", "lease_pid": 7}
    engine = open_engine(url)
    with write(engine) as connection:
        _insert(connection, "job", _job(job))
        _insert(connection, "target", _target(queued, job, 0, state="queued"))
        _insert(connection, "target", _target(running, job, 1, state="running", **leased))
        _insert(connection, "target", _target(delivering, job, 2, state="delivering", **leased))
        _insert(connection, "target", _target(done, job, 3, state="done", ended_at=3.0, **held))
        for target in (running, delivering):
            _insert(connection, "claim", _claim(target))
        _insert(connection, "claim", _claim(done, ended_at=3.0, end="done"))
        _insert(
            connection,
            "intent",
            {
                "dataset_id": uuid4(),
                "target_id": done,
                "claim_no": 1,
                "dataset_type": "calexp",
                "run": "r",
                "data_id": {"exposure": 1},
                "created_at": 1.0,
            },
        )
    engine.dispose()
    return job, queued, running, delivering, done


def insert_job_of_the_fourth_schema(url: str, *, scan_id: int, config: dict[str, Any]) -> tuple[UUID, UUID]:
    """Insert a job with a queued target as revision 0004 knew them; return both. Targets come first, as they did."""
    job, target = uuid4(), uuid4()
    said = {"config": config, "overrides": [["isr.doFlat", False]], "options": {"replace": True}}
    engine = open_engine(url)
    with write(engine) as connection:
        _insert(connection, "target", _target(target, job, 0, state="queued", cancel_requested=False))
        _insert(connection, "job", _job(job) | said | {"scan_id": scan_id, "n_targets": 1, "n_open": 1})
    engine.dispose()
    return job, target


def _insert(connection: Connection, name: str, row: dict[str, Any]) -> None:
    columns = [column(key, TYPES[type(value)]) for key, value in row.items()]
    connection.execute(insert(table(name, *columns)).values(row))


def _job(job: UUID) -> dict[str, Any]:
    return {
        "id": job,
        "scan_id": 1,
        "task": "processCcd",
        "repo": "demo",
        "out": "demo",
        "run": "u/ann/processCcd/1",
        "user": "ann",
        "phase": "EXECUTING",
        "overrides": [],
        "config": {},
        "config_digest": "c" * 64,
        "options": {},
        "versions": {},
        "collections": [],
        "n_targets": 4,
        "n_open": 3,
        "n_failed": 0,
        "n_aborted": 0,
        "created_at": 1.0,
        "cancel_requested": False,
    }


def _target(target: UUID, job: UUID, ordinal: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": target,
        "job_id": job,
        "ordinal": ordinal,
        "task": "processCcd",
        "queue": "reduce",
        "data_id": {"exposure": ordinal},
        "args": [{"repo": "demo"}, {}],
        "digest": DIGEST,
        "argsrepr": "",
        "kwargsrepr": "",
        "queued_at": 1.0,
        "send_no": 0,
        "claim_no": 0,
        "deaths": 0,
        "worker_deaths": 0,
        "transient_retries": 0,
        **fields,
    }


def _claim(target: UUID, **fields: Any) -> dict[str, Any]:
    return {"target_id": target, "claim_no": 1, "worker": "w1", "pid": 7, "send_no": 1, "started_at": 1.0, **fields}
