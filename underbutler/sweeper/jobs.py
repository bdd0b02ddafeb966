"""Jobs whose targets have all ended, that run for too long, or that are past their destruction."""

from __future__ import annotations

from typing import Final

from underbutler.telemetry.logs import get_logger

from .report import Tally
from .rounds import Round

__all__ = ["close_and_destroy"]

EVENTS_KEPT_S: Final = 30 * 86400.0
"""What happened is told for so long, in seconds."""
KEYS_KEPT_S: Final = 86400.0
"""A request with the same key is the same one for so long, in seconds."""

log = get_logger(__name__)


def close_and_destroy(turn: Round, tally: Tally) -> None:
    """Close jobs that nothing is open of, cancel what runs for too long, and destroy jobs whose time is over.

    A job closes with its last target, in one transaction; so one that is closed here means that its counters were
    wrong, which is said loudly. Destruction never touches a dataset of the Butler or an object of the annex.
    """
    closed = turn.jobs.lifetimes.close_jobs()
    tally.add("closed", len(closed))
    for job in closed:
        log.error("job_counters_were_wrong", job=str(job))
    overdue = turn.jobs.lifetimes.cancel_overdue()
    tally.add("cancelled", len(overdue))
    for job in overdue:
        log.warning("job_ran_for_too_long", job=str(job))
    tally.add("forgotten", turn.jobs.events.expire(EVENTS_KEPT_S) + turn.jobs.request_keys.forget_old(KEYS_KEPT_S))
    destroyed = turn.jobs.lifetimes.destroy_due(turn.limits.jobs)
    tally.add("destroyed", len(destroyed))
    tally.more = len(destroyed) == turn.limits.jobs
    for job in destroyed:
        log.info("job_destroyed", job=str(job))
