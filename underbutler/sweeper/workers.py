"""Workers that were not seen for long."""

from __future__ import annotations

from .report import Tally
from .rounds import Round

__all__ = ["end_absent"]

FORGOTTEN_AFTER = 24
"""A worker's row is kept for so many times as long as it takes to call it ended."""


def end_absent(turn: Round, tally: Tally) -> None:
    """Write that workers have ended which nobody saw for long, and forget those that ended much earlier."""
    absent_s = max(turn.limits.absent_s, 10 * turn.settings.lease_s)
    long_ago = turn.jobs.now() - absent_s
    absent = [one for one in turn.jobs.workers.known() if one.ended_at is None and one.seen_at < long_ago]
    for worker in absent:
        turn.jobs.workers.mark_ended(worker.id)
    tally.add("ended", len(absent))
    tally.add("forgotten", turn.jobs.workers.forget(FORGOTTEN_AFTER * absent_s))
