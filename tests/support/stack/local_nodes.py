"""Nodes of pytest-celery that are processes of this machine, for where no Docker daemon runs.

A node asks of its container what `LocalContainer` has: state, logs, kill, restart. So the same `celery_setup` drives
what runs here and what runs in containers.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import celery
import psutil

from tests.support.services import eventually
from underbutler.embedded.process import Guard, Process, free_port
from underbutler.embedded.servers import find_redis


class LocalContainer:
    """A program and all that it starts, as a container is to a node.

    Parameters
    ----------
    name
        What people call it.
    command, environment
        How it is started, and started again.
    folder
        Its working folder; holds its log.
    prompt
        What it says when it is ready.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], folder: Path, guard: Guard, prompt: str, **environment: str
    ) -> None:
        self.name = name
        self._command, self._folder, self._guard, self._prompt = command, folder, guard, prompt
        self._environment = environment
        self._said: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._start()

    def _start(self) -> None:
        self._since = len(self._said)
        self._process = Process(
            self.name,
            self._command,
            environment={**os.environ, **self._environment},
            directory=self._folder,
            guard=self._guard,
            on_line=self._said.append,
        )
        self._process.wait_until(lambda: any(self._prompt in line for line in self._said[self._since :]), 90)

    @property
    def id(self) -> str:
        """Its process id: there is no other name of it."""
        return str(self._process.pid)

    @property
    def status(self) -> str:
        """In a container's words."""
        return "running" if self._process.exit_code is None else "exited"

    @property
    def celeryconfig(self) -> dict[str, Any]:
        """What Celery has to know of it."""
        return {}

    def ready(self) -> bool:
        """Tell whether it runs; it is ready when it is made."""
        return self.status == "running"

    def reload(self) -> None:
        """Look again: nothing of it is remembered."""

    def logs(self) -> str:
        """Return what it has said, in all its lives."""
        return "\n".join(self._said)

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal to all its processes at one moment, as the end of a container does."""
        family = [psutil.Process(self._process.pid)]
        family += family[0].children(recursive=True)
        for number in (_number("SIGSTOP"), _number(signal)):
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.send_signal(number)
        eventually(lambda: self._process.exit_code is not None, 20, f"the end of {self.name}")

    def restart(self, timeout: int = 10) -> None:
        """End it if it runs, and start it again."""
        self._process.stop(patience_s=timeout)
        self._start()

    def teardown(self) -> None:
        """End it and everything of it, at once: what it holds is of one test."""
        if self.status == "running":
            self.kill()
        self._process.stop()


class LocalRedis(LocalContainer):
    """A Redis server that keeps each command in its append-only file, on one port for all its lives."""

    def __init__(self, folder: Path, guard: Guard) -> None:
        self.port = free_port()
        options = {"port": self.port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "yes"}
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        super().__init__("redis", [find_redis(), *words], folder, guard, "eady to accept connections")

    @property
    def celeryconfig(self) -> dict[str, Any]:
        """Where it listens."""
        url = f"redis://127.0.0.1:{self.port}/0"
        return {"url": url, "host_url": url}


class LocalWorker(LocalContainer):
    """A Celery worker of ours, with its pool and its keeper."""

    def __init__(self, folder: Path, guard: Guard, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "celery", "-A", "workers.celery", "worker", "-P", "prefork", "-c", "1"]
        command += ["--without-gossip", "--without-mingle", "-l", "INFO", "-n", f"{self.worker_name()}@%h"]
        super().__init__("worker", command, folder, guard, " ready.", **environment)

    @staticmethod
    def version() -> str:
        """Version of its Celery."""
        return celery.__version__

    @staticmethod
    def worker_name() -> str:
        """First part of its node name."""
        return "local"

    @staticmethod
    def worker_queue() -> str:
        """Queue that it takes from."""
        return "reduce"

    @staticmethod
    def log_level() -> str:
        """What it logs."""
        return "INFO"


def _number(name: str | int) -> int:
    return name if isinstance(name, int) else signal.Signals[name]
