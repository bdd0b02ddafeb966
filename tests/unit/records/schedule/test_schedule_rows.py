"""The schedule's rows: an entry fires each slot once, whoever asks; a firing is done by one at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from tests.support.databases import ON_BOTH
from tests.support.records.rows import new_job
from underbutler.errors import UnknownNameError
from underbutler.records import FiringState, JobStore, NewFiring
from underbutler.records.tables.schedules import Firing
from underbutler.records.values.schedules import firing_id, schedule_id
from underbutler.schedules.files import parse_schedules
from underbutler.schedules.firing import bring, fire_due
from underbutler.schedules.leader import Leader
from underbutler.schedules.tick import Ticker
from underbutler.settings import Settings
from underbutler.sql import write

pytestmark = ON_BOTH

ENTRY = '[[schedule]]\nname = "{name}"\ntask = "t"\nrepo = "r"\nwhen.every = {every}\nmissed = "catch_up"\n'
NOW = 1_800_000_000.0


def entry(name: str = "one", every: int = 10, more: str = "") -> str:
    return ENTRY.format(name=name, every=every) + more


def load(store: JobStore, text: str, now: float = NOW) -> list[str]:
    return bring(store, parse_schedules(text, Path("s.toml")), who="ann", now=now)


def dues(store: JobStore, name: str = "one") -> list[float]:
    return sorted(row.due_at - NOW for row in store.firings.latest(schedule_id(name), limit=1000))


def test_a_file_is_brought_in_and_what_has_not_changed_goes_on(store: JobStore) -> None:
    assert load(store, entry() + entry("two", 60)) == ["one", "two"]
    assert fire_due(store, NOW + 10, fired_by="b") == 1
    assert load(store, entry() + entry("two", 60), NOW + 15) == []
    assert store.schedules.entry("one").next_due == NOW + 20
    assert load(store, entry(more='who = "bob"\n') + entry("two", 60), NOW + 25) == ["one"]
    assert store.schedules.entry("one").next_due == NOW + 20, "the same clock: the slot that is overdue is not left out"
    assert load(store, entry(every=100) + entry("two", 60), NOW + 25) == ["one"]
    assert store.schedules.entry("one").next_due == NOW + 100


def test_an_entry_gone_from_the_file_keeps_only_its_history(store: JobStore) -> None:
    load(store, entry() + entry("two"))
    fire_due(store, NOW + 10, fired_by="b")
    assert load(store, entry("two"), NOW + 15) == ["one"]
    assert fire_due(store, NOW + 20, fired_by="b") == 1
    assert [row.name for row in store.schedules.entries()] == ["two"]
    assert dues(store) == [10]
    load(store, entry() + entry("two"), NOW + 95)
    assert store.schedules.entry("one").next_due == NOW + 100, "it came back: what was due in between is left out"


def test_an_entry_with_an_error_goes_on_as_it_was_and_says_so(store: JobStore) -> None:
    load(store, entry() + entry("two"))
    broken = entry().replace("every = 10", 'every = "soon"') + entry("two")
    assert load(store, broken, NOW + 5) == ["one"]
    assert "s.toml:5: schedule 'one', when.every: 'soon'" in str(store.schedules.entry("one").error)
    assert fire_due(store, NOW + 10, fired_by="b") == 2
    nameless = entry("two") + '[[schedule]]\ntask = "t\n'
    assert load(store, nameless, NOW + 12) == [], "it may be the one that is not there"
    load(store, entry() + entry("two"), NOW + 15)
    assert store.schedules.entry("one").error is None
    assert store.schedules.entry("one").next_due == NOW + 20


def test_a_new_entry_with_an_error_is_listed_and_never_due(store: JobStore) -> None:
    load(store, entry().replace("every = 10", "every = -1"))
    (row,) = store.schedules.entries()
    assert row.definition is None
    assert "when.every" in str(row.error)
    assert fire_due(store, NOW + 10, fired_by="b") == 0


def test_many_beats_fire_each_slot_once(store: JobStore) -> None:
    """None of them leads: the rows alone see to it."""
    load(store, entry())
    with ThreadPoolExecutor(6) as beats:
        fired = list(beats.map(lambda n: fire_due(store, NOW + 10 * (n // 6), fired_by=str(n)), range(120)))
    assert sum(fired) == 19
    assert dues(store) == [10.0 * n for n in range(1, 20)]


def test_an_entry_changed_since_it_was_read_is_not_fired(store: JobStore) -> None:
    load(store, entry())
    row = store.schedules.entry("one")
    store.schedules.pause(row.id, who="ann")
    assert store.schedules.fire(row, [NewFiring(due_at=NOW + 10)], NOW + 20, lane="submission", fired_by="b") == []
    store.schedules.resume(row.id, next_due=NOW + 50, since=NOW + 45, who="ann")
    assert store.schedules.fire(row, [NewFiring(due_at=NOW + 10)], NOW + 20, lane="submission", fired_by="b") == []
    assert dues(store) == []
    assert fire_due(store, NOW + 50, fired_by="b") == 1


def test_a_beat_that_comes_late_moves_nothing_back(store: JobStore) -> None:
    """It read the entry before others fired two of its slots."""
    load(store, entry())
    stale = store.schedules.entry("one")
    fire_due(store, NOW + 20, fired_by="b")
    late = [NewFiring(due_at=NOW + 10)]
    assert store.schedules.fire(stale, late, NOW + 20, lane="submission", fired_by="late") == []
    assert store.schedules.entry("one").next_due == NOW + 30
    assert (
        store.schedules.fire(store.schedules.entry("one"), late, NOW + 40, lane="submission", fired_by="late") == []
    ), "fired before"
    assert not store.schedules.set_due(store.schedules.entry("one"), NOW + 20)
    assert dues(store) == [10, 20]


def test_one_entry_that_cannot_be_read_holds_up_no_other(store: JobStore, engine: Engine) -> None:
    from underbutler.records.tables.schedules import Schedule

    load(store, entry() + entry("two"))
    with write(engine) as connection:
        connection.execute(update(Schedule).where(Schedule.name == "one").values(definition={"name": "one"}))
    assert fire_due(store, NOW + 10, fired_by="b") == 1
    assert "another release" in str(store.schedules.entry("one").error)
    assert dues(store, "two") == [10]


def test_a_firing_is_taken_once_and_again_if_its_holder_died(store: JobStore) -> None:
    load(store, entry())
    fire_due(store, NOW + 20, fired_by="b")
    assert store.firings.count_waiting("submission") == 2
    assert store.firings.take("chore", "a", 60) is None
    first = store.firings.take("submission", "dead", 0.0)
    assert first is not None
    assert (first.due_at, first.state, first.attempts) == (NOW + 10, FiringState.RUNNING, 1)
    assert first.job_id == firing_id(schedule_id("one"), NOW + 10)
    time.sleep(0.005)
    again = store.firings.take("submission", "other", 60)
    assert again is not None
    assert (again.job_id, again.attempts) == (first.job_id, 2)
    assert not store.firings.renew(first.job_id, "dead", 60)
    assert not store.firings.end(first.job_id, "dead", FiringState.DONE)
    assert store.firings.renew(first.job_id, "other", 60)
    assert store.firings.end(first.job_id, "other", FiringState.DONE, "2 targets")
    assert not store.firings.end(first.job_id, "other", FiringState.FAILED)
    second = store.firings.take("submission", "other", 60)
    assert second is not None
    assert store.firings.put_back(second.job_id, "other", "the broker is away", 3600)
    assert store.firings.take("submission", "other", 60) is None
    assert store.firings.get(second.job_id).attempts == 0, "nobody died"
    assert [(row.state.value, row.told) for row in store.firings.latest()] == [
        ("waiting", "the broker is away"),
        ("done", "2 targets"),
    ]


def test_many_take_what_waits_each_another(store: JobStore) -> None:
    load(store, entry())
    fire_due(store, NOW + 200, fired_by="b")
    with ThreadPoolExecutor(4) as hands:
        taken = list(hands.map(lambda n: store.firings.take("submission", str(n), 60), range(24)))
    got = [row.job_id for row in taken if row is not None]
    assert len(got) == len(set(got)) == 20


def test_what_was_submitted_is_known_by_its_data_ids(store: JobStore) -> None:
    load(store, entry())
    fire_due(store, NOW + 10, fired_by="b")
    new = new_job(2)
    store.submissions.create_job(new)
    job = store.submissions.create_job(new_job(2, id=firing_id(schedule_id("one"), NOW + 10)))
    ids = [dict(target.data_id) for target in store.read.targets(job.id)]
    assert sorted(map(str, store.firings.submitted_data_ids(schedule_id("one"), NOW))) == sorted(map(str, ids))
    assert store.firings.submitted_data_ids(schedule_id("one"), NOW + 11) == []


def test_names_and_beginnings_of_ids_lead_to_an_entry(store: JobStore) -> None:
    load(store, entry() + entry("two"))
    assert store.schedules.entry(str(schedule_id("one"))[:8]).name == "one"
    with pytest.raises(UnknownNameError, match=r"No schedule is called 'on'.*Did you mean 'one'.*schedule list"):
        store.schedules.entry("on")


def test_old_jobs_and_firings_expire(store: JobStore, engine: Engine) -> None:
    load(store, entry())
    fire_due(store, NOW + 10, fired_by="b")
    ended = store.submissions.create_job(new_job(0))
    running = store.submissions.create_job(new_job(1))
    firing = store.firings.take("submission", "a", 60)
    assert firing is not None
    store.firings.end(firing.job_id, "a", FiringState.DONE)
    with write(engine) as connection:
        connection.execute(update(Firing).values(ended_at=Firing.ended_at - 100))
    assert (store.lifetimes.expire_jobs(3600), store.firings.forget(3600)) == (0, 0)
    time.sleep(0.01)
    assert (store.lifetimes.expire_jobs(0.001), store.firings.forget(50)) == (1, 1)
    assert store.read.job(ended.id).destruction_at is not None
    assert store.read.job(running.id).destruction_at is None


class Lanes:
    """Stands for the processes of a lane: remembers what it was told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[tuple[int, int]] = []

    def tend(self, waiting: int, waiting_long: int = 0) -> None:
        self.told.append((waiting, waiting_long))

    def stop(self, patience_s: float) -> None:
        del patience_s


def test_one_beat_leads_and_another_when_it_is_gone(store: JobStore, engine: Engine, settings: Settings) -> None:
    """The slots fired before and after are all slots there are."""
    now = [NOW]

    def beat() -> Ticker:
        lanes: Any = (Lanes("submission"), Lanes("chore"))
        return Ticker(settings, store, Leader(engine), lanes=lanes, clock=lambda: now[0])

    settings.schedules_file.write_text(entry())
    first, second = beat(), beat()
    for _ in range(5):
        first.tick()
        second.tick()
        now[0] += 10
    assert (first.leads, second.leads) == (True, False)
    first.stop(0)
    now[0] += 10
    assert second.tick() == 2
    assert second.leads
    assert dues(store) == [10, 20, 30, 40, 50, 60]
    assert {row.fired_by for row in store.firings.latest(limit=2)} == {second.name}
    second.stop(0)


def test_a_stuck_leader_that_keeps_its_lock_is_stood_in_for(
    store: JobStore, engine: Engine, settings: Settings
) -> None:
    now = [NOW]
    settings.schedules_file.write_text(entry())
    lanes: Any = (Lanes("submission"), Lanes("chore"))
    stuck, other = (Ticker(settings, store, Leader(engine), lanes=lanes, clock=lambda: now[0]) for _ in range(2))
    stuck.tick()
    now[0] += 25
    assert other.tick() == 0, "it may only be late"
    now[0] += 10
    assert (other.tick(), other.leads) == (1, False)
    assert stuck.tick() == 2, "it wakes up"
    assert dues(store) == [10, 20, 30]
    for beat in (stuck, other):
        beat.stop(0)


def test_beat_reads_a_changed_file_and_goes_on_if_it_cannot(
    store: JobStore, engine: Engine, settings: Settings
) -> None:
    now = [NOW]
    lanes: Any = (Lanes("submission"), Lanes("chore"))
    beat = Ticker(settings, store, Leader(engine), lanes=lanes, clock=lambda: now[0])
    assert beat.tick() == 0
    assert store.schedules.entries() == []
    path = settings.schedules_file
    path.write_text(entry())
    beat.tick()
    assert [row.name for row in store.schedules.entries()] == ["one"]
    path.write_bytes(b"\xff\xff")
    now[0] += 10
    assert beat.tick() == 1
    path.unlink()
    now[0] += 10
    assert beat.tick() == 1, "without its file the records go on"
    path.write_text("")
    beat.tick()
    assert store.schedules.entries() == [], "an empty file schedules nothing"
    assert lanes[0].told[-1] == (2, 0)
    beat.stop(0)


def test_a_firing_by_hand_is_beside_the_slots(store: JobStore) -> None:
    load(store, entry())
    row = store.schedules.entry("one")
    store.schedules.pause(row.id, who="ann")
    job = store.schedules.fire_by_hand(row, NOW + 3.5, lane="submission", fired_by="ann")
    assert store.firings.get(job).fired_by == "ann"
    assert store.schedules.entry("one").next_due == NOW + 10


def test_a_beat_tells_of_itself_and_of_faults_of_its_file(store: JobStore, engine: Engine, settings: Settings) -> None:
    now = [NOW]
    lanes: Any = (Lanes("submission"), Lanes("chore"))
    beat = Ticker(settings, store, Leader(engine), lanes=lanes, clock=lambda: now[0])
    settings.schedules_file.write_text(entry())
    beat.tick()
    (told,) = store.beats.known()
    assert (told.name, told.leads, told.since, told.faults) == (beat.name, True, NOW, ())
    settings.schedules_file.write_text("[[schedule]]\nname = ")
    beat.tick()
    (fault,) = store.beats.known()[0].faults
    assert fault.startswith(f"{settings.schedules_file}:")
    beat.stop(0)
    assert store.beats.known() == []
