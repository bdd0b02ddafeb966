"""Claims whose worker has not renewed them: the sweeper alone judges that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler import metrics

from .report import Tally
from .rounds import Round

if TYPE_CHECKING:
    from underbutler.records import HeldClaim

__all__ = ["end_expired", "remember_swept"]

SWEPT = "swept"
"""Name under which the records know when anybody swept last."""
JUDGE_FROM = "judge_from"
"""Name under which the records know since when workers can renew again."""


def end_expired(turn: Round, tally: Tally) -> None:
    """End claims whose lease has run out: their targets are queued again, delivered again, held or aborted.

    A lease that ran out while nobody swept, or while the records were away, says nothing about its worker, which may
    have had no way to renew it. So after such a gap nothing is judged until one lease later.
    """
    tally.add("ended", 0)
    wait_s = _wait_s(turn)
    if wait_s > 0:
        tally.note(f"leases are judged in {wait_s:.0f} s, because nobody swept or the records were away")
        return
    settings = turn.settings
    expired = turn.jobs.leases.expired(turn.limits.leases)
    for claim in expired:
        state = turn.jobs.leases.end_claim(
            claim.target,
            claim.claim_no,
            end="expired",  # one whose cancellation was asked for is aborted by it
            reason=_reason(claim),
            max_deaths=settings.max_deaths,
            max_worker_deaths=settings.max_worker_deaths,
        )
        if state is not None:
            metrics.CLAIMS.count(task=claim.task, end="expired")
            tally.add("ended")
            tally.add(f"now {state.value}")
    tally.more = len(expired) == turn.limits.leases


def remember_swept(turn: Round) -> None:
    """Remember that somebody swept until now: a sweep that took long is not a time in which nobody did."""
    turn.jobs.sweep.remember(SWEPT)


def _wait_s(turn: Round) -> float:
    """Remember that this sweep was, and return for how long leases are not to be judged, in seconds."""
    settings, jobs = turn.settings, turn.jobs
    now = jobs.now()
    last = jobs.sweep.remembered(SWEPT)
    longest_s = max(settings.lease_s / 2, 3 * settings.sweep_interval_s)
    if turn.after_outage or last is None or now - last.at > longest_s:
        jobs.sweep.remember(
            JUDGE_FROM, {"lease_s": settings.lease_s}
        )  # before the next line: who sees that sees this too
    jobs.sweep.remember(SWEPT)
    since = jobs.sweep.remembered(JUDGE_FROM)
    if turn.force or since is None:
        return 0.0
    lease_s = float(since.body["lease_s"])
    return min(since.at + lease_s - now, lease_s)  # what was remembered just now is later than `now`


def _reason(claim: HeldClaim) -> str:
    asked = "its cancellation was requested, and " if claim.cancel_requested else ""
    return f"{asked}its worker {claim.worker} has not renewed its lease"
