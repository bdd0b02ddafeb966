"""One round of sweeping: what its parts work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from underbutler.broker import connection, translate_broker_errors

if TYPE_CHECKING:
    from celery import Celery

    from underbutler.context import ServiceContext
    from underbutler.records import JobStore
    from underbutler.settings import Settings

__all__ = ["Limits", "Round"]

ALONE_S = 60.0
"""A sweeper that died while it removed something is waited for so long, in seconds."""
BUSY, FREE = "busy", "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one sweep takes of each kind, so that none lasts long; the rest is the next sweep's.

    Parameters
    ----------
    leases
        Claims whose lease has run out.
    messages, notices
        Messages and notices that are sent.
    lost
        Messages of one queue that are found lost.
    targets
        Ended targets whose datasets are compared with the registry.
    uploads
        Objects that are removed.
    jobs
        Jobs and submissions.
    confirm_s
        A queue that holds too few messages is looked at again after so many seconds before any is sent again.
    stale_s
        What may be in the hands of a living worker is sent again after so many seconds.
    submission_s
        A submission that has not become a job after so many seconds is dead.
    absent_s
        A worker that was not seen for so many seconds has ended.
    """

    leases: int = 1_000
    messages: int = 5_000
    notices: int = 5_000
    lost: int = 5_000
    targets: int = 500
    uploads: int = 500
    jobs: int = 50
    confirm_s: float = 3.0
    stale_s: float = 300.0
    submission_s: float = 900.0
    absent_s: float = 3600.0


def _never() -> bool:
    return False


@dataclass(slots=True, kw_only=True)
class Round:
    """What the parts of one sweep share.

    Parameters
    ----------
    context
        Records, butlers, annex, publisher.
    app
        A Celery app that can send.
    limits
        How much is taken at a time.
    force
        Judge expired leases now, whatever happened before.
    after_outage
        The records were away a moment ago: workers could not renew.
    stopped
        Says when to end early.
    """

    context: ServiceContext
    app: Celery
    limits: Limits = field(default_factory=Limits)
    force: bool = False
    after_outage: bool = False
    stopped: Callable[[], bool] = _never
    _broker_answers: bool = False

    @property
    def jobs(self) -> JobStore:
        """The records."""
        return self.context.jobs

    @property
    def settings(self) -> Settings:
        """Where everything is."""
        return self.context.settings

    def need_broker(self) -> None:
        """Ask once per round whether the broker is there, before rows are taken that could not be sent.

        Raises
        ------
        BrokerUnavailableError
            If it does not answer.
        """
        if not self._broker_answers:
            with translate_broker_errors(self.settings), connection(self.settings) as probe:
                probe.ensure_connection(max_retries=1, timeout=3)
            self._broker_answers = True

    @contextmanager
    def alone(self, work: str) -> Iterator[bool]:
        """Keep other sweepers from some work inside the block; False when another one is at it.

        For what no guard of a row protects: what one has found in the Butler or the annex, another may have removed
        and a third made again, before the first removes it. The block is short, far shorter than `ALONE_S`.
        """
        name = f"alone:{work}"
        before, now = self.jobs.sweep.remembered(name), self.jobs.now()
        busy = before is not None and now - before.at < ALONE_S and before.body == BUSY
        if busy or not self.jobs.sweep.remember_next(name, BUSY, before):
            yield False
            return
        try:
            yield True
        finally:
            self.jobs.sweep.remember(name, FREE)
