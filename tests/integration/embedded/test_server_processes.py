"""A server process: ready when it answers, heard when it fails, gone when stopped and when its owner is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.services import eventually
from underbutler.embedded.guard import session_members
from underbutler.embedded.process import Guard, Process, ProcessFailedError

STUBBORN = "trap '' TERM; sleep 300 & echo listening; while true; do sleep 1; done"
"""A shell that ignores SIGTERM and has a child."""


@pytest.fixture
def guard() -> Iterator[Guard]:
    with Guard() as guard:
        yield guard


def test_an_ended_process_reports_its_exit_code_and_last_lines(guard: Guard) -> None:
    process = Process("oracle", ["sh", "-c", "echo the disk is full; exit 7"], guard=guard)
    with pytest.raises(ProcessFailedError, match=r"oracle ended with exit code 7.*\n.*the disk is full") as caught:
        process.wait_until(lambda: False, timeout_s=30)
    assert caught.value.fields["exit_code"] == 7


def test_a_process_that_is_killed_says_the_signal(guard: Guard) -> None:
    process = Process("oracle", ["sleep", "300"], guard=guard)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ProcessFailedError, match="oracle was killed by SIGKILL"):
        process.wait_until(lambda: False, timeout_s=30)


def test_a_program_that_does_not_exist_is_named() -> None:
    process = Process("oracle", ["/nowhere/oracled"])
    with pytest.raises(ProcessFailedError, match=r"/nowhere/oracled: No such file"):
        process.wait_until(lambda: False, timeout_s=30)


def test_a_process_that_never_answers_is_stopped_and_shown() -> None:
    process = Process("oracle", ["sh", "-c", STUBBORN])
    eventually(lambda: "listening" in process.tail)
    with pytest.raises(ProcessFailedError, match=r"did not answer within 0\.1 s.*\n.*listening"):
        process.wait_until(lambda: False, timeout_s=0.1)
    assert session_members(process.pid) == []


def test_stopping_ends_children_that_ignore_the_request() -> None:
    process = Process("oracle", ["sh", "-c", STUBBORN])
    eventually(lambda: "listening" in process.tail)
    assert len(session_members(process.pid)) >= 2
    assert process.stop(patience_s=0.1) == -signal.SIGKILL
    assert session_members(process.pid) == []
    assert process.stop() == -signal.SIGKILL


def test_a_process_that_ends_in_order_leaves_no_child_behind() -> None:
    process = Process("oracle", ["sh", "-c", "trap 'exit 0' TERM; sleep 300 & echo listening; wait"])
    eventually(lambda: "listening" in process.tail)
    assert process.stop() == 0
    assert session_members(process.pid) == []


def test_each_line_is_passed_on_even_if_a_listener_fails(tmp_path: Path) -> None:
    heard: list[str] = []

    def listen(line: str) -> None:
        heard.append(line)
        if line == "1":
            raise BrokenPipeError

    log = tmp_path / "oracle.log"
    process = Process("oracle", ["sh", "-c", "for i in 1 2 3; do echo $i; done"], on_line=listen, log_file=log)
    eventually(lambda: process.exit_code == 0)
    process.stop()
    assert heard == ["1", "2", "3"]
    assert log.read_text() == "1\n2\n3\n"


OWNER = f"""
import sys, time
from underbutler.embedded.process import Guard, Process
guard = Guard() if sys.argv[1] == "guarded" else None
process = Process("oracle", ["sh", "-c", {STUBBORN!r}], guard=guard)
while "listening" not in process.tail:
    time.sleep(0.02)
print(process.pid, guard.pid if guard else process.pid, flush=True)
time.sleep(300)
"""


def _owner(how: str) -> tuple[subprocess.Popen[str], int, int]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, how], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid, guard_pid = map(int, owner.stdout.readline().split())
    owner.stdout.close()
    return owner, pid, guard_pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_grandchild_survives_an_owner_that_is_killed(number: signal.Signals) -> None:
    owner, pid, guard_pid = _owner("guarded")
    assert len(session_members(pid)) >= 2
    owner.send_signal(number)
    owner.wait()
    eventually(lambda: not session_members(pid), what="the end of the killed owner's processes")
    eventually(lambda: not session_members(guard_pid), what="the end of the guard")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_the_kernel_ends_a_process_even_if_its_guard_is_killed() -> None:
    owner, pid, guard_pid = _owner("guarded")
    os.kill(guard_pid, signal.SIGKILL)
    owner.kill()
    owner.wait()
    eventually(lambda: pid not in session_members(pid), what="the end of the process")
    for member in session_members(pid):  # the grandchild, which only the guard reaches
        os.kill(member, signal.SIGKILL)


def test_a_guard_whose_processes_were_stopped_kills_nothing() -> None:
    with Guard() as guard:
        kept = Process("kept", ["sleep", "300"])
        guard.add(kept.pid)
        guard.forget(kept.pid)
    time.sleep(0.1)
    assert kept.exit_code is None
    kept.stop()
