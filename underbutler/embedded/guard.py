"""Nothing outlives its owner: a process that ends what a killed program left behind. Imports only the standard library.

Run as a file, never imported for effect, by an interpreter with nothing loaded (``python -I -S guard.py``):

``exec OWNER PROGRAM ARG…``
    Ask the kernel to kill this process when its parent ends (Linux), then become PROGRAM.
``watch``
    Read ``+PID`` and ``-PID`` lines. When the pipe ends, because its writer is gone, however it went, kill the sessions
    of the PIDs that are left: the children of a program too, which the kernel's signal does not reach.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["kill_session", "session_members"]

_PR_SET_PDEATHSIG = 1
"""Option number of prctl(2)."""


def session_members(leader: int) -> list[int]:
    """Return the living processes of the session that ``leader`` opened; its leader where ``/proc`` is not."""
    members = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # proc(5): the fields after the name, which ends with the last ")", are: state ppid pgrp session …
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue  # it ended while we looked
        if int(session) == leader and state not in "ZX":
            members.append(int(folder.name))
    if members or Path("/proc/self/stat").exists():
        return members
    try:
        os.kill(leader, 0)
    except OSError:
        return []
    return [leader]


def kill_session(leader: int) -> None:
    """Kill the process group of ``leader``, then everything else in its session."""
    with suppress(OSError):  # the group is gone, or was never made
        os.killpg(leader, signal.SIGKILL)
    for member in session_members(leader):
        with suppress(OSError):
            os.kill(member, signal.SIGKILL)


def _become(owner: int, command: list[str]) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != owner:
        sys.exit("its owner ended before it could start")
    try:
        os.execvp(command[0], command)  # noqa: S606 - this is what it is for
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def _watch() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line[0] == "+":
            watched.add(pid)
        else:
            watched.discard(pid)
    for pid in watched:
        kill_session(pid)


if __name__ == "__main__":
    if sys.argv[1] == "exec":
        _become(int(sys.argv[2]), sys.argv[3:])
    else:
        _watch()
