"""What is not well is said with its reason and its cure, and nothing is said of a service that is well."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from tests.support.terminal_texts import shown
from underbutler.records import BreakerRow, Overview, WaitingGroup, WorkerRow
from underbutler.settings import Settings
from underbutler.terminal import Problem, problems_of, problems_text

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


def said(overview: Overview, settings: Settings) -> list[Problem]:
    return problems_of(overview, settings)


def test_a_service_that_is_well_has_no_problems(settings: Settings) -> None:
    assert said(WELL, settings) == []


def test_a_service_that_nobody_uses_yet_has_none_either(settings: Settings) -> None:
    unused = replace(WELL, open_targets=0, workers=(), swept_at=None)
    assert said(unused, settings) == []


@pytest.mark.parametrize(
    ("changes", "about", "words"),
    [
        ({"swept_at": None}, "sweeper", ("No housekeeping runs", "celery -A beat beat", "underbutler sweep --every 5")),
        ({"swept_at": NOW - 600}, "sweeper", ("No sweep for 10 min", "celery -A beat beat")),
        ({"workers": ()}, "workers", ("No worker is alive", "3 targets are", "celery -A workers worker")),
        (
            {"workers": (worker(), worker(id="gone", seen_at=NOW - 7200))},
            "worker",
            ("gone was not seen for 2 h", "No heartbeat"),
        ),
        (
            {"workers": (worker(unfit_reason="Scratch is full.", unfit_since=NOW - 90),)},
            "worker",
            ("takes no targets for 90 s", "Scratch is full."),
        ),
        (
            {
                "breakers": (
                    BreakerRow(
                        label="kast", failures=5, trips=2, open_until=NOW + 300, reason="Refused.", changed_at=NOW
                    ),
                )
            },
            "repository",
            ("'kast'", "5 min", "5 failures", "Refused."),
        ),
        ({"held": 1}, "quarantine", ("1 target is in quarantine", "underbutler quarantine list")),
        ({"parked": 12}, "quarantine", ("12 parked messages are in quarantine", "underbutler quarantine list")),
        (
            {
                "waiting": (
                    WaitingGroup(reason="No worker knows 'x'.", count=2, job=JOB, since=NOW - 60, next_at=NOW + 30),
                )
            },
            "waiting",
            ("2 targets wait for 60 s, next in 30 s", "No worker knows 'x'.", "underbutler status 1a2b3c4d -v"),
        ),
        (
            {"waiting": (AWAY,)},
            "waiting",
            ("1 target waits.", "A service was unavailable"),
        ),
    ],
)
def test_each_problem_names_the_thing_the_reason_and_the_cure(
    settings: Settings, changes: dict[str, Any], about: str, words: tuple[str, ...]
) -> None:
    (problem,) = said(replace(WELL, **changes), settings)
    assert problem.about == about
    text = shown(problems_text([problem]), 200)
    for word in words:
        assert word in text


def test_a_dead_worker_and_no_living_one_are_two_problems(settings: Settings) -> None:
    problems = said(replace(WELL, workers=(worker(seen_at=NOW - 7200),), swept_at=NOW - 7200), settings)
    assert [problem.about for problem in problems] == ["sweeper", "workers", "worker"]
