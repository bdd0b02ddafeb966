"""A worker as the kernel sees it: main process, pool children, keeper; to be killed and stopped in parts or whole."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.warm_processes import MODULE, WarmService
from underbutler.embedded.process import Guard, Process

__all__ = ["DrillWorker"]


class DrillWorker:
    """A Celery worker with all its processes.

    Parameters
    ----------
    name
        Its node name and the name of its log file.
    app
        Module of the Celery app.
    folder
        Its working folder.
    environment
        Variables beyond those of this process.
    concurrency
        Pool children.
    fresh
        Whether its program is loaded anew, for variables that the loader heeds, and not forked from a warm process.
    """

    def __init__(
        self,
        name: str,
        app: str,
        folder: Path,
        environment: Mapping[str, str],
        guard: Guard,
        *,
        concurrency: int = 2,
        fresh: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = folder / f"{name}.log"
        self.plain = True
        words = [
            *(MODULE, "celery", "-A", app, "worker", "-P", "prefork", "-c", str(concurrency)),
            *("--without-gossip", "--without-mingle", "-l", "INFO", "-n", f"{name}@%h"),
        ]
        whole = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        self._process: Process | WarmService = (
            Process(name, [sys.executable, *words], environment=whole, directory=folder, log_file=self.log, guard=guard)
            if fresh
            else WarmService(words, whole, folder, self.log, guard)
        )

    def ready(self, timeout_s: float = 120) -> DrillWorker:
        """Wait until it consumes."""
        self._process.wait_until(lambda: " ready." in self.text(), timeout_s)
        return self

    @property
    def pid(self) -> int:
        """Process id of the main process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the main process runs."""
        return self._process.exit_code is None

    def text(self) -> str:
        """Return what it logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def members(self) -> list[psutil.Process]:
        """Return all its processes, the main one first."""
        try:
            main = psutil.Process(self.pid)
            return [main, *main.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def keeper_or_none(self) -> psutil.Process | None:
        """Return its keeper, if one runs."""
        found = [member for member in self.members()[1:] if _is_keeper(member)]
        return found[0] if found else None

    def keeper(self) -> psutil.Process:
        """Return its keeper."""
        found = self.keeper_or_none()
        assert found is not None, f"{self.name} has no keeper: {self.members()}"
        return found

    def children(self) -> list[psutil.Process]:
        """Return its pool children."""
        return [member for member in self.members()[1:] if not _is_keeper(member)]

    def stop_whole(self) -> list[psutil.Process]:
        """Stop all its processes, as when a machine sleeps; return them."""
        self.plain = False
        members = self.members()
        for member in members:
            _signal(member, signal.SIGSTOP)
        return members

    def continue_whole(self) -> None:
        """Wake all its processes."""
        for member in self.members():
            _signal(member, signal.SIGCONT)

    def kill_whole(self) -> None:
        """Kill all its processes at one moment: none sees another die."""
        for member in self.stop_whole():
            _signal(member, signal.SIGKILL)
        self._process.stop()

    def signal_main(self, number: signal.Signals) -> None:
        """Send a signal to the main process alone."""
        self.plain = False
        os.kill(self.pid, number)

    def ends(self, patience_s: float) -> bool:
        """Wait until it has ended by itself; False when it has not in time."""
        deadline = time.monotonic() + patience_s
        while self.alive and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.alive

    def end(self) -> None:
        """End it and everything of it, in whatever state it is."""
        self.kill_whole()


def _is_keeper(process: psutil.Process) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and any("workers.keeper" in word for word in process.cmdline())
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
