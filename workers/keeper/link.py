"""The main process' side of its keeper: starts it, tells it, hears it, and starts another when it dies or hangs.

Nothing here waits for the keeper: a line is written into a pipe that never blocks, and a thread hears what it answers.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import uuid
from collections import OrderedDict, deque
from contextlib import suppress
from typing import Any, Final

from underbutler.telemetry.logs import get_logger

from . import renewals
from .renewals import Renewals

__all__ = ["KeeperLink", "current", "set_current"]

log = get_logger(__name__)

REASON_LIMIT: Final = 500
"""Longest reason that is told, in characters: a line stays shorter than what a pipe takes in one piece."""
REMEMBERED: Final = 200
"""So many last events are told again to a keeper that takes over; each is harmless when it was heard before."""
HASTE_S: Final = 5.0
"""A keeper that lived shorter than this is followed by the next one only after a pause, which grows to `LONGEST_S`."""
LONGEST_S: Final = 30.0
HANGS_S: Final = 25.0
"""A keeper that said nothing for half a lease, and for so long, hangs: it waits for no database longer than that."""
LOOK_S: Final = 1.0
"""So often that is looked at."""
STOPPED_S: Final = 5.0
"""Who has not looked for so long was stopped itself, and must listen again first."""


class KeeperLink:
    """The keeper of this worker, seen from its main process.

    Parameters
    ----------
    worker
        Identity of the worker.
    lease_s
        How long a claim lives that is not renewed, in seconds.
    **start
        What else a keeper must know: ``name``, ``queue``, ``concurrency``, ``level``, ``limits``, ``metrics``.
    """

    def __init__(self, worker: str, *, lease_s: float = 60.0, **start: Any) -> None:
        self.worker = worker
        self.renewals = Renewals()
        self._hangs_s = max(lease_s / 2, HANGS_S)
        self._looked_at = time.monotonic()
        self._start = {"worker": worker, "pid": os.getpid(), **start}
        self._events: deque[bytes] = deque(maxlen=REMEMBERED)
        self._stop_at: float | None = None
        self._unfit: str | None = None
        self._cuts: OrderedDict[int, dict[str, str]] = OrderedDict()
        self._hearing = threading.Lock()
        self._heard = b""
        self._closing = False
        reading, self._descriptor = os.pipe()
        # A keeper that hangs must not make the main process hang with it.
        os.set_blocking(self._descriptor, False)
        self._process = self._spawn(reading)
        os.register_at_fork(after_in_child=self._forget)
        threading.Thread(target=self._watch, name="keeper-watch", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id of the keeper."""
        return self._process.pid

    def lost(self, task_id: str, pid: int | None, reason: str, *, died: bool = False) -> None:
        """Tell that a message's child is gone, by itself if it `died`, or that the message was never given to one."""
        self._tell_of(task_id, "lost", pid=pid, reason=reason, died=died)

    def left(self, task_id: str, pid: int | None, reason: str) -> None:
        """Tell that a message ended with an error in a child that lives: what the records have not, is not done."""
        self._tell_of(task_id, "left", pid=pid, reason=reason, died=True)

    def timed_out(self, task_id: str, pid: int | None, reason: str) -> None:
        """Tell that Celery ends a child at its hard time limit."""
        self._tell_of(task_id, "timed_out", pid=pid, reason=reason, died=True)

    def revoked(self, target: uuid.UUID) -> None:
        """Tell that one target is to be cancelled."""
        self._tell({"event": "revoked", "target": str(target)}, keep=True)

    def stopping(self, in_s: float) -> None:
        """Tell when running targets are to be given back, in seconds from now; a signal handler may call it."""
        stop_at = time.monotonic() + in_s
        self._stop_at = stop_at if self._stop_at is None else min(stop_at, self._stop_at)
        self._tell({"event": "stopping", "in_s": in_s})

    def unfit(self, reason: str | None) -> None:
        """Tell why this worker takes nothing, or None when it is fit again."""
        self._unfit = reason
        self._tell({"event": "unfit", "reason": reason})

    def why_ended(self, task_id: str, pid: int | None) -> tuple[str, str] | None:
        """Return how and why the keeper ended the child that had a message, if it did.

        Returns
        -------
        end, reason
            ``aborted``, ``given_back`` or ``timed_out``, and the same for people. A message that its child took after
            the one for which it was ended is given back.
        """
        if pid is None:
            return None
        if pid not in self._cuts:
            self._hear()  # it is said before the child is sent its signal, but perhaps not heard yet
        said = self._cuts.get(pid)
        if said is None:
            return None
        if said["target"] != task_id.rpartition(".")[0]:
            return "given_back", "its process was ended because of the target before"
        return said["end"], said["reason"]

    def close(self, patience_s: float = 10.0) -> None:
        """Let the keeper end what is left, and wait for its end."""
        if self._closing:
            return
        self._closing = True
        with suppress(OSError):
            os.close(self._descriptor)
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            log.warning("keeper_does_not_end", pid=self.pid)
            self._process.kill()
            self._process.wait()

    def _tell_of(self, task_id: str, event: str, **fields: Any) -> None:
        target, _, send_no = task_id.rpartition(".")
        try:
            order = {"event": event, "target": str(uuid.UUID(target)), "send_no": int(send_no), **fields}
        except ValueError:
            log.warning("no_target_of_ours", id=task_id)
            return
        order["reason"] = str(fields.get("reason", ""))[:REASON_LIMIT]
        self._tell(order, keep=True)

    def _tell(self, order: dict[str, Any], *, keep: bool = False) -> None:
        line = _line(order)
        if keep:
            self._events.append(line)
        with suppress(OSError):  # a keeper that is gone is followed by one that is told all of it again
            os.write(self._descriptor, line)

    def _spawn(self, reading: int) -> subprocess.Popen[bytes]:
        """Start a keeper whose orders come from a pipe, and tell it all that matters."""
        try:
            process = subprocess.Popen(
                # -P: nothing in the working directory may pass for a module of ours.
                [sys.executable, "-P", "-m", "workers.keeper"],
                stdin=reading,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # a terminal's Ctrl-C is for the worker
            )
            if process.stdout is not None:
                os.set_blocking(process.stdout.fileno(), False)
        finally:
            os.close(reading)
        with suppress(OSError):
            os.write(self._descriptor, b"".join([_line(self._start), *self._memory()]))
        self._started_at = time.monotonic()
        return process

    def _memory(self) -> list[bytes]:
        lines = list(self._events)
        if self._unfit is not None:
            lines.append(_line({"event": "unfit", "reason": self._unfit}))
        if self._stop_at is not None:
            lines.append(_line({"event": "stopping", "in_s": max(0.0, self._stop_at - time.monotonic())}))
        return lines

    def _watch(self) -> None:
        """Hear the keeper, and start another one when it is gone."""
        pause_s = 0.0
        while True:
            while self._hear(wait=True):
                self._end_if_it_hangs()
            code = self._process.wait()
            if self._closing:
                return
            log.error("keeper_ended", pid=self.pid, exit_code=code)
            lived_s = time.monotonic() - self._started_at
            pause_s = min(max(1.0, 2 * pause_s), LONGEST_S) if lived_s < HASTE_S else 0.0
            time.sleep(pause_s)
            while not self._closing and not self._respawned():
                time.sleep(1.0)

    def _hear(self, *, wait: bool = False) -> bool:
        """Take in what the keeper has said; tell whether it may say more."""
        pipe = self._process.stdout
        if pipe is None or pipe.closed:
            return False
        if wait:
            waiting = select.poll()
            waiting.register(pipe, select.POLLIN)
            waiting.poll(1000 * LOOK_S)
        with self._hearing:
            try:
                chunk = os.read(pipe.fileno(), 65536)
            except BlockingIOError:
                return True
            *lines, self._heard = (self._heard + chunk).split(b"\n")
            for line in lines:
                self._note(line)
        return bool(chunk)

    def _end_if_it_hangs(self) -> None:
        """Kill a keeper that is stopped, or waits for ever: the next one takes its place while the leases live."""
        now, before = time.monotonic(), self._looked_at
        self._looked_at = now
        if now - before > STOPPED_S:
            self.renewals.started()
        elif self.renewals.silent_s > self._hangs_s and not self._closing:
            log.error("keeper_hangs", pid=self.pid, silent_s=round(self.renewals.silent_s, 1))
            self.renewals.started()
            self._process.kill()

    def _note(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            if "seen" in said:
                self.renewals.note(float(said["seen"]), said["renewed"])
                return
            self._cuts[int(said["pid"])] = {name: str(said[name]) for name in ("target", "end", "reason")}
        except (ValueError, KeyError, TypeError):
            log.warning("keeper_not_understood", line=line.decode(errors="replace"))
        while len(self._cuts) > REMEMBERED:
            self._cuts.popitem(last=False)

    def _respawned(self) -> bool:
        """Start the next keeper on a new pipe under the old number, which no other thread may see closed."""
        try:
            reading, writing = os.pipe()
            os.set_blocking(writing, False)
            os.dup2(writing, self._descriptor, inheritable=False)
            os.close(writing)
            with self._hearing:
                self._heard = b""  # half a line of the one before
                self._process = self._spawn(reading)
        except OSError as error:
            log.error("keeper_does_not_start", error=str(error))
            return False
        log.info("keeper_started_again", pid=self.pid)
        return True

    def _forget(self) -> None:
        """Close a forked child's copy of the pipe: else the keeper would not see the end of the main process."""
        if not self._closing:
            self._closing = True
            with suppress(OSError):
                os.close(self._descriptor)


def _line(order: dict[str, Any]) -> bytes:
    return json.dumps(order).encode() + b"\n"


_links: dict[int, KeeperLink] = {}


def current() -> KeeperLink | None:
    """Return the keeper of this process' worker; None in a child, and where no worker runs."""
    return _links.get(os.getpid())


def set_current(link: KeeperLink | None) -> None:
    """Say which keeper this process has."""
    _links.clear()
    renewals.set_current(None if link is None else link.renewals)
    if link is not None:
        _links[os.getpid()] = link
