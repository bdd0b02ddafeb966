"""The processes of a lane: one when something waits, more when it waits for long, none left behind."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from tests.support.services import eventually
from underbutler.schedules.firing_processes import MOST, Lane

SLEEPS = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]


class Started:
    """Starts processes that end when their pipe is closed, and remembers them."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, lane: str) -> subprocess.Popen[bytes]:
        assert lane == "submission"
        self.processes.append(subprocess.Popen(SLEEPS, stdin=subprocess.PIPE))
        return self.processes[-1]

    def running(self) -> int:
        return sum(one.poll() is None for one in self.processes)


def end(process: subprocess.Popen[Any]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait(10)


def test_a_second_process_starts_only_for_what_waits_long() -> None:
    started = Started()
    lane = Lane("submission", started)
    lane.tend(0)
    assert started.running() == 0
    for _ in range(3):
        lane.tend(5)
    assert started.running() == 1
    for _ in range(5):
        lane.tend(5, 5)
    assert started.running() == MOST
    for process in started.processes:
        end(process)
    lane.tend(0)
    assert len(started.processes) == MOST
    lane.tend(1)
    assert started.running() == 1, "they had ended: another is started"
    lane.stop(10)
    assert started.running() == 0


def test_a_process_that_does_not_hear_is_killed() -> None:
    deaf = [
        sys.executable,
        "-S",
        "-c",
        "import signal, time; signal.signal(15, 1); print(1, flush=True); time.sleep(60)",
    ]
    process = subprocess.Popen(deaf, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lane = Lane("submission", lambda _: process)
    lane.tend(1)
    assert process.stdout is not None
    assert eventually(process.stdout.readline, 10, "it to be deaf")
    lane.stop(0.1)
    assert process.returncode == -9
    process.stdout.close()
