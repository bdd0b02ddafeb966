"""A worker whose clock is wrong, by Debian's package `libfaketime`."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from tests.support.drills.site import DrillSite
from tests.support.drills.worker import DrillWorker
from tests.support.services import missing

__all__ = ["WRONG_BY_S", "clock_of", "worker_with_a_wrong_clock"]

WRONG_BY_S = 2 * 3600

SLEEP = """
import select, time

def sleep(seconds):
    select.select((), (), (), seconds)

time.sleep = sleep
"""
"""With the monotonic clock left right, libfaketime 0.9.10 lets `time.sleep` fail: it waits for a moment, by that clock.

With that clock wrong, too, locks and events of Python's wait for hours, because `sem_clockwait` goes by the right one.
"""


def worker_with_a_wrong_clock(site: DrillSite, wrong_by_s: int) -> DrillWorker:
    """Start a worker of a site whose clock is so many seconds ahead, and wait until it consumes."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        missing("libfaketime", "apt-get install libfaketime")
    folder = site.home / "clock"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SLEEP)
    variables = {
        "PYTHONPATH": f"{folder}{os.pathsep}{site.variables['PYTHONPATH']}",
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"{wrong_by_s:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    worker = DrillWorker(
        f"wrong{len(site.workers)}",
        "workers.celery",
        site.home / "workers",
        site.variables | variables,
        site.guard,
        fresh=True,
    )
    worker.plain = False
    site.workers.append(worker)
    return worker.ready()


def clock_of(worker: DrillWorker) -> float:
    """Return how far a worker's children are ahead of the file that their log is written to, in seconds."""
    *_, last = re.findall(r"^(\S+)Z .*target_ended", worker.text(), re.MULTILINE)
    return datetime.fromisoformat(last).replace(tzinfo=UTC).timestamp() - worker.log.stat().st_mtime
