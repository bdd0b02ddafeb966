"""Whether a process is fit to take a target: free scratch space, and its own memory.

A worker that is unfit stops consuming until it is fit, and says why in its log and its row. A child looks again before
each claim, because space can go between two looks of its main process.
"""

from __future__ import annotations

import shutil
from typing import Any, Final

import billiard.pool
import psutil
from celery import bootsteps

from underbutler.settings import Settings, load_settings
from underbutler.telemetry.logs import get_logger
from workers.keeper import link as keeper_link
from workers.keeper import renewals

__all__ = ["Fitness", "Unfit", "admit", "judge_children_by_present_memory", "memory_problem", "scratch_problem"]

log = get_logger(__name__)

LOOK_EVERY_S: Final = 2.0

MIB: Final = 2**20


class Unfit(Exception):  # noqa: N818 - it is no error: another worker, or this one later, takes the target
    """The process takes no target now.

    Parameters
    ----------
    reason
        Why, for people, with the cure.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def admit(settings: Settings) -> None:
    """Look whether this process may take a target.

    Raises
    ------
    Unfit
        If not.
    """
    reason = scratch_problem(settings) or memory_problem(settings) or keeper_problem(settings)
    if reason is not None:
        raise Unfit(reason)


def scratch_problem(settings: Settings) -> str | None:
    """Say what is wrong with the scratch folder, or None."""
    folder = settings.scratch_folder
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return (
            f"the scratch folder {folder} cannot be looked at ({error.strerror}); make it, or set UNDERBUTLER_SCRATCH"
        )
    if free >= settings.scratch_min_bytes:
        return None
    return (
        f"the scratch folder {folder} has {free // MIB} MiB free and {settings.scratch_min_bytes // MIB} MiB are "
        "asked for; free some, or set UNDERBUTLER_SCRATCH or UNDERBUTLER_SCRATCH_MIN_BYTES"
    )


def memory_problem(settings: Settings) -> str | None:
    """Say that this process holds more memory than it may, or None."""
    if settings.rss_limit_bytes is None:
        return None
    used = psutil.Process().memory_info().rss
    if used <= settings.rss_limit_bytes:
        return None
    return (
        f"process {psutil.Process().pid} holds {used // MIB} MiB of memory and may hold "
        f"{settings.rss_limit_bytes // MIB} MiB; start it again, or set UNDERBUTLER_RSS_LIMIT_BYTES"
    )


def keeper_problem(settings: Settings) -> str | None:
    """Say that nobody renews the leases of this worker's claims, or None."""
    silent_s = renewals.unrenewed_s(settings.lease_s)
    if silent_s is None:
        return None
    return (
        f"its keeper has renewed no lease for {silent_s:.0f} s: it is stopped or hangs, which is mended by itself, or "
        "the records are away"
    )


def judge_children_by_present_memory() -> None:
    """Let ``worker_max_memory_per_child`` mean what a child holds: billiard takes the peak of its life on Linux.

    A child that needed much for one target and gave it back would be replaced after every target.
    """
    billiard.pool.mem_rss = lambda: psutil.Process().memory_info().rss // 1024  # type: ignore[attr-defined]


class Fitness(bootsteps.StartStopStep):
    """Stops the consumer while its worker is unfit. Connected anew with every connection to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._settings = load_settings()
        self._entry: Any = None
        self._reason: str | None = None

    def start(self, consumer: Any) -> None:
        """Look at once, when the loop runs, and then every two seconds, in the loop's own thread."""
        self._paused = False  # a new connection consumes
        consumer.timer.call_after(0.0, self._look, (consumer,))
        self._entry = consumer.timer.call_repeatedly(LOOK_EVERY_S, self._look, (consumer,))

    def stop(self, _consumer: Any) -> None:
        """Look no more."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None

    def _look(self, consumer: Any) -> None:
        if self._entry is None or not consumer.task_consumer:
            return
        reason = scratch_problem(self._settings) or keeper_problem(self._settings)
        if reason is None and not consumer.pool.uses_semaphore:  # the main process runs its targets itself
            reason = memory_problem(self._settings)
        if reason is not None and not self._paused:
            self._paused = True
            consumer.task_consumer.cancel()
            log.error("worker_unfit", reason=reason)
        elif reason is None and self._paused:
            self._paused = False
            consumer.task_consumer.consume()
            log.info("worker_fit_again")
        if reason != self._reason and (reason is None or self._reason is None):
            self._reason = reason
            link = keeper_link.current()
            if link is not None:
                link.unfit(reason)
