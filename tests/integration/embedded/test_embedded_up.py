"""``underbutler up`` as people use it: a program in a terminal, with a real worker, ended by a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.services import eventually
from underbutler.embedded.guard import session_members
from underbutler.settings import STACK_FILE, load_settings

PROGRAM = "from underbutler.cli import main; main()"


class Up:
    """A running ``underbutler up``."""

    def __init__(self, home: Path, output: Path) -> None:
        self.home = home
        self._output = output
        with output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "up", "--home", str(home), "-c", "1"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def wait_until_up(self) -> dict[str, int]:
        """Wait for the banner; return the process id of every part."""
        eventually(lambda: "Underbutler is up" in self.said or self.process.poll() is not None, 120, "the banner")
        assert self.process.poll() is None, self.said
        return {_part(pid): pid for pid in _children(self.process.pid)}


def _children(pid: int) -> list[int]:
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            children.append(int(stat.parent.name))
    return children


def _part(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    words = {"guard.py": "guard", "moto": "s3", "beat.celery": "beat", "workers.celery": "worker", "-server": "redis"}
    words |= {"underbutler api": "api"}
    for word, part in words.items():
        if word in command:
            return part
    return command


pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the test reads /proc"),
    pytest.mark.xdist_group("embedded"),
]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[[], Up]]:
    started: list[Up] = []

    def start() -> Up:
        started.append(Up(tmp_path / "home", tmp_path / f"up-{len(started)}.txt"))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_leaves_no_process(up: Callable[[], Up], number: signal.Signals) -> None:
    running = up()
    parts = running.wait_until_up()
    assert set(parts) == {"guard", "redis", "s3", "worker", "beat", "api"}
    assert len(session_members(parts["worker"])) >= 2, "the worker has a child"
    each_line_of_a_part_has_its_name_in_front(running)
    the_api_answers_who_reads_the_stack_file(running)
    running.process.send_signal(number)
    assert running.process.wait(timeout=60) == 0
    assert [part for part, pid in parts.items() if session_members(pid)] == []
    assert not (running.home / STACK_FILE).exists()
    assert running.said.rstrip().endswith("Everything is stopped.")


def each_line_of_a_part_has_its_name_in_front(running: Up) -> None:
    prefixed = set(re.findall(r"^(\w+) *\| ", running.said, flags=re.MULTILINE))
    assert prefixed == {"redis", "s3", "worker", "beat", "api"}
    assert f"export UNDERBUTLER_HOME={running.home}" in running.said
    assert "beat     sweeps every 5 s" in running.said


def the_api_answers_who_reads_the_stack_file(running: Up) -> None:
    settings = load_settings(home=running.home)
    assert settings.api_token is not None
    secret = settings.api_token.get_secret_value()
    answer = httpx.get(f"{settings.api_url}/v1/jobs", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json() == {"jobs": [], "next": None}
    assert secret not in running.said


def test_ctrl_c_before_all_parts_answer_leaves_no_process(up: Callable[[], Up]) -> None:
    running = up()
    eventually(lambda: "redis" in running.said, what="the first part's first line")
    parts = _children(running.process.pid)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=60) == 0
    assert [pid for pid in parts if session_members(pid)] == []
    assert not (running.home / STACK_FILE).exists()


def test_a_part_that_crashes_is_said_and_brings_the_exit_code(up: Callable[[], Up]) -> None:
    running = up()
    parts = running.wait_until_up()
    os.kill(parts["s3"], signal.SIGKILL)
    assert running.process.wait(timeout=60) == 128 + signal.SIGKILL
    assert "s3 was killed by SIGKILL" in running.said
    assert [part for part, pid in parts.items() if session_members(pid)] == []


def test_a_second_up_is_refused_and_a_killed_one_leaves_none(up: Callable[[], Up]) -> None:
    first = up()
    parts = first.wait_until_up()
    second = up()
    assert second.process.wait(timeout=60) == 2
    assert f"already runs in {first.home} (process {first.process.pid})" in second.said
    first.process.kill()
    first.process.wait()
    eventually(lambda: not any(map(session_members, parts.values())), what="the end of the killed stack's processes")
