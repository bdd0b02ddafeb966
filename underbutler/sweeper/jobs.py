"""Jobs whose targets have all ended, and jobs that are past their destruction."""

from __future__ import annotations

from underbutler.telemetry.logs import get_logger

from .report import Tally
from .rounds import Round

__all__ = ["close_and_destroy"]

log = get_logger(__name__)


def close_and_destroy(turn: Round, tally: Tally) -> None:
    """Close jobs that nothing is open of, and destroy rows and logs of jobs whose time is over.

    A job closes with its last target, in one transaction; so one that is closed here means that its counters were
    wrong, which is said loudly. Destruction never touches a dataset of the Butler or an object of the annex.
    """
    closed = turn.jobs.lifetimes.close_jobs()
    tally.add("closed", len(closed))
    for job in closed:
        log.error("job_counters_were_wrong", job=str(job))
    destroyed = turn.jobs.lifetimes.destroy_due(turn.limits.jobs)
    tally.add("destroyed", len(destroyed))
    tally.more = len(destroyed) == turn.limits.jobs
    for job in destroyed:
        log.info("job_destroyed", job=str(job))
