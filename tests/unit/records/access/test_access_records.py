from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import Engine, text, update
from sqlalchemy.exc import DatabaseError

from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, new_job
from underbutler.errors import ConflictError, UsageError
from underbutler.model.job import Phase, TargetState
from underbutler.records import Deed, JobStore, ListQuery, NewCredential, NewPending, Outcome
from underbutler.records.tables.jobs import Job
from underbutler.sql import database_now, write

pytestmark = ON_BOTH


def pending(store: JobStore, **fields: object) -> NewPending:
    new = NewPending(**({"id": uuid4(), "user": "ann", "parameters": [("TASK", "processCcd")]} | fields))  # type: ignore[arg-type]
    store.pending.create(new)
    return new


def test_a_stored_request_becomes_the_job_of_its_identity(store: JobStore) -> None:
    new = pending(store, task="processCcd", repo="demo", execution_duration_s=60.0)
    assert store.read.job(new.id).phase is Phase.PENDING
    assert store.pending.take(new.id, 60)
    assert not store.pending.take(new.id, 60), "somebody begins it already"
    row = store.submissions.create_job(new_job(2, id=new.id, user="ann"))
    assert (row.phase, row.n_targets, row.scan_id, row.execution_duration_s) == (Phase.QUEUED, 2, 1, 60.0)
    assert [step.config_digest for step in row.steps] == ["c" * 64]
    assert not store.pending.change(new.id, [("TASK", "x")])
    with pytest.raises(ConflictError):
        store.submissions.create_job(new_job(2, id=new.id))


def test_a_stored_request_that_was_cancelled_is_not_begun(store: JobStore) -> None:
    new = pending(store)
    assert store.pending.take(new.id, 60)
    store.cancellation.cancel(new.id)
    row = store.read.job(new.id)
    assert row.phase is Phase.ABORTED
    assert row.ended_at is not None
    with pytest.raises(ConflictError):
        store.submissions.create_job(new_job(1, id=new.id))
    assert store.read.targets(new.id) == []


def test_no_sweep_closes_a_stored_request(store: JobStore) -> None:
    new = pending(store)
    assert store.lifetimes.close_jobs() == []
    assert store.pending.fail(new.id, "wrong", [{"field": "repo", "message": "wrong"}])
    row = store.read.job(new.id)
    assert (row.phase, row.error, row.faults) == (Phase.ERROR, "wrong", [{"field": "repo", "message": "wrong"}])
    assert not store.pending.fail(new.id, "again", [])


def test_a_job_over_its_execution_duration_is_cancelled(store: JobStore, engine: Engine) -> None:
    row = store.submissions.create_job(new_job(2))
    store.lifetimes.set_execution_duration(row.id, 60)
    claim_of(store, store.read.targets(row.id)[0].id)
    assert store.lifetimes.cancel_overdue() == []
    with write(engine) as connection:
        connection.execute(update(Job).values(started_at=database_now() - 61))
    assert store.lifetimes.cancel_overdue() == [row.id]
    assert store.lifetimes.cancel_overdue() == []
    assert store.read.job(row.id).cancel_requested
    assert [target.state for target in store.read.targets(row.id)] == ["running", "aborted"]


def test_a_reader_of_events_gets_each_once_in_order(store: JobStore) -> None:
    begin = store.events.newest()
    row = store.submissions.create_job(new_job(1))
    (target,) = store.read.targets(row.id)
    store.claims.complete(claim_of(store, target.id), Outcome(state=TargetState.DONE))
    events = store.events.after(begin)
    told = [(event.kind, event.state) for event in events]
    assert told[0] == ("job", "QUEUED")
    assert sorted(told[1:]) == sorted(
        [("target", "running"), ("job", "EXECUTING"), ("target", "done"), ("job", "COMPLETED")]
    )
    assert store.events.after(events[1].cursor) == events[2:]
    assert store.events.after(store.events.newest()) == []
    assert store.events.expire(older_than_s=-1) == 5
    assert store.events.has_lost(events[0].cursor) is False, "nothing is there that could have come after"
    with pytest.raises(UsageError, match="not the id of an event"):
        store.events.after("1")


def test_the_audit_is_only_added_to(store: JobStore, engine: Engine) -> None:
    store.audit.note(Deed(who="ann", credential=None, origin="::1", action="submit", subject="x", result="ok"))
    for wrong in ("DELETE FROM audit", "UPDATE audit SET who = 'bob'"):
        with pytest.raises(DatabaseError, match="only added to"), write(engine) as connection:
            connection.execute(text(wrong))
    assert [line.who for line in store.audit.latest()] == ["ann"]


def test_a_key_names_one_job_until_it_is_given_back(store: JobStore) -> None:
    first, second = uuid4(), uuid4()
    assert store.request_keys.take("ann", "k", "d1", first, 60).mine
    taken = store.request_keys.take("ann", "k", "d1", second, 60)
    assert (taken.mine, taken.job_id) == (False, first)
    assert store.request_keys.take("ann", "k", "d2", second, -1).digest == "d1"
    assert store.request_keys.take("bob", "k", "d2", second, 60).mine
    store.request_keys.give_back("ann", "k")
    again = store.request_keys.take("ann", "k", "d2", second, -1)
    assert (again.mine, again.job_id) == (True, second)
    after_death = store.request_keys.take("ann", "k", "d2", uuid4(), 60)
    assert (after_death.mine, after_death.job_id) == (True, second), "its maker is dead, and its job has an identity"
    store.submissions.create_job(new_job(1, id=second))
    store.request_keys.give_back("ann", "k")
    assert not store.request_keys.take("ann", "k", "d2", uuid4(), 60).mine


def test_a_token_ends_when_it_is_revoked_or_expires(store: JobStore) -> None:
    def add(name: str, lifetime_s: float | None = None) -> None:
        new = NewCredential(id=name, digest="d", user="ann", note="", scopes=["read"], lifetime_s=lifetime_s)
        store.credentials.add(new)

    assert not store.credentials.is_any_live()
    add("a")
    add("b", -1.0)
    assert {row.id: row.live for row in store.credentials.known()} == {"a": True, "b": False}
    assert store.credentials.expire("a", 60).live
    assert not store.credentials.expire("a", -1).live
    add("c")
    assert not store.credentials.revoke("c").live
    assert not store.credentials.is_any_live()


def test_a_list_shows_what_its_reader_may_see(store: JobStore) -> None:
    mine = store.submissions.create_job(new_job(1, user="ann", request={"tags": {"night": "n1"}}))
    other = store.submissions.create_job(new_job(1, user="bob", repo="other", out="other"))
    waits = pending(store, user="bob", needs_approval=True)

    def listed(**asked: object) -> list[object]:
        return [row.id for row in store.listing.page(ListQuery(**asked))]  # type: ignore[arg-type]

    assert listed() == [waits.id, other.id, mine.id]
    assert listed(user="ann") == [mine.id]
    assert listed(user="ann", waiting_for_approval=True) == [waits.id, mine.id]
    assert listed(repos=["other"], phases=["QUEUED"]) == [other.id]
    assert listed(tags=[("night", "n1")]) == listed(text="n1") == listed(text=str(mine.id)[-8:]) == [mine.id]
    assert listed(before=2, limit=1) == [mine.id]
    assert listed(since=mine.created_at, user="ann") == []
    assert listed(phases=["ARCHIVED"]) == []
