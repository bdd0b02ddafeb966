"""OpenStack Swift with its S3 API, all in one temporary folder: a real store, which checks what it is sent."""

from __future__ import annotations

import getpass
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import run
from uuid import uuid4

import pytest

from tests.support.services import S3Endpoint, find_program, missing, short_folder, with_other_ports
from tests.support.swift.files import SWIFT_KINDS, write_swift_files
from underbutler.embedded.process import Guard, Process, free_port


@contextmanager
def swift_server() -> Iterator[S3Endpoint]:
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

        def start() -> str:
            attempt = folder / uuid4().hex[:8]
            attempt.mkdir()
            with ExitStack() as started:
                url = _start_swift(programs, attempt, guard, started)
                running.push(started.pop_all())
            return url

        yield S3Endpoint(url=with_other_ports(start), access_key="test:tester", secret_key="testing")


def _start_swift(programs: dict[str, Path], folder: Path, guard: Guard, started: ExitStack) -> str:
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

    def serve(name: str, command: Sequence[str | Path]) -> Process:
        process = Process(name, command, directory=folder, guard=guard, environment=_bare())
        started.callback(process.stop, 5)
        return process

    memory = [programs["memcached"], "-l", "127.0.0.1", "-p", str(ports["memcached"]), "-U", "0", "-m", "32"]
    serve("memcached", [*memory, "-u", getpass.getuser()] if os.geteuid() == 0 else memory)
    back = [serve(f"swift-{kind}", [programs[f"swift-{kind}-server"], folder / f"{kind}.conf"]) for kind in SWIFT_KINDS]
    for kind, process in zip(SWIFT_KINDS, back, strict=True):
        process.wait_until(lambda kind=kind: _healthy(f"http://127.0.0.1:{ports[kind]}/healthcheck"), 30)
    proxy = serve("swift-proxy", [programs["swift-proxy-server"], folder / "proxy.conf"])
    url = f"http://127.0.0.1:{ports['proxy']}"
    proxy.wait_until(lambda: _healthy(f"{url}/healthcheck"), 30)
    return url


def _bare() -> dict[str, str]:
    """Return an environment in which the system's own Python finds the system's own packages."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C.UTF-8"}


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
