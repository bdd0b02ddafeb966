"""A process that is unfit takes nothing and says why; a worker's consumer pauses and goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from billiard import pool

from underbutler.settings import Settings
from workers.intake import fitness
from workers.intake.fitness import Fitness, Unfit, admit
from workers.keeper import renewals


def test_a_process_with_space_and_memory_is_fit(settings: Settings) -> None:
    admit(settings.model_copy(update={"scratch_min_bytes": 1, "rss_limit_bytes": 2**50}))


def test_full_scratch_is_said_with_its_folder_and_the_cure(settings: Settings, tmp_path: Path) -> None:
    full = settings.model_copy(update={"scratch": tmp_path, "scratch_min_bytes": 2**62})
    with pytest.raises(Unfit, match="UNDERBUTLER_SCRATCH_MIN_BYTES") as caught:
        admit(full)
    assert str(tmp_path) in caught.value.reason


def test_a_scratch_folder_that_is_not_there_is_said(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="cannot be looked at"):
        admit(settings.model_copy(update={"scratch": tmp_path / "absent"}))


def test_a_process_that_has_grown_over_its_limit_is_unfit(settings: Settings) -> None:
    with pytest.raises(Unfit, match="UNDERBUTLER_RSS_LIMIT_BYTES"):
        admit(settings.model_copy(update={"rss_limit_bytes": 1}))


def test_a_process_whose_keeper_renews_nothing_is_unfit(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = renewals.Renewals()
    monkeypatch.setattr(renewals, "_current", [heard])
    fit = settings.model_copy(update={"scratch_min_bytes": 1, "lease_s": 60.0})
    admit(fit)
    now = time.monotonic()
    heard.note(now, now - 29.0)
    admit(fit)
    heard.note(now, now - 31.0)
    with pytest.raises(Unfit, match="its keeper has renewed no lease for 31 s"):
        admit(fit)
    heard.note(now, None)
    with pytest.raises(Unfit):
        admit(fit)
    heard.started()
    admit(fit)


def test_a_child_is_judged_by_what_it_holds_not_by_its_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "mem_rss", pool.mem_rss)
    ballast = bytearray(64 * 2**20)
    ballast[::4096] = b"1" * len(ballast[::4096])
    fitness.judge_children_by_present_memory()
    with_ballast = pool.mem_rss()
    del ballast
    assert pool.mem_rss() < with_ballast - 32 * 1024
    assert "mem_rss" in pool.Worker.workloop.__code__.co_names, "billiard looks it up under this name"


class Pool:
    """A pool as the step sees it."""

    def __init__(self, own_processes: bool) -> None:
        self.uses_semaphore = own_processes


class Timer:
    """A timer that keeps what it is asked to call."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def call_after(self, _seconds: float, call: Any, args: tuple[Any, ...]) -> None:
        self.calls.append(lambda: call(*args))

    def call_repeatedly(self, _seconds: float, call: Any, args: tuple[Any, ...]) -> Any:
        self.calls.append(lambda: call(*args))
        return self

    def cancel(self) -> None:
        self.calls.clear()


class Consumer:
    """A consumer as the step sees it: it is also its own task consumer."""

    def __init__(self, own_processes: bool = True) -> None:
        self.pool = Pool(own_processes)
        self.timer = Timer()
        self.task_consumer = self
        self.said: list[str] = []

    def cancel(self) -> None:
        self.said.append("cancel")

    def consume(self) -> None:
        self.said.append("consume")

    def look(self) -> None:
        """Do what the timer would do now."""
        self.timer.calls[-1]()


@pytest.fixture
def unfit(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return what the scratch folder's problem is: the last of these."""
    reasons: list[str | None] = [None]
    monkeypatch.setattr(fitness, "scratch_problem", lambda _settings: reasons[-1])
    return reasons


def test_an_unfit_worker_pauses_once_and_consumes_when_fit(unfit: list[str | None]) -> None:
    consumer = Consumer()
    step = Fitness(consumer)
    step.start(consumer)
    consumer.look()
    assert consumer.said == []
    unfit.append("full")
    consumer.look()
    consumer.look()
    assert consumer.said == ["cancel"]
    unfit.append(None)
    consumer.look()
    consumer.look()
    assert consumer.said == ["cancel", "consume"]


def test_an_unfit_worker_pauses_a_new_connection_again(unfit: list[str | None]) -> None:
    unfit.append("full")
    first, second = Consumer(), Consumer()
    step = Fitness(first)
    step.start(first)
    first.look()
    step.stop(first)
    assert first.timer.calls == []
    step.start(second)
    second.look()
    assert second.said == ["cancel"]


def test_the_main_processs_memory_counts_if_it_runs_targets(
    unfit: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unfit == [None]
    monkeypatch.setenv("UNDERBUTLER_RSS_LIMIT_BYTES", "1")
    forking, alone = Consumer(own_processes=True), Consumer(own_processes=False)
    for consumer in (forking, alone):
        Fitness(consumer).start(consumer)
        consumer.look()
    assert forking.said == []
    assert alone.said == ["cancel"]
