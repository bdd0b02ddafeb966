"""How a worker ends: no new targets, running ones go on for a while, then they are given back and the process is gone.

SIGTERM, SIGINT, SIGQUIT and ``celery control shutdown`` all lead here. Celery's own cold shutdown waits inside its
signal handler, so that nothing that finishes meanwhile is acknowledged, and cancels by retries; the keeper gives back
instead.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Final

import psutil
from celery import bootsteps, signals
from celery.platforms import EX_OK
from celery.worker import state

from underbutler.settings import load_settings
from underbutler.telemetry.logs import get_logger

from .keeper import link as keeper_link

__all__ = ["Ending"]

log = get_logger(__name__)

HASTE_AFTER_S: Final = 0.5
"""A second signal counts as one from this many seconds on: some senders reach a process twice."""
POOL_PATIENCE_S: Final = 10.0
"""So long a pool of processes gets to end after its children were given back, in seconds."""

_SIGNALS: Final = ("SIGTERM", "SIGINT", "SIGQUIT")


class Ending(bootsteps.StartStopStep):
    """Ends the worker in bounded time, however it is asked to.

    A first signal starts a warm shutdown, a second one gives the running targets back at once, a third one ends the
    process there and then.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._soft_s = load_settings().soft_shutdown_s
        self._deadlines: queue.SimpleQueue[float] = queue.SimpleQueue()  # may be filled by a signal handler
        self._ended = threading.Event()
        self._asked_at: float | None = None
        self._signals = 0

    def start(self, worker: Any) -> None:
        """Take the signals from Celery, which has installed its handlers before any step."""
        self._hostname = str(worker.hostname)
        if threading.current_thread() is not threading.main_thread():
            return  # a worker inside another program, which ends when that one pleases
        self._own_processes = bool(getattr(worker.pool_cls, "uses_semaphore", False))
        self._pid = os.getpid()
        threading.Thread(target=self._wait_out, name="worker-ending", daemon=True).start()
        signals.worker_shutdown.connect(self._on_end)
        for name in _SIGNALS:
            signal.signal(getattr(signal, name), self._on_signal)

    def close(self, _worker: Any) -> None:
        """Begin to end: every way of ending a worker comes through here."""
        self._begin(self._soft_s)

    def _on_end(self, **_: Any) -> None:
        self._ended.set()

    def _on_signal(self, number: int, _frame: Any) -> None:
        if os.getpid() != self._pid:
            return
        now = time.monotonic()
        if self._signals and self._asked_at is not None and now < self._asked_at + HASTE_AFTER_S:
            return
        self._signals += 1
        if self._signals > 2:
            self._end_now()
        name = signal.Signals(number).name
        try:
            if self._signals == 1:
                self._say(f"worker: warm shutdown, running targets are given back after {self._soft_s:g} s")
                self._begin(self._soft_s)
                signals.worker_shutting_down.send(sender=self._hostname, sig=name, how="Warm", exitcode=EX_OK)
            else:
                self._say("worker: running targets are given back now")
                self._begin(0.0)
        finally:
            if state.should_stop is None:
                state.should_stop = EX_OK  # type: ignore[assignment]

    def _begin(self, in_s: float) -> None:
        if self._asked_at is not None and in_s:
            return
        self._asked_at = time.monotonic()
        link = keeper_link.current()
        if link is not None:
            link.stopping(in_s)
        self._deadlines.put(self._asked_at + in_s)

    def _wait_out(self) -> None:
        """Wait for the deadline, give the pool time to end by itself, and end the process when it does not."""
        deadline = self._deadlines.get()
        while (left_s := deadline - time.monotonic()) > 0:
            with suppress(queue.Empty):
                deadline = min(deadline, self._deadlines.get(timeout=left_s))
        if self._ended.wait(POOL_PATIENCE_S if self._own_processes else 0.0):
            return
        log.warning("worker_does_not_wait", running=len(state.active_requests))
        self._end_now()

    def _end_now(self) -> None:
        """End at once: what was taken from the broker and not begun is sent again, what runs is given back."""
        link = keeper_link.current()
        if link is not None:
            link.stopping(0.0)
            for request in list(state.requests.values()):
                link.lost(request.id, request.worker_pid, "its worker was asked to stop")
        kept = None if link is None else link.pid
        for child in psutil.Process().children():
            if child.pid != kept:
                with suppress(psutil.Error):
                    child.kill()
        if link is not None:
            link.close()
        os._exit(EX_OK)

    @staticmethod
    def _say(text: str) -> None:
        with suppress(OSError, ValueError):
            os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, f"\n{text}\n".encode())
