"""Rows of the records as tests need them: small jobs, and time travel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, event, update

from underbutler.model.job import TargetState
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.records import Claim, HeldClaim, JobRow, JobStore, NewJob, NewStep, NewTarget, Outgoing, Product
from underbutler.records.tables.jobs import Job, Target
from underbutler.sql import database_now, write

DIGEST = "d" * 64


def new_target(**fields: Any) -> NewTarget:
    """Return a target that was not recorded yet."""
    return NewTarget(**({"id": uuid4(), "args": [{"repo": "demo"}, {}], "digest": DIGEST} | fields))


def new_step(targets: int | Sequence[NewTarget] = 1, **fields: Any) -> NewStep:
    """Return a step of some targets that was not recorded yet."""
    if isinstance(targets, int):
        targets = [new_target(data_id={"exposure": number}) for number in range(targets)]
    defaults = {
        "label": "processCcd",
        "task": "processCcd",
        "config": {"detect": {"threshold": 3.0}},
        "config_digest": "c" * 64,
        "targets": targets,
    }
    return NewStep(**(defaults | fields))


def new_job(targets: int | Sequence[NewTarget] = 1, **fields: Any) -> NewJob:
    """Return a job of one step that was not recorded yet, or of those given as `steps`."""
    of_step = {name: fields.pop(name) for name in NewStep.__slots__ if name in fields}
    defaults = {
        "id": uuid4(),
        "repo": "demo",
        "out": "demo",
        "run": "u/ann/processCcd/1",
        "user": "ann",
        "queue": "reduce",
        "steps": [] if "steps" in fields else [new_step(targets, **of_step)],
    }
    return NewJob(**(defaults | fields))


def claim_of(store: JobStore, target: UUID, **fields: Any) -> Claim:
    """Claim a target as some worker."""
    defaults = {"digest": DIGEST, "send_no": 1, "worker": "w1", "pid": 7, "lease_s": 600.0}
    return store.claims.grant(target=target, **(defaults | fields))


def running(store: JobStore, targets: int = 1) -> tuple[JobRow, list[Claim]]:
    """Record a job and claim all of its targets."""
    job = store.submissions.create_job(new_job(targets))
    return job, [claim_of(store, target.id) for target in store.read.targets(job.id)]


def delivering(store: JobStore, **fields: Any) -> Claim:
    """Return a claim that is delivering."""
    _, (claim,) = running(store)
    store.claims.begin_delivery(claim, [], **fields)
    return claim


def ended(store: JobStore, claim: Claim | HeldClaim, end: str, **fields: Any) -> TargetState | None:
    """End a claim from outside, with bounds that are far away."""
    defaults = {"reason": "test", "max_deaths": 100, "max_worker_deaths": 100}
    return store.leases.end_claim(claim.target, claim.claim_no, end=end, **(defaults | fields))


def overtaken(store: JobStore, engine: Engine, claim: Claim) -> Claim:
    """Let a claim's lease run out and be judged, and another worker claim the target."""
    let_lease_expire(engine, claim.target)
    assert ended(store, claim, "expired") in {TargetState.QUEUED, TargetState.DELIVERING}
    return claim_of(store, claim.target, worker="w2", send_no=2)


def keys(taken: Sequence[Outgoing]) -> list[tuple[UUID, int]]:
    """Return targets and numbers of sending of messages that were taken."""
    return [(one.message.envelope.target, one.message.envelope.send_no) for one in taken]


def sent(store: JobStore) -> list[tuple[UUID, int]]:
    """Send all messages that are to be sent, and return them."""
    taken = keys(store.outbox.take())
    assert store.outbox.mark_sent(taken) == len(taken)
    return taken


def let_lease_expire(engine: Engine, target: UUID, ago_s: float = 1.0) -> None:
    """Travel to where the lease of a target has run out so long ago."""
    with write(engine) as connection:
        held = (Target.id == target) & Target.lease_until.is_not(None)
        connection.execute(update(Target).where(held).values(lease_until=database_now() - ago_s))


def let_wait_pass(engine: Engine, target: UUID) -> None:
    """Travel to where a target need not wait any more."""
    with write(engine) as connection:
        connection.execute(update(Target).where(Target.id == target).values(not_before=database_now() - 1.0))


def let_send_lease_expire(engine: Engine) -> None:
    """Travel to where every sender must be thought dead."""
    with write(engine) as connection:
        connection.execute(
            update(Target).where(Target.send_lease_until.is_not(None)).values(send_lease_until=database_now() - 1.0)
        )


def let_destruction_come(engine: Engine, job: UUID | None) -> None:
    """Travel to where one job must be destroyed, and no other."""
    with write(engine) as connection:
        connection.execute(update(Job).values(destruction_at=None))
        connection.execute(update(Job).where(Job.id == job).values(destruction_at=database_now() - 1.0))


def product(**fields: Any) -> Product:
    """Return a delivered product."""
    dataset = fields.pop("dataset_id", None) or uuid4()
    defaults = {
        "dataset_id": dataset,
        "dataset_type": "calexp",
        "data_id": {"instrument": "STE3", "exposure": 1},
        "large": True,
        "url": f"s3://bucket/{dataset}.fits",
        "byte_size": 2**33,
        "sha256": "e" * 64,
        "etag": "abc-2",
        "mime_type": "application/fits",
    }
    return Product(**(defaults | fields))


def notice_of(made: Product, claim: Claim) -> LargeFileObjectAvailable:
    """Return the notice of a product."""
    assert made.url is not None
    assert made.byte_size is not None
    return LargeFileObjectAvailable(
        url=made.url,
        generator=f"processCcd.{made.dataset_type}",
        version=1.0,
        byteSize=made.byte_size,
        checkSum=str(made.sha256),
        mimeType=str(made.mime_type),
        id=f"{made.dataset_id}.{claim.claim_no}",
        job=str(claim.job),
        target=str(claim.target),
        dataset=str(made.dataset_id),
        data_id=made.data_id,
        sent_at=1.5,
    )


def explained(engine: Engine) -> dict[str, str]:
    """Explain what SQLite is asked from now on: the plan of each statement, as they come."""
    plans: dict[str, str] = {}

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            rows = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans[statement] = "\n".join(row[-1] for row in rows)

    event.listen(engine, "before_cursor_execute", explain)
    return plans
