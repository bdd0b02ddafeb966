"""The embedded stack: real servers that are found, watched, and gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.support.services import S3Endpoint, eventually
from underbutler.annex import make_client
from underbutler.butlers import create_repository, shipped_maps
from underbutler.embedded.guard import session_members
from underbutler.embedded.process import Guard, ProcessFailedError
from underbutler.embedded.servers import Server, bundled_valkey, find_redis, start_redis
from underbutler.embedded.stack import Stack
from underbutler.errors import BrokerUnavailableError, ConflictError
from underbutler.migrations import is_current
from underbutler.model.naming import bucket_of
from underbutler.settings import STACK_FILE, load_settings


def alive(pids: list[int]) -> list[int]:
    """Return the sessions that still have a member."""
    return [pid for pid in pids if session_members(pid)]


@contextmanager
def stopping(server: Server) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        try:
            yield client
        finally:
            server.process.stop()


@pytest.mark.parametrize("find", [find_redis, bundled_valkey])
def test_the_server_on_path_or_in_the_wheel_keeps_its_queue(find: Callable[[], Path | None], tmp_path: Path) -> None:
    program = find()
    assert program is not None
    with stopping(start_redis(tmp_path / "redis", program=program, keep=True)) as client:
        client.rpush("queue", "a", "b")
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
    with stopping(start_redis(tmp_path / "redis", program=program, keep=True)) as client:
        assert client.lrange("queue", 0, -1) == ["a", "b"]


def test_two_servers_at_a_time_do_not_meet(tmp_path: Path) -> None:
    with (
        stopping(start_redis(tmp_path / "one")) as one,
        stopping(start_redis(tmp_path / "two")) as two,
    ):
        one.set("name", "one")
        assert two.get("name") is None


def test_a_stack_uses_what_is_configured_and_leaves_it_running(
    tmp_path: Path, redis_url: str, moto_endpoint: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_endpoint.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UNDERBUTLER_BROKER_URL", redis_url)
    home = tmp_path / "home"
    with Stack(home, with_worker=False, use_configured=True) as stack:
        assert (stack.started, stack.processes) == (frozenset(), [])
        assert stack.settings.broker_url == redis_url
        monkeypatch.delenv("UNDERBUTLER_BROKER_URL")
        monkeypatch.delenv("UNDERBUTLER_S3_ENDPOINT_URL")
        found = load_settings(home=home)
        assert (found.broker_url, found.s3_endpoint_url) == (redis_url, moto_endpoint.url)
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_a_configured_broker_that_is_away_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERBUTLER_BROKER_URL", "redis://127.0.0.1:1/0")
    stack = Stack(tmp_path / "home", with_worker=False, use_configured=True)
    with pytest.raises(BrokerUnavailableError, match=r"Start your Redis at 127\.0\.0\.1:1"):
        stack.start()
    assert stack.processes == []


def test_a_stack_is_found_by_its_file_and_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Stack(home, with_worker=False) as stack:
        pids = [process.pid for process in stack.processes]
        assert alive(pids) == pids
        file = home / STACK_FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        found = load_settings(home=home)
        with redis.Redis.from_url(found.broker_url) as client:
            assert client.ping()
        assert make_client(found).list_buckets()["Buckets"] == []
        assert is_current(found.records_url)
        stack.check()
    assert alive(pids) == []
    assert not file.exists()


def test_buckets_of_known_repositories_are_made_at_each_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Stack(home, with_worker=False) as stack:
        create_repository(home / "repo", "demo", stack.settings)
        create_repository(home / "gone", "gone", stack.settings)
    shutil.rmtree(home / "gone")
    with Stack(home, with_worker=False) as stack:
        client = make_client(stack.settings)
        buckets = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        expected = {bucket_of(one.name, s3instance=stack.settings.s3_instance) for one in shipped_maps()}
        assert buckets == expected
        assert expected


def test_a_part_that_crashes_is_named_with_its_signal(tmp_path: Path) -> None:
    with Stack(tmp_path / "home", with_worker=False) as stack:
        broker, _ = stack.processes
        os.kill(broker.pid, signal.SIGKILL)
        eventually(lambda: broker.exit_code is not None)
        with pytest.raises(ProcessFailedError, match="redis was killed by SIGKILL") as caught:
            stack.supervise(lambda: False)
        assert caught.value.fields == {"name": "redis", "exit_code": -signal.SIGKILL}


def test_a_second_stack_in_one_folder_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Stack(home, with_worker=False) as stack:
        written = (home / STACK_FILE).read_text()
        with pytest.raises(ConflictError, match=rf"already runs in {home} \(process {os.getpid()}\)"):
            Stack(home, with_worker=False).start()
        assert (home / STACK_FILE).read_text() == written
        stack.check()
    with Stack(home, with_worker=False):
        pass


def test_a_stack_that_cannot_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guards: list[Guard] = []

    class Seen(Guard):
        def __init__(self) -> None:
            super().__init__()
            self.watched: list[int] = []
            guards.append(self)

        def add(self, pid: int) -> None:
            self.watched.append(pid)
            super().add(pid)

    def fail(_url: str) -> None:
        raise RuntimeError("no records today")

    monkeypatch.setattr("underbutler.embedded.stack.Guard", Seen)
    monkeypatch.setattr("underbutler.migrations.upgrade", fail)
    with pytest.raises(RuntimeError, match="no records today"):
        Stack(tmp_path / "home", with_worker=False).start()
    (guard,) = guards
    assert len(guard.watched) == 2
    assert alive([*guard.watched, guard.pid]) == []
    assert not (tmp_path / "home" / STACK_FILE).exists()


OWNER = """
import sys, time
from pathlib import Path
from underbutler.embedded.stack import Stack
stack = Stack(Path(sys.argv[1]), with_worker=False).start()
print(*(process.pid for process in stack.processes), flush=True)
time.sleep(300)
"""


def test_a_killed_stack_leaves_no_process_and_an_old_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(home)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pids = [int(word) for word in owner.stdout.readline().split()]
    owner.stdout.close()
    stale = load_settings(home=home).broker_url
    owner.kill()
    owner.wait()
    eventually(lambda: not alive(pids), what="the end of the killed stack's processes")
    assert (home / STACK_FILE).exists()
    with Stack(home, with_worker=False) as stack:
        assert load_settings(home=home).broker_url == stack.settings.broker_url != stale
