"""What is not well is said with its reason and its cure, and nothing is said of a service that is well."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from tests.support.terminal_texts import shown
from underbutler.cli.status.service import findings_view
from underbutler.records import (
    Announced,
    BeatRow,
    BreakerRow,
    FiringRow,
    FiringState,
    Overview,
    ScheduleRow,
    WaitingGroup,
    WorkerRow,
)
from underbutler.records.reading.measures import Measures
from underbutler.settings import Settings
from underbutler.status import Finding, PartState
from underbutler.status.beat import beat_state, schedule_state
from underbutler.status.findings import Gravity
from underbutler.status.records import RecordsAnswer
from underbutler.status.workers import work_findings, workers_state

NOW = 1_000_000.0
JOB = uuid.UUID(int=0x1A2B3C4D)


def worker(**changes: Any) -> WorkerRow:
    fields: dict[str, Any] = {
        "id": "reduce@ccd-1/99aa88bb",
        "name": "reduce@ccd-1",
        "host": "ccd-1",
        "pid": 7,
        "keeper_pid": 8,
        "queue": "reduce",
        "concurrency": 2,
        "started_at": NOW - 500,
        "seen_at": NOW - 3,
        "ended_at": None,
        "unfit_reason": None,
        "unfit_since": None,
    }
    return WorkerRow(**(fields | changes))


WELL = Overview(
    now=NOW, open_targets=3, held=0, parked=0, waiting=(), workers=(worker(),), breakers=(), swept_at=NOW - 5
)


KAST = BreakerRow(label="kast", failures=5, trips=2, open_until=NOW + 300, reason="Refused.", changed_at=NOW)
UNKNOWN = WaitingGroup(reason="No worker knows 'x'.", count=2, job=JOB, since=NOW - 60, next_at=NOW + 30)
AWAY = WaitingGroup(reason=None, count=1, job=JOB, since=None, next_at=NOW - 1)


BEAT = BeatRow(name="ccd-1/9", seen_at=NOW - 3, leads=True, since=NOW - 500, faults=())
QUIET = Measures(
    jobs={}, queued=3, running=0, delivering=0, delivering_age_s=None, held={}, parked=0, waiting={"reduce": 3},
    waiting_age_s={"reduce": 20.0}, unsent=0, unsent_age_s=None, notices=0, notices_age_s=None, workers={}, breakers={},
    swept_age_s=5.0,
)  # fmt: skip


def told(overview: Overview = WELL, **fields: Any) -> RecordsAnswer:
    """Return what records say of a service that is well, but for these fields."""
    well: dict[str, Any] = {
        "here_at": NOW,
        "jobs": (),
        "overview": overview,
        "measures": QUIET,
        "last_worker_at": max((one.ended_at or one.seen_at for one in overview.workers), default=None),
        "beats": (BEAT,),
        "entries": (),
        "last_firings": (),
        "failures": (),
        "announced": Announced(total=0, urls=()),
        "writing": None,
    }
    return RecordsAnswer(**(well | fields))


def entry(**changes: Any) -> ScheduleRow:
    """Return an entry of the schedule that fires in an hour."""
    fields: dict[str, Any] = {
        "id": uuid.UUID(int=1), "name": "night", "definition": {}, "next_due": NOW + 3600, "since": NOW - 9,
        "paused": False, "source": "schedules.toml", "error": None, "changed_at": NOW, "changed_by": "ann",
        "removed_at": None, "looked_at": None,
    }  # fmt: skip
    return ScheduleRow(**(fields | changes))


def states(settings: Settings, answer: RecordsAnswer) -> list[PartState]:
    """Return the parts that the records tell of."""
    return [workers_state(settings, answer), beat_state(settings, answer), schedule_state(settings, answer, ())]


def said(settings: Settings, answer: RecordsAnswer) -> list[Finding]:
    """Return all that is found in what the records say."""
    found = [finding for part in states(settings, answer) for finding in part.findings]
    return found + work_findings(answer.overview)


def test_a_service_that_is_well_has_no_findings(settings: Settings) -> None:
    assert said(settings, told()) == []
    workers, beat, schedule = states(settings, told())
    assert workers.told == "1 worker with 2 processes; reduce 1; since 1970-01-12 13:38:20Z"
    assert beat.told == "ccd-1/9 fires the schedule; since 1970-01-12 13:38:20Z"
    assert schedule.told == "nothing is scheduled"


def test_a_fresh_site_lacks_a_worker_and_housekeeping(settings: Settings) -> None:
    fresh = told(replace(WELL, open_targets=0, workers=(), swept_at=None), beats=())
    worker, sweep = said(settings, fresh)
    assert worker.what == "No worker is alive; none was seen yet."
    assert worker.cure == "Start one: `celery -A workers worker`, or `underbutler up`."
    assert sweep.what == "No housekeeping runs: lost messages and dead workers are not noticed."
    assert [part.state for part in states(settings, fresh)] == ["never seen", "never seen", "answers"]


@pytest.mark.parametrize(
    ("changes", "about", "words"),
    [
        ({"swept_at": None}, "beat", ("No housekeeping runs", "celery -A beat beat", "underbutler sweep --every 5")),
        ({"swept_at": NOW - 600}, "beat", ("No sweep for 10 min", "celery -A beat beat")),
        ({"workers": ()}, "workers", ("No worker is alive, and 3 targets are to be run", "celery -A workers worker")),
        (
            {"workers": (worker(), worker(id="gone", seen_at=NOW - 7200))},
            "workers",
            ("gone was not seen for 2 h", "No heartbeat", "Look on ccd-1 whether its process 7 runs"),
        ),
        (
            {"workers": (worker(unfit_reason="Scratch is full.", unfit_since=NOW - 90),)},
            "workers",
            ("takes no targets for 90 s", "Scratch is full."),
        ),
        ({"breakers": (KAST,)}, "repository kast", ("'kast'", "5 min", "5 failures", "Refused.")),
        ({"held": 1}, "quarantine", ("1 target is in quarantine", "underbutler quarantine list")),
        ({"parked": 12}, "quarantine", ("12 parked messages are in quarantine", "underbutler quarantine list")),
        (
            {"waiting": (UNKNOWN,)},
            "waiting",
            ("2 targets wait for 60 s, next in 30 s", "No worker knows 'x'.", "underbutler status 1a2b3c4d -v"),
        ),
        ({"waiting": (AWAY,)}, "waiting", ("1 target waits.", "A service was unavailable")),
    ],
)
def test_each_finding_names_the_thing_the_reason_and_the_cure(
    settings: Settings, changes: dict[str, Any], about: str, words: tuple[str, ...]
) -> None:
    (finding,) = said(settings, told(replace(WELL, **changes)))
    assert finding.about == about
    text = shown(findings_view("Wrong:", [finding], "red"), 200)
    for word in words:
        assert word in text


def test_a_dead_worker_and_no_living_one_are_two_findings(settings: Settings) -> None:
    gone = told(replace(WELL, workers=(worker(seen_at=NOW - 7200),)))
    none, dead = said(settings, gone)
    assert (none.gravity, dead.gravity) == (Gravity.WRONG, Gravity.NOTED)
    assert none.what == "No worker is alive, and 3 targets are to be run; the last was seen 2 h ago."
    part = workers_state(settings, gone)
    assert (part.state, part.since) == ("away", NOW - 7200)


def test_work_in_a_queue_that_no_worker_takes_from_is_told(settings: Settings) -> None:
    measures = replace(QUIET, waiting={"reduce": 3, "big": 2}, waiting_age_s={"reduce": 1.0, "big": 600.0})
    (finding,) = said(settings, told(measures=measures))
    assert finding.what == "No worker takes from the queue 'big', and 2 targets wait there for 10 min."
    assert finding.cure == "Start one with UNDERBUTLER_QUEUE=big: `celery -A workers worker`."


def test_one_worker_of_two_that_is_unfit_is_only_to_be_known(settings: Settings) -> None:
    unfit = worker(id="b", unfit_reason="Scratch is full.", unfit_since=NOW - 90)
    (finding,) = said(settings, told(replace(WELL, workers=(worker(), unfit))))
    assert finding.gravity is Gravity.NOTED


def test_a_schedule_without_a_beat_is_told(settings: Settings) -> None:
    (never,) = said(settings, told(beats=(), entries=(entry(),)))
    assert never.what == "No beat was seen: 1 entry of the schedule does not fire."
    (killed,) = said(settings, told(beats=(replace(BEAT, seen_at=NOW - 600),), entries=(entry(), entry(name="b"))))
    assert killed.what == "No beat was seen for 10 min: 2 entries of the schedule do not fire."
    assert killed.cure == "Start it: `celery -A beat beat`, or `underbutler up`."


def test_the_schedule_tells_its_next_firing_and_its_faults(settings: Settings) -> None:
    answer = told(
        beats=(replace(BEAT, faults=("schedules.toml:3: when: no such clock",)),),
        entries=(entry(), entry(name="noon", next_due=NOW + 60), entry(name="late", paused=True, next_due=NOW)),
        last_firings=(FAILED,),
    )
    part = schedule_state(settings, answer, ("schedules.toml:3: when: no such clock",))
    assert part.told == "3 entries, 1 paused; next noon at 1970-01-12 13:47:40Z"
    fault, firing = part.findings
    assert (fault.what, fault.why) == ("The schedule's file has a fault.", "schedules.toml:3: when: no such clock")
    assert f"underbutler schedule check {settings.schedules_file}" in fault.cure
    assert (firing.gravity, firing.why) == (Gravity.NOTED, "No such repository.")


FAILED = FiringRow(
    job_id=JOB, schedule_id=uuid.UUID(int=1), name="night", due_at=NOW - 60, state=FiringState.FAILED, lane="",
    definition={}, missed=0, fired_at=NOW, fired_by="ccd-1/9", attempts=1, not_before=None, lease_until=None,
    lease_holder=None, started_at=NOW, ended_at=NOW, told="No such repository.",
)  # fmt: skip
