"""A worker's metrics: counted by its main process and children, served by its keeper. Beat begins in the same way.

The keeper is a process of its own, started and not forked: the port is not a child's, a scrape takes nothing from the
main process, which limits a worker of short targets, and who lives is known there. It loads neither
Celery nor the science stack.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from underbutler import metrics
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from underbutler.records import Claim
    from underbutler.settings import Settings

__all__ = ["KeeperMetrics", "count_claim", "count_end", "start_counting"]

log = get_logger(__name__)

TIDY_EVERY_S: Final = 15.0


def start_counting(settings: Settings, home: str) -> metrics.MetricsFolder | None:
    """Count in this process and in those that it starts; return the folder in which they do, if they count.

    Parameters
    ----------
    settings
        Whether metrics are wanted.
    home
        Which service this is, ``worker`` or ``beat``.
    """
    if not settings.metrics_port:
        return None
    try:
        folder = metrics.MetricsFolder.make()
    except OSError as error:
        log.warning("metrics_not_counted", error=str(error))
        return None
    if metrics.begin(home, folder.path):
        return folder
    folder.remove()
    return None


class KeeperMetrics:
    """What a keeper does for the metrics of its worker: serves them, and tidies after the dead.

    Parameters
    ----------
    settings
        Host and port, scratch folder.
    folder
        Where the worker's processes count; None: they do not.
    """

    def __init__(self, settings: Settings, folder: str | None) -> None:
        self._settings = settings
        self._folder = None if folder is None else metrics.MetricsFolder(Path(folder))
        self._tidy_at = 0.0
        if self._folder is None or not metrics.begin("worker", self._folder.path):
            self._folder = None
            return
        self._exporter = metrics.Exporter(settings, self._folder)
        metrics.WORKER_FIT.set(1)
        metrics.LEASE_RENEWALS.count(0)

    def turn(self, n_claims: int) -> None:
        """Say what this worker holds, listen if that could not be before, and tidy now and then."""
        if self._folder is None:
            return
        metrics.WORKER_CLAIMS.set(n_claims)
        self._exporter.start()
        now = time.monotonic()
        if now >= self._tidy_at:
            self._tidy_at = now + min(TIDY_EVERY_S, self._settings.lease_s / 4)
            try:
                metrics.SCRATCH_FREE_BYTES.set(shutil.disk_usage(self._settings.scratch_folder).free)
                self._folder.tidy(psutil.pid_exists)
            except OSError as error:
                log.warning("metrics_not_tidied", error=str(error))

    def close(self) -> None:
        """Serve no more, and leave nothing behind."""
        if self._folder is not None:
            self._exporter.stop()
            self._folder.remove()


def count_claim(task: str, claim: Claim) -> None:
    """Count how long a target waited until somebody claimed it for the first time; a retry waits on purpose."""
    if claim.claim_no == 1 and claim.queued_at is not None:
        waited_s = max(0.0, claim.started_at - claim.queued_at)
        metrics.QUEUE_WAIT_SECONDS.observe(waited_s, task=task, queue=claim.queue)


def count_end(task: str, end: str, seconds: float | None = None) -> None:
    """Count a claim that has ended, and how long it took where its own process ends it."""
    metrics.CLAIMS.count(task=task, end=end)
    if end in {"died", "timed_out"}:
        metrics.CHILD_DEATHS.count(how=end)
    if seconds is not None:
        metrics.RUN_SECONDS.observe(seconds, task=task, end=end)
