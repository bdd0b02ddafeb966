"""The clerk of a worker's main process: writes down what cannot be run; only then is its message acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import SimpleQueue

from underbutler import metrics
from underbutler.errors import TransientError
from underbutler.records import JobStore, Parked, StandDown, StandDownReason
from underbutler.retry import RECORDS_OF_QUARANTINE
from underbutler.telemetry.logs import get_logger
from workers.log_bindings import about

from .inspection import Park, Wait

__all__ = ["Case", "QuarantineWriter"]

log = get_logger(__name__)

DELAY_S = 15.0
"""Seconds after which a target that no worker could run is tried again."""


@dataclass(frozen=True)
class Case:
    """A message that cannot be run.

    Parameters
    ----------
    verdict
        What is to be done.
    message
        Its bytes, and what could be read of it.
    settled
        Called, from the clerk's thread, once the records have it.
    """

    verdict: Park | Wait
    message: Parked
    settled: Callable[[], None]


class QuarantineWriter:
    """Settles cases one after the other in a thread: while the records are away the worker goes on without them.

    Parameters
    ----------
    open_records
        Opens the records for one case. They are closed again after it: the main process forks, and a forked child must
        inherit no connection.
    hold_after_s
        A target that waits longer than this for a worker that can run it is held.
    """

    def __init__(self, open_records: Callable[[], AbstractContextManager[JobStore]], hold_after_s: float) -> None:
        self._open = open_records
        self._hold_after_s = hold_after_s
        self._cases: SimpleQueue[Case] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    def take(self, case: Case) -> None:
        """Take a case, to be settled as soon as the records answer."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="clerk", daemon=True)
            self._thread.start()
        self._cases.put(case)

    def close(self) -> None:
        """Wait no longer for records that are away; what is not settled stays with the broker."""
        self._ending.set()

    def _work(self) -> None:
        while True:
            case = self._cases.get()
            try:
                self._settle_when_possible(case)
            except Exception as error:  # noqa: BLE001 - unsettled it stays with the broker and comes back
                log.error("message_not_settled", reason=case.verdict.reason, error=f"{type(error).__name__}: {error}")

    def _settle_when_possible(self, case: Case) -> None:
        pause_s = RECORDS_OF_QUARANTINE.first_s
        while not self._ending.is_set():
            try:
                with self._open() as jobs, about(case.message.headers or {}):
                    self._settle(case, jobs)
            except TransientError as error:
                log.warning("records_not_reachable", error=str(error), retry_in_s=pause_s)
                self._ending.wait(pause_s)
                pause_s = RECORDS_OF_QUARANTINE.after(pause_s)
            else:
                case.settled()
                return

    def _settle(self, case: Case, jobs: JobStore) -> None:
        match case.verdict:
            case Park() as park:
                jobs.quarantine.park(case.message)
                metrics.PARKED.count(kind=park.kind)
                log.error("message_parked", kind=park.kind, reason=park.reason, queue=case.message.queue)
            case Wait() as wait:
                self._defer(wait, case, jobs)

    def _defer(self, wait: Wait, case: Case, jobs: JobStore) -> None:
        hold_after_s = 0.0 if wait.for_good else self._hold_after_s
        try:
            state = jobs.waiting.defer(
                wait.target,
                wait.digest,
                wait.send_no,
                reason=wait.reason,
                delay_s=min(DELAY_S, hold_after_s / 4),
                hold_after_s=hold_after_s,
            )
        except StandDown as stood:
            if stood.reason is StandDownReason.UNKNOWN:
                jobs.quarantine.park(case.message)
            log.info("stood_down", target=str(wait.target), reason=str(stood))
        else:
            metrics.DEFERRED.count(reason="unreadable")
            log.warning("target_waits", target=str(wait.target), reason=wait.reason, state=state.value)
