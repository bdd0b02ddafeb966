"""OpenStack Swift with its S3 API, all in one temporary folder: a real store, which checks what it is sent."""

from __future__ import annotations

import getpass
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import run
from uuid import uuid4

import pytest

from tests.support.services import S3Endpoint, find_program, missing, short_folder, with_other_ports
from tests.support.swift.files import SWIFT_KINDS, write_swift_files
from underbutler.embedded.guard import session_members
from underbutler.embedded.process import Guard, Process, free_port


@dataclass(frozen=True)
class SwiftServer(S3Endpoint):
    """A store that can be killed and started again on its ports, with what it kept."""

    begin: Callable[[], list[Process]] = list
    processes: list[Process] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        """The processes of its servers."""
        return [pid for process in self.processes for pid in session_members(process.pid)]

    def start(self) -> None:
        """Start its servers."""
        self.processes[:] = self.begin()

    def stop(self) -> None:
        """End its servers, in whatever state they are."""
        for process in reversed(self.processes):
            process.stop(patience_s=5)
        self.processes.clear()


@contextmanager
def swift_server() -> Iterator[SwiftServer]:
    """Run Swift's four servers and the memcached they need; everything is in one temporary folder."""
    programs: dict[str, Path] = {}
    for name in (*(f"swift-{kind}-server" for kind in ("proxy", *SWIFT_KINDS)), "swift-ring-builder", "memcached"):
        found = find_program(name)
        if found is None:
            missing(
                "OpenStack Swift",
                "apt-get install swift-proxy swift-account swift-container swift-object memcached",
            )
        programs[name] = found
    with short_folder() as folder, Guard() as guard, ExitStack() as running:

        def start() -> SwiftServer:
            attempt = folder / uuid4().hex[:8]
            attempt.mkdir()
            server = _swift_in(programs, attempt, guard)
            with ExitStack() as failing:
                failing.callback(server.stop)
                server.start()
                running.push(failing.pop_all())
            return server

        yield with_other_ports(start)


def _swift_in(programs: dict[str, Path], folder: Path, guard: Guard) -> SwiftServer:
    """Return a server that has its files in a folder, and does not run yet."""
    ports = {kind: free_port() for kind in ("proxy", "memcached", *SWIFT_KINDS)}
    (folder / "devices" / "d1").mkdir(parents=True)
    write_swift_files(folder, ports)
    for kind in SWIFT_KINDS:
        ring = folder / f"{kind}.builder"
        for step in (["create", "4", "1", "1"], ["add", f"r1z1-127.0.0.1:{ports[kind]}/d1", "1"], ["rebalance"]):
            made = run(
                [programs["swift-ring-builder"], ring, *step], capture_output=True, text=True, check=False, env=_bare()
            )
            if made.returncode == 2:  # 1 is a warning
                pytest.fail(f"swift-ring-builder {step[0]} failed: {made.stdout}{made.stderr}")
    memory = [programs["memcached"], "-l", "127.0.0.1", "-p", str(ports["memcached"]), "-U", "0", "-m", "32"]
    commands: dict[str, list[str | Path]] = {
        "memcached": [*memory, "-u", getpass.getuser()] if os.geteuid() == 0 else memory
    }
    commands |= {
        f"swift-{kind}": [programs[f"swift-{kind}-server"], folder / f"{kind}.conf"] for kind in (*SWIFT_KINDS, "proxy")
    }

    def begin() -> list[Process]:
        started = {
            name: Process(name, command, directory=folder, guard=guard, environment=_bare())
            for name, command in commands.items()
        }
        try:
            for kind in (*SWIFT_KINDS, "proxy"):
                address = f"http://127.0.0.1:{ports[kind]}/healthcheck"
                started[f"swift-{kind}"].wait_until(lambda address=address: _healthy(address), 30)
        except BaseException:
            for process in started.values():
                process.stop(5)
            raise
        return list(started.values())

    url = f"http://127.0.0.1:{ports['proxy']}"
    return SwiftServer(url=url, access_key="test:tester", secret_key="testing", begin=begin)


def _bare() -> dict[str, str]:
    """Return an environment in which the system's own Python finds the system's own packages."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C.UTF-8"}


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
