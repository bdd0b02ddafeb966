"""What of the slots that have passed is fired, and what is left out. No clock, no records: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from underbutler.records import FiringState, NewFiring

from .entries import Missed

__all__ = ["CATCH_UP_LIMIT", "Plan", "plan"]

CATCH_UP_LIMIT: Final = 200
"""So many slots are caught up with at once; the rest at the next tick."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be recorded.

    Parameters
    ----------
    firings
        What fires, or is recorded as left out, in the order of time.
    next_due
        The first slot of which nothing is decided yet.
    """

    firings: tuple[NewFiring, ...]
    next_due: float | None


def plan(
    due_after: Callable[[float], float | None],
    next_due: float,
    now: float,
    *,
    missed: Missed,
    grace_s: float,
    limit: int = CATCH_UP_LIMIT,
) -> Plan:
    """Decide about the slots from `next_due` until now: each of them fires, or is counted as left out, once.

    Parameters
    ----------
    due_after
        Returns the first slot after a moment.
    next_due
        The first slot that nobody has decided about.
    now
        What is due until now.
    missed
        What becomes of several, or of late ones.
    grace_s
        With `Missed.SKIP`: a slot that is at most so late fires, in seconds.
    limit
        How many fire at once.
    """
    firings: list[NewFiring] = []
    left_out, last = 0, next_due
    slot: float | None = next_due
    while slot is not None and slot <= now:
        if missed is Missed.CATCH_UP or (missed is Missed.SKIP and now - slot <= grace_s):
            if len(firings) == limit:
                break
            firings.append(NewFiring(due_at=slot, missed=left_out))
            left_out = 0
        else:
            left_out, last = left_out + 1, slot
        slot = due_after(slot)
    if left_out and missed is Missed.LATEST:
        firings.append(NewFiring(due_at=last, missed=left_out - 1))
    elif left_out:
        firings.append(NewFiring(due_at=last, state=FiringState.SKIPPED, missed=left_out - 1))
    return Plan(tuple(firings), slot)
