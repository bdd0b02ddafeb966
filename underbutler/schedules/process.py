"""The process that does what was fired: ``python -m underbutler.schedules.process LANE``. Beat starts it.

It takes one firing after the other under a lease, waits a while for more, and ends: by itself, when it is asked to, or
when beat has died. What it had in hand is then taken up by another.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

from underbutler import metrics
from underbutler.context import ServiceContext
from underbutler.errors import RecordsUnavailableError
from underbutler.settings import load_settings
from underbutler.telemetry import logs
from underbutler.telemetry.logs import get_logger

from .entries import SUBMISSION
from .execution import do_firing
from .last_exposure import look
from .tick import LOOK_EVERY_S

__all__ = ["main", "work"]

log = get_logger(__name__)

IDLE_S: Final = 90.0
"""With nothing to do, a process that has imported the Butler waits so long for more."""
POLL_S: Final = 0.3
EXIT_AWAY: Final = 3


def main(args: Sequence[str] | None = None) -> int:
    """Do what waits in a lane until nothing has for a while."""
    (lane,) = sys.argv[1:] if args is None else args
    settings = load_settings()
    logs.configure("INFO", settings.log_format, settings.log_levels)
    if settings.metrics_port:
        metrics.join("beat")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is beat's: it asks this process to end
    signal.signal(signal.SIGTERM, _end)
    alone = threading.Event()
    threading.Thread(target=_watch_beat, args=(alone,), name="watch", daemon=True).start()
    try:
        with ServiceContext(settings) as context:
            work(context, lane, alone)
    except RecordsUnavailableError as error:
        log.warning("schedule_process_ends", lane=lane, error=str(error))
        return EXIT_AWAY
    return 0


def work(context: ServiceContext, lane: str, alone: threading.Event, *, idle_s: float = IDLE_S) -> int:
    """Do what waits in a lane; return how many firings were done.

    Parameters
    ----------
    context
        What this process has open.
    lane
        Which lane.
    alone
        Set when no more is to be taken.
    idle_s
        It ends when nothing has come for so many seconds.
    """
    holder = f"{socket.gethostname()}/{os.getpid()}"
    done, since = 0, time.monotonic()
    while not alone.is_set() and time.monotonic() - since < idle_s:
        if do_firing(context, lane, holder):
            done, since = done + 1, time.monotonic()
        elif lane == SUBMISSION and look(context, LOOK_EVERY_S):
            since = time.monotonic()
        else:
            alone.wait(POLL_S)
    return done


def _end(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _watch_beat(alone: threading.Event) -> None:
    """Wait for the end of the pipe that beat holds: it is closed when beat dies, however that happens."""
    while os.read(0, 1024):
        pass
    alone.set()


if __name__ == "__main__":
    sys.exit(main())
