"""Which process a claim means: one that lives, one that is gone, never another one of the same number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator

import psutil
import pytest

from tests.support.services import eventually
from underbutler.model.job import TargetState
from underbutler.records import HeldClaim
from workers.keeper.child_processes import ChildProcesses


def held_by(pid: int, **fields: object) -> HeldClaim:
    """Return a claim that a process holds."""
    defaults = {
        "target": uuid.uuid4(),
        "job": uuid.uuid4(),
        "claim_no": 1,
        "worker": "w/1",
        "pid": pid,
        "pid_started": psutil.Process(pid).create_time(),
        "state": TargetState.RUNNING,
        "task": "processCcd",
        "queue": "reduce",
        "send_no": 1,
        "started_at": 0.0,
        "age_s": 1.0,
        "lease_until": 60.0,
        "deaths": 0,
        "worker_deaths": 0,
        "cancel_requested": False,
    }
    return HeldClaim(**(defaults | fields))  # type: ignore[arg-type]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that waits."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_a_child_lives_until_it_is_an_unreaped_zombie(child: subprocess.Popen[bytes]) -> None:
    wards = ChildProcesses(main=os.getpid(), grace_s=0.0)
    claim = held_by(child.pid)
    assert wards.lives(claim)
    assert not wards.is_gone(claim)
    wards.signal(claim, signal.SIGKILL)
    eventually(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert not wards.lives(claim)
    assert wards.is_gone(claim)
    assert wards.living([claim]) == []


def test_a_missing_child_is_gone_only_after_the_grace(child: subprocess.Popen[bytes]) -> None:
    wards = ChildProcesses(main=os.getpid(), grace_s=600.0)
    claim = held_by(child.pid)
    child.kill()
    child.wait()
    assert not wards.lives(claim)
    assert wards.any_missing
    assert not wards.is_gone(claim), "what its main process says of it may still come"
    wards.forget_others([])
    assert not wards.any_missing


def test_a_pid_that_went_to_a_newer_process_is_left_alone(
    child: subprocess.Popen[bytes],
) -> None:
    wards = ChildProcesses(main=os.getpid(), grace_s=0.0)
    claim = held_by(child.pid, pid_started=psutil.Process(child.pid).create_time() - 100)
    assert not wards.lives(claim)
    assert wards.is_gone(claim)
    wards.signal(claim, signal.SIGKILL)
    wards.wait(claim, 0.1)
    assert child.poll() is None
    assert wards.lives(held_by(child.pid, pid_started=None)), "a claim that does not say when it began is believed"


def test_the_main_process_lives_and_is_never_sent_a_signal(child: subprocess.Popen[bytes]) -> None:
    wards = ChildProcesses(main=child.pid, grace_s=0.0)
    claim = held_by(child.pid)
    wards.signal(claim, signal.SIGKILL)
    child.kill()
    child.wait()
    assert child.returncode == -signal.SIGKILL
    assert wards.lives(claim)
    assert wards.living([claim]) == [child.pid]
