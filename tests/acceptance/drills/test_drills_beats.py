"""Two beats on a slot each second, and one is killed: ours, stock's, and those that people take instead of it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from tests.support.drills.services import DrillRedis
from tests.support.drills.table import Scale, Table
from tests.support.services import eventually
from underbutler.embedded.process import Guard, Process
from underbutler.migrations import upgrade
from underbutler.records import JobStore
from underbutler.sql import open_engine

ROOT = Path(__file__).parents[3]
SECOND = '[[schedule]]\nname = "second"\nchore = "sweep"\nwhen.every = 1\nmissed = "catch_up"\n'
RIVALS = ("redbeat", "sqlalchemy-celery-beat", "stock")
BROKEN = "SIGKILL of the first"


@dataclass
class Beats:
    """Two beats of one kind, and when each of their firings was seen."""

    who: str
    start: Callable[[int], Process]
    seen: Callable[[], list[float]]
    dues: Callable[[], list[float]] = list
    processes: list[Process] = field(default_factory=list)
    steady: float = 0.0
    killed: float = 0.0

    def said(self, number: int) -> str:
        """Return what one of them has said."""
        return self.processes[number].tail

    def kill_first(self) -> None:
        os.kill(self.processes[0].pid, signal.SIGKILL)
        self.killed = time.time()

    def facts(self, end: float) -> tuple[int, int, int, float]:
        """Return slots, missed and doubled ones of the time in which both were to run, and the longest gap."""
        times = [at for at in self.seen() if self.steady <= at <= end]
        due = round(end - self.steady)
        if dues := self.dues():  # every slot has its row
            span = round(dues[-1] - dues[0]) + 1
            missed, doubled = span - len(set(dues)), len(dues) - len(set(dues))
            return due, missed, doubled, self._longest_gap(times, end)
        before = [at for at in times if at <= self.killed]
        doubled = max(0, len(before) - round(self.killed - self.steady) - 1)
        missed = max(0, due - 1 - (len(times) - doubled))
        return due, missed, doubled, self._longest_gap(times, end)

    def _longest_gap(self, times: list[float], end: float) -> float:
        return max(later - earlier for earlier, later in pairwise([self.steady, *times, end]))


class Arrivals:
    """Takes the messages of a queue as they come, and keeps when."""

    def __init__(self, url: str, queue: str) -> None:
        self.times: list[float] = []
        self._client = redis.Redis.from_url(url)
        self._queue = queue
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while not self._stopped.is_set():
            if self._client.lpop(self._queue) is None:
                self._stopped.wait(0.02)
            else:
                self.times.append(time.time())

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)
        self._client.close()


@pytest.fixture
def guard() -> Iterator[Guard]:
    with Guard() as watch:
        yield watch


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def rival(who: str, broker: DrillRedis, folder: Path, guard: Guard, ends: ExitStack) -> Beats:
    """Return two beats of another's make."""
    folder.mkdir()
    arrivals = Arrivals(broker.url, who)
    ends.callback(arrivals.stop)
    environment = {"DRILL_BEAT": who, "DRILL_BROKER": broker.url, "DRILL_FOLDER": str(folder), "PYTHONPATH": str(ROOT)}
    environment["PYTHONUNBUFFERED"] = "1"

    def start(number: int) -> Process:
        words = [sys.executable, "-m", "celery", "-A", "tests.support.drills.beats", "beat", "--pidfile=", "-l", "INFO"]
        words += ["-s", str(folder / f"schedule-{number}")] if who == "stock" else []
        process = Process(
            f"{who}-{number}", words, environment={**os.environ, **environment, "PYTHONUNBUFFERED": "1"}, guard=guard
        )
        ends.callback(process.stop, 5)
        return process

    return Beats(who, start, lambda: arrivals.times)


def ours(database: str, broker: DrillRedis, folder: Path, guard: Guard, ends: ExitStack) -> Beats:
    """Return two beats of ours: what they fire is a row."""
    folder.mkdir()
    upgrade(database)
    (folder / "schedules.toml").write_text(SECOND)
    engine = open_engine(database)
    ends.callback(engine.dispose)
    jobs = JobStore(engine)
    environment = {
        "UNDERBUTLER_HOME": str(folder),
        "UNDERBUTLER_DATABASE_URL": database,
        "UNDERBUTLER_BROKER_URL": broker.url,
        "PYTHONUNBUFFERED": "1",
    }

    def start(number: int) -> Process:
        words = [sys.executable, "-m", "celery", "-A", "beat", "beat", "-l", "INFO"]
        process = Process(
            f"ours-{number}",
            words,
            environment={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            guard=guard,
            directory=folder,
        )
        ends.callback(process.stop, 10)
        return process

    def of_all(name: str) -> list[float]:
        return sorted(getattr(row, name) for row in jobs.firings.latest(limit=1000))

    return Beats("ours", start, lambda: of_all("fired_at"), lambda: of_all("due_at"))


def test_two_beats_one_is_killed(
    broker: DrillRedis,
    postgres_url: str,
    guard: Guard,
    tmp_path: Path,
    scale: Scale,
    table: Table,
    ends: ExitStack,
) -> None:
    all_beats = [ours(postgres_url, broker, tmp_path / "ours", guard, ends)]
    all_beats += [rival(who, broker, tmp_path / who, guard, ends) for who in RIVALS]
    for beats in all_beats:
        beats.processes.append(beats.start(0))
    for beats in all_beats:
        eventually(lambda beats=beats: len(beats.seen()) >= 2, 60, f"firings of {beats.who}")
    for beats in all_beats:
        beats.processes.append(beats.start(1))
    both_s, after_s = (10, 20) if scale.full else (5, 9)
    for beats in all_beats:
        eventually(lambda beats=beats: "beat: Starting" in beats.said(1), 60, f"the second {beats.who}")
    time.sleep(1)  # they are all there; what follows is counted
    for beats in all_beats:
        beats.steady = time.time()
    time.sleep(both_s)
    for beats in all_beats:
        beats.kill_first()
    time.sleep(after_s)
    end = time.time()
    for beats in all_beats:
        assert beats.processes[1].exit_code is None, f"the second {beats.who} has ended by itself"
    found = {beats.who: beats.facts(end) for beats in all_beats}
    dues = all_beats[0].dues()

    redbeat = all_beats[1].processes[1]
    with redis.Redis.from_url(broker.url) as client:
        client.delete("drill-redbeat::lock", "drill-redbeat:lock")
    lost = "exits when its lock is lost" if _ends(redbeat, 10) else ""
    for who, (due, missed, doubled, gap) in found.items():
        told = lost if who == "redbeat" else ""
        table.beats(who, BROKEN, due=due, missed=missed, doubled=doubled, seconds=gap, told=told)
    _, missed, doubled, _ = found["ours"]
    assert (missed, doubled) == (0, 0)
    assert {later - earlier for earlier, later in pairwise(dues)} == {1.0}, "every slot, once"


def _ends(process: Process, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while process.exit_code is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return process.exit_code is not None
