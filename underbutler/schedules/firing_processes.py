"""The processes that do what was fired: started when something waits, several when one of them is slow.

Beat stays small and quick: what imports the Butler, or hangs in it, is another process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Final

from underbutler.telemetry.logs import get_logger

__all__ = ["Lane", "start_process"]

log = get_logger(__name__)

MOST: Final = 3
"""So many processes of one lane at a time: what hangs in one of them leaves the others."""

Starter = Callable[[str], "subprocess.Popen[bytes]"]


def start_process(lane: str) -> subprocess.Popen[bytes]:
    """Start a process that does what waits in a lane. It ends by itself, and when this process has died."""
    words = [sys.executable, "-m", "underbutler.schedules.process", lane]
    return subprocess.Popen(words, stdin=subprocess.PIPE)


class Lane:
    """The processes of one lane.

    Parameters
    ----------
    name
        Which lane.
    start
        Starts one.
    """

    def __init__(self, name: str, start: Starter = start_process) -> None:
        self.name = name
        self._start = start
        self._running: list[subprocess.Popen[bytes]] = []

    def tend(self, waiting: int, waiting_long: int = 0) -> None:
        """Start a process if something waits and none runs, or if something has waited for long."""
        self._bury()
        wanted = 1 if waiting else 0
        if waiting_long and len(self._running) < MOST:
            wanted = len(self._running) + 1
        if len(self._running) < wanted:
            self._running.append(self._start(self.name))

    def stop(self, patience_s: float) -> None:
        """Ask the processes to end: what they have in hand is put back."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                log.warning("schedule_process_killed", lane=self.name, pid=process.pid)
                process.kill()
                process.wait()
        self._running.clear()

    def _bury(self) -> None:
        for process in list(self._running):
            code = process.poll()
            if code is not None:
                self._running.remove(process)
                if process.stdin is not None:
                    process.stdin.close()
                if code:
                    log.warning("schedule_process_died", lane=self.name, pid=process.pid, code=code)
