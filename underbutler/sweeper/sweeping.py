"""The sweep: every part in its turn, none of them held up by another's trouble."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from underbutler import metrics
from underbutler.errors import RecordsUnavailableError, UnderbutlerError
from underbutler.telemetry.logs import get_logger

from . import datasets, jobs, leases, lost_messages, messages, notices, runs, submissions, tokens, uploads, workers
from .report import PartReport, SweepReport, Tally
from .rounds import Limits, Round

if TYPE_CHECKING:
    from celery import Celery

    from underbutler.context import ServiceContext

__all__ = ["PARTS", "Sweeper", "sweep"]

log = get_logger(__name__)

Part = Callable[[Round, Tally], None]

PARTS: dict[str, Part] = {
    "leases": leases.end_expired,
    "lost": lost_messages.find,
    "messages": messages.send_unsent,
    "notices": notices.send_unsent,
    "datasets": datasets.compare,
    "uploads": uploads.clean,
    "submissions": submissions.undo_stale,
    "jobs": jobs.close_and_destroy,
    "runs": runs.pack,
    "workers": workers.end_absent,
    "tokens": tokens.forget_expired,
}
"""What a sweep does, in this order: an expired lease and a lost message are sent again by the same sweep."""

ROUTINE = frozenset({"compared", "forgotten", "packed"})
"""What is done of every target, job or worker in its time, and is nobody's news."""


def _never() -> bool:
    return False


def sweep(
    context: ServiceContext,
    app: Celery,
    *,
    parts: Collection[str] | None = None,
    limits: Limits | None = None,
    force: bool = False,
    after_outage: bool = False,
    known_troubles: Collection[str] = (),
    stopped: Callable[[], bool] = _never,
) -> SweepReport:
    """Find what died, was lost, was left behind or waits, and set it right.

    Several may sweep at the same time: rows are taken under send leases and changed under guards, so nothing is done
    twice. A part that fails is logged and reported, and the others go on.

    Parameters
    ----------
    context, app, limits
        As those of a `Round`.
    parts
        Names out of `PARTS`; default all of them.
    force
        Judge expired leases now, even after a time in which nobody swept.
    after_outage
        The records were away a moment ago: leases are judged only one lease later.
    known_troubles
        Parts that failed before: what fails again is not logged again.
    stopped
        Asked between the parts whether to end early.

    Raises
    ------
    RecordsUnavailableError
        If the records are away: nothing can be known without them.
    """
    begin = time.monotonic()
    turn = Round(
        context=context,
        app=app,
        limits=limits or Limits(),
        force=force,
        after_outage=after_outage,
        stopped=stopped,
    )
    done: list[PartReport] = []
    for name, part in PARTS.items():
        if (parts is None or name in parts) and not stopped():
            done.append(_swept(name, part, turn, known=name in known_troubles))
    if parts is None:
        leases.remember_swept(turn)
        metrics.SWEEP_SECONDS.observe(time.monotonic() - begin)
    return SweepReport(parts=tuple(done), seconds=round(time.monotonic() - begin, 3))


def _swept(name: str, part: Part, turn: Round, *, known: bool) -> PartReport:
    """Run one part; whatever goes wrong in it but the records' absence stays in it."""
    tally = Tally(name)
    try:
        part(turn, tally)
    except RecordsUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001 - reported and logged below: the other parts have nothing to do with it
        tally.failed(error)
    report = tally.report()
    for did, number in tally.words.items():
        metrics.SWEEP_WORK.count(number, part=name, did=did)
    if report.errors:
        metrics.SWEEP_ERRORS.count(part=name)
    if tally.words:
        level = logging.DEBUG if tally.words.keys() <= ROUTINE else logging.INFO
        log.log(level, "swept", part=name, **tally.words)
    if not known:
        for trouble in report.errors:
            traced = None if isinstance(trouble, UnderbutlerError) else trouble
            log.warning("sweep_part_failed", part=name, error=str(trouble), exc_info=traced)
    return report


class Sweeper:
    """Sweeps again and again, says each trouble once, and says when it is over.

    Parameters
    ----------
    context
        What is kept open between the sweeps.
    app
        A Celery app that can send.
    """

    def __init__(self, context: ServiceContext, app: Celery) -> None:
        self._context = context
        self._app = app
        self._records_away = False
        self._troubles: frozenset[str] = frozenset()

    def sweep(self, *, force: bool = False, stopped: Callable[[], bool] = _never) -> SweepReport | None:
        """Sweep once; None when the records are away."""
        try:
            report = sweep(
                self._context,
                self._app,
                force=force,
                after_outage=self._records_away,
                known_troubles=self._troubles,
                stopped=stopped,
            )
        except RecordsUnavailableError as error:
            if not self._records_away:
                log.warning("records_away", error=str(error))
            self._records_away = True
            return None
        if self._records_away:
            log.info("records_back")
            self._records_away = False
        troubles = frozenset(part.part for part in report.parts if part.errors)
        for part in sorted(self._troubles - troubles):
            log.info("sweep_part_works_again", part=part)
        self._troubles = troubles
        return report
