"""Workers, breakers, quarantine and tokens in the records."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, update

from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, ended, new_job, new_target, running
from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.job import TargetState
from underbutler.records import JobStore, Outcome, Parked, ParkedRow, StandDown, StandDownReason, Worker
from underbutler.records.tables.service import Breaker as BreakerTable
from underbutler.records.tables.service import SweepState
from underbutler.records.tables.service import Worker as WorkerTable
from underbutler.sql import write

pytestmark = ON_BOTH

ONE = Worker(id="host/1", name="w@host", host="host", pid=1, keeper_pid=2, queue="reduce", concurrency=4)
TWO = replace(ONE, id="host/2", name="a@host", pid=3)


# Workers


def test_a_worker_is_seen_again_and_again(store: JobStore) -> None:
    store.workers.mark_alive(ONE)
    (first,) = store.workers.known()
    store.workers.mark_alive(replace(ONE, keeper_pid=9))
    (again,) = store.workers.known()
    assert (again.started_at, again.keeper_pid, again.ended_at) == (first.started_at, 9, None)
    assert again.seen_at >= first.seen_at
    store.workers.mark_alive(TWO)
    assert [row.id for row in store.workers.known()] == ["host/2", "host/1"]


def test_only_those_that_live_are_listed_when_asked(store: JobStore, engine: Engine) -> None:
    for worker in (ONE, TWO):
        store.workers.mark_alive(worker)
    store.workers.mark_ended(ONE.id)
    store.workers.mark_ended("nobody")
    assert [row.id for row in store.workers.known(living_within_s=60)] == [TWO.id]
    with write(engine) as connection:
        connection.execute(update(WorkerTable).values(seen_at=WorkerTable.seen_at - 100))
    assert store.workers.known(living_within_s=60) == []
    assert len(store.workers.known()) == 2
    assert store.workers.forget(1000) == 0
    assert store.workers.forget(50) == 2
    assert store.workers.known() == []


def test_a_worker_says_since_when_and_why_it_is_unfit(store: JobStore) -> None:
    store.workers.mark_alive(ONE)
    store.workers.mark_unfit(ONE.id, "/scratch is full")
    (row,) = store.workers.known()
    since = row.unfit_since
    assert row.unfit_reason == "/scratch is full"
    store.workers.mark_unfit(ONE.id, "/scratch is still full")
    store.workers.mark_alive(ONE)
    (row,) = store.workers.known()
    assert (row.unfit_reason, row.unfit_since) == ("/scratch is still full", since)
    store.workers.mark_unfit(ONE.id, None)
    (row,) = store.workers.known()
    assert (row.unfit_reason, row.unfit_since) == (None, None)


# Breakers

BOUNDS = {"failures": 3, "open_s": 30.0, "cap_s": 100.0}


def fail(store: JobStore, label: str = "demo") -> float | None:
    """Fail once; return for how long the breaker is open."""
    until = store.breakers.count_failure(label, "no such host", **BOUNDS)
    return None if until is None else round(until - store.now())


def let_it_close(engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(update(BreakerTable).values(open_until=1.0))


def test_a_breaker_opens_after_some_failures_for_a_growing_time(store: JobStore, engine: Engine) -> None:
    assert [fail(store), fail(store)] == [None, None]
    opened = []
    for _ in range(4):
        opened.append(fail(store))
        let_it_close(engine)
    assert opened == [pytest.approx(seconds, abs=5) for seconds in (30, 60, 100, 100)]
    (row,) = store.breakers.failing()
    assert (row.label, row.failures, row.trips, row.reason) == ("demo", 6, 4, "no such host")


def test_failures_while_it_is_open_do_not_prolong_it(store: JobStore) -> None:
    """Children that had claimed before it opened fail too: they say nothing new."""
    for _ in range(3):
        until = store.breakers.count_failure("demo", "no such host", **BOUNDS)
    assert store.breakers.count_failure("demo", "no such host", **BOUNDS) == until
    assert store.breakers.failing()[0].trips == 1


def test_a_label_that_opens_closes_its_breaker(store: JobStore) -> None:
    assert not store.breakers.close("demo")
    for _ in range(3):
        fail(store)
    assert store.breakers.close("demo")
    assert store.breakers.failing() == []
    assert not store.breakers.close("demo")
    assert fail(store) is None


def test_targets_of_an_open_breaker_wait_and_others_go_on(store: JobStore, engine: Engine) -> None:
    read_only, written, other = (
        store.read.targets(store.submissions.create_job(new_job(repo=repo, out=out)).id)[0].id
        for repo, out in (("bad", "demo"), ("demo", "bad"), ("demo", "demo"))
    )
    for _ in range(3):
        fail(store, "bad")

    for target in (read_only, written):
        with pytest.raises(
            StandDown, match=r"circuit breaker for repository 'bad' is open for .*no such host"
        ) as caught:
            claim_of(store, target)
        assert caught.value.reason is StandDownReason.BREAKER
        assert caught.value.fields["label"] == "bad"
        assert caught.value.fields["open_until"] == store.breakers.failing()[0].open_until
        assert caught.value.fields["wait_s"] == pytest.approx(30, abs=5)
    claim_of(store, other)
    let_it_close(engine)
    claim_of(store, read_only)


# Quarantine


def parked(raw: bytes = b"\x80\x04", **fields) -> Parked:
    defaults = {"kind": "undecodable", "reason": "the body is not JSON", "queue": "reduce", "worker": "w1"}
    return Parked(raw=raw, **(defaults | fields))


def test_a_message_that_comes_again_is_counted(store: JobStore) -> None:
    first = store.quarantine.park(parked(headers={"id": 1}, task="processCcd"))
    other = store.quarantine.park(parked(b"other", task="processCcd"))
    assert store.quarantine.park(parked(headers={"id": 1}, task="processCcd", worker="w2")) == first
    rows = {row.id: row for row in store.quarantine.parked()}
    assert set(rows) == {first, other}
    row = rows[first]
    assert (row.raw, row.count, row.headers, row.worker) == (b"\x80\x04", 2, {"id": 1}, "w1")
    assert (row.kind, row.queue, row.task) == ("undecodable", "reduce", "processCcd")
    assert row.last_at >= row.first_at
    assert rows[other].headers is None
    assert len(store.quarantine.parked(limit=1)) == 1
    assert [one.id for one in store.quarantine.parked(fingerprint=row.fingerprint)] == [
        one.id for one in store.quarantine.parked()
    ]
    assert store.quarantine.parked(fingerprint="none") == []


def test_foreign_messages_are_grouped_by_their_name(store: JobStore) -> None:
    """A reason quotes the name, and what is quoted does not count: the name does by itself."""
    for raw, name in ((b"1", "theirs"), (b"2", "theirs"), (b"3", "others")):
        store.quarantine.park(parked(raw, task=name, reason=f"No task is called {name!r}."))
    assert {(group.task, group.count) for group in store.quarantine.groups()} == {("theirs", 2), ("others", 1)}


def test_what_was_discarded_is_seen_again_when_it_comes_again(store: JobStore) -> None:
    one = store.quarantine.park(parked())
    assert store.quarantine.discard(one)
    assert not store.quarantine.discard(one)
    assert store.quarantine.parked() == []
    assert [row.id for row in store.quarantine.parked(discarded=True)] == [one]
    store.quarantine.park(parked())
    assert [row.count for row in store.quarantine.parked()] == [2]


def test_a_message_of_any_bytes_and_words_is_parked(store: JobStore) -> None:
    store.quarantine.park(
        parked(bytes(range(256)), reason="a\0b\udcff", task="t\0", headers={"h": "\udcff"}, queue="q")
    )
    (row,) = store.quarantine.parked()
    assert (row.raw, row.reason, row.task) == (bytes(range(256)), "a\\0b\\udcff", "t\\0")


def held(store: JobStore, **fields) -> UUID:
    job = store.submissions.create_job(new_job([new_target(**fields)]))
    (target,) = store.read.targets(job.id)
    store.waiting.hold(target.id, "no worker has the task")
    return target.id


def test_held_targets_are_listed_until_discarded_or_replayed(store: JobStore) -> None:
    one, two, three = (held(store) for _ in range(3))
    running(store)
    assert {row.id for row in store.quarantine.held()} == {one, two, three}
    assert [row.id for row in store.quarantine.held(job=store.read.target(two).job_id)] == [two]
    assert len(store.quarantine.held(limit=2, fingerprint=store.read.target(one).fingerprint)) == 2
    assert store.quarantine.held(fingerprint="none") == []

    new = store.submissions.create_job(new_job()).id
    assert store.quarantine.mark_replayed([one, uuid4()], new) == 1
    assert store.quarantine.discard(two)
    assert not store.quarantine.discard(two)

    assert [row.id for row in store.quarantine.held()] == [three]
    assert len(store.quarantine.held(discarded=True)) == 3
    assert store.read.target(one).replayed_as == new
    assert store.read.target(two).state is TargetState.HELD


def test_only_ended_targets_are_replayed_and_held_discarded(store: JobStore) -> None:
    _, (live, failed) = running(store, 2)
    store.claims.complete(failed, Outcome(state=TargetState.FAILED))
    assert store.quarantine.mark_replayed([live.target, failed.target], uuid4()) == 1
    assert not store.quarantine.discard(live.target)
    assert not store.quarantine.discard(failed.target)


def test_a_person_names_what_is_in_quarantine_by_its_beginning(store: JobStore) -> None:
    target = UUID("1a2b3c4d-0000-4000-8000-000000000001")
    twin = UUID("1a2b3c4d-ffff-4000-8000-000000000002")
    held(store, id=target)
    message = store.quarantine.park(parked())
    assert store.quarantine.find("1a2b").id == target
    found = store.quarantine.find(str(message))
    assert isinstance(found, ParkedRow)
    assert store.quarantine.find(message) == found
    held(store, id=twin)
    with pytest.raises(UsageError, match="Several entries in the quarantine"):
        store.quarantine.find("1a2b3c4d")
    for name in (uuid4(), "no id"):
        with pytest.raises(UnknownNameError, match="quarantine list"):
            store.quarantine.find(name)


def test_a_target_held_for_its_deaths_is_in_quarantine(store: JobStore) -> None:
    _, (claim,) = running(store)
    ended(store, claim, "died", max_deaths=1)
    (row,) = store.quarantine.held()
    assert row.id == claim.target


# Tokens


def test_a_token_is_kept_until_it_has_expired(store: JobStore) -> None:
    now = store.now()
    store.tokens.keep("h1", "ann", b"\x00cipher\xff", now + 60)
    store.tokens.keep("h2", "bob", b"old", now - 10)
    row = store.tokens.get("h1")
    assert (row.user, row.ciphertext, row.expired) == ("ann", b"\x00cipher\xff", False)
    assert "cipher" not in repr(row)
    assert store.tokens.get("h2").expired
    assert store.tokens.get("none") is None
    assert store.tokens.forget_expired(60) == 0
    assert store.tokens.forget_expired() == 1
    assert store.tokens.get("h2") is None


def test_a_token_is_replaced_under_its_handle(store: JobStore) -> None:
    now = store.now()
    store.tokens.keep("h1", "ann", b"1", now - 60)
    store.tokens.keep("h1", "ann", b"2", now + 60)
    assert (store.tokens.get("h1").ciphertext, store.tokens.get("h1").expired) == (b"2", False)


def test_a_job_brings_its_tokens_handle_to_its_claims(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(token_handle="h1", traceparent="00-ab-cd-01"))
    claim = claim_of(store, store.read.targets(job.id)[0].id)
    assert (job.token_handle, claim.token_handle, claim.traceparent) == ("h1", "h1", "00-ab-cd-01")


def test_beats_are_known_until_they_end_in_order(store: JobStore, engine: Engine) -> None:
    store.beats.mark_alive("ccd-1/9", leads=False, since=1.0)
    store.beats.mark_alive("ccd-2/7", leads=True, since=2.0, faults=["schedules.toml:3: no clock"])
    store.beats.mark_alive("ccd-1/9", leads=False, since=1.0)
    store.sweep.remember("swept")
    last, first = store.beats.known()
    assert (last.name, last.leads, last.since, last.faults) == ("ccd-1/9", False, 1.0, ())
    assert (first.name, first.leads, first.faults) == ("ccd-2/7", True, ("schedules.toml:3: no clock",))
    store.beats.mark_ended("ccd-1/9")
    assert [beat.name for beat in store.beats.known()] == ["ccd-2/7"]
    with write(engine) as connection:
        connection.execute(update(SweepState).values(at=SweepState.at - 100))
    assert store.beats.forget(60) == 1
    assert store.beats.known() == []
    assert store.sweep.remembered("swept") is not None, "only beats are forgotten"
