"""The processes that hold claims: which of them live, and which number has gone to another process since.

Works through psutil, also where there is no ``/proc``.
"""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import psutil

from underbutler.records import HeldClaim

__all__ = ["ChildProcesses"]

CLOCK_SLACK_S: Final = 2.0
"""How far two readings of one process' start may differ, in seconds."""

Key = tuple[uuid.UUID, int]


class ChildProcesses:
    """The children of one worker, as their claims name them.

    A process is recognised at the first look by the time of its start, and from then on by what the kernel keeps of it,
    which a change of the clock does not move.

    Parameters
    ----------
    main
        Process id of the worker itself: it lives as long as anybody asks.
    grace_s
        How long a process must be missing until it counts as gone, in seconds.
    """

    def __init__(self, main: int, grace_s: float) -> None:
        self._main = main
        self._grace_s = grace_s
        self._processes: dict[Key, psutil.Process] = {}
        self._missing: dict[Key, float] = {}

    @property
    def any_missing(self) -> bool:
        """Whether a process is missing that does not count as gone yet."""
        return bool(self._missing)

    def lives(self, claim: HeldClaim) -> bool:
        """Tell whether the process that made a claim still runs."""
        if claim.pid == self._main:
            return True
        key = _key(claim)
        process = self._process(claim)
        with suppress(psutil.NoSuchProcess):
            # A zombie has its number until its parent asks for it, and does nothing any more.
            if process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                self._missing.pop(key, None)
                return True
        self._missing.setdefault(key, time.monotonic())
        return False

    def missing_s(self, claim: HeldClaim) -> float:
        """Return for how long the process has been missing, in seconds; 0 for one that lives."""
        since = self._missing.get(_key(claim))
        return 0.0 if since is None else time.monotonic() - since

    def is_gone(self, claim: HeldClaim) -> bool:
        """Tell whether the process has been missing for long enough."""
        return _key(claim) in self._missing and self.missing_s(claim) >= self._grace_s

    def living(self, claims: Iterable[HeldClaim]) -> list[int]:
        """Return the process ids of the claims whose process is not known to be gone."""
        return sorted({claim.pid for claim in claims if not self.is_gone(claim)})

    def signal(self, claim: HeldClaim, number: signal.Signals) -> None:
        """Send a signal to the process that made a claim, to no other, and never to the worker itself."""
        process = None if claim.pid == self._main else self._process(claim)
        if process is not None:
            with suppress(psutil.Error):
                process.send_signal(number)

    def wait(self, claim: HeldClaim, timeout_s: float) -> None:
        """Wait until the process that made a claim has ended, but not for ever."""
        process = None if claim.pid == self._main else self._process(claim)
        if process is not None:
            with suppress(psutil.Error):
                process.wait(timeout_s)

    def forget_others(self, claims: Iterable[HeldClaim]) -> None:
        """Forget what was known of claims that are over."""
        keys = {_key(claim) for claim in claims}
        for key in [key for key in self._processes if key not in keys]:
            self._processes.pop(key)
        for key in [key for key in self._missing if key not in keys]:
            self._missing.pop(key)

    def _process(self, claim: HeldClaim) -> psutil.Process | None:
        key = _key(claim)
        if key not in self._processes:
            try:
                process = psutil.Process(claim.pid)
                newer_s = 0.0 if claim.pid_started is None else process.create_time() - claim.pid_started
            except psutil.Error:
                return None
            if newer_s > CLOCK_SLACK_S:
                return None  # the number went to another process
            self._processes[key] = process
        return self._processes[key]


def _key(claim: HeldClaim) -> Key:
    return claim.target, claim.claim_no
