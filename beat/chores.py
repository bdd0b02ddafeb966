"""What beat does by itself: one chore at a time, in a thread of its own, so that the schedule goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from underbutler.telemetry.logs import get_logger

__all__ = ["Chore"]

log = get_logger(__name__)

Stopped = Callable[[], bool]


class Chore:
    """Work that is due now and then, done in one thread; what comes due while it still runs is left out.

    Parameters
    ----------
    name
        What the thread and the log call it.
    work
        Called with a function that says when to end early.

    Notes
    -----
    The thread is a daemon: a chore that hangs in a service does not keep beat from ending. So its work must be such
    that it may be cut anywhere.
    """

    def __init__(self, name: str, work: Callable[[Stopped], object]) -> None:
        self.name = name
        self._work = work
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._thread: threading.Thread | None = None

    def begin(self) -> bool:
        """Do the work now; False, and nothing, when it is still being done or beat is ending."""
        if self._stopped.is_set() or not self._free.is_set():
            return False
        self._free.clear()
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name=self.name, daemon=True)
            self._thread.start()
        return True

    def wait(self, timeout_s: float) -> bool:
        """Wait until the work that was begun is done; False when it takes longer."""
        return self._free.wait(timeout_s)

    def stop(self, patience_s: float) -> bool:
        """Begin no more, and give what runs some time to end; False when it goes on."""
        self._stopped.set()
        self._wanted.set()
        return self._free.wait(patience_s)

    def _loop(self) -> None:
        while True:
            self._wanted.wait()
            if self._stopped.is_set():
                self._free.set()
                return
            self._wanted.clear()
            try:
                self._work(self._stopped.is_set)
            except Exception:
                log.exception("chore_failed", chore=self.name)
            finally:
                self._free.set()
