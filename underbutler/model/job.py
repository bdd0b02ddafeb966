"""Phases of a job and states of a target, and which may follow which.

A job's phase (UWS 1.1)::

    PENDING -> QUEUED -> EXECUTING -> COMPLETED   every target done or no_work
       |         |          |-------> ERROR       a target failed or is held, or precall failed
       '---------'----------'-------> ABORTED     cancelled
                            any ended ----------> ARCHIVED   destroyed, history kept

A target's state::

    queued -> running -> delivering -> done
      ^          |  '----------------> done | no_work | failed | held | aborted
      '----------'  give-back, dead claim, TransientError
    queued -> aborted | held;   delivering -> failed | held | aborted

A delivery whose claim ended early stays ``delivering`` without a lease: another claim resumes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

__all__ = ["CLAIM_ENDS", "Phase", "TargetState", "may_follow", "phase_when_ended"]


class Phase(StrEnum):
    """Phase of a job, in UWS 1.1 words."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    ARCHIVED = "ARCHIVED"

    @property
    def ended(self) -> bool:
        """Whether nothing of the job will run any more."""
        return self not in _ACTIVE_PHASES


class TargetState(StrEnum):
    """State of one target."""

    QUEUED = "queued"
    RUNNING = "running"
    DELIVERING = "delivering"
    DONE = "done"
    NO_WORK = "no_work"
    FAILED = "failed"
    HELD = "held"
    ABORTED = "aborted"

    @property
    def ended(self) -> bool:
        """Whether this is a last state."""
        return self not in _OPEN_STATES


_ACTIVE_PHASES = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
_OPEN_STATES = frozenset({TargetState.QUEUED, TargetState.RUNNING, TargetState.DELIVERING})

_NEXT_PHASES: dict[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.QUEUED, Phase.ERROR, Phase.ABORTED}),
    Phase.QUEUED: frozenset({Phase.EXECUTING, Phase.COMPLETED, Phase.ERROR, Phase.ABORTED}),
    Phase.EXECUTING: frozenset({Phase.COMPLETED, Phase.ERROR, Phase.ABORTED}),
    Phase.COMPLETED: frozenset({Phase.ARCHIVED}),
    Phase.ERROR: frozenset({Phase.ARCHIVED}),
    Phase.ABORTED: frozenset({Phase.ARCHIVED}),
    Phase.ARCHIVED: frozenset(),
}
_ENDED_STATES = frozenset(set(TargetState) - _OPEN_STATES)
_NEXT_STATES: dict[TargetState, frozenset[TargetState]] = {
    TargetState.QUEUED: frozenset({TargetState.RUNNING, TargetState.ABORTED, TargetState.HELD}),
    TargetState.RUNNING: frozenset({TargetState.QUEUED, TargetState.DELIVERING}) | _ENDED_STATES,
    TargetState.DELIVERING: _ENDED_STATES - {TargetState.NO_WORK},
    **{state: frozenset() for state in _ENDED_STATES},
}

CLAIM_ENDS = (
    "done", "no_work", "failed", "transient", "given_back", "aborted", "timed_out", "fenced_out",
    "died", "worker_died", "expired",
)  # fmt: skip
"""How a claim can end; the last three without a word from its child."""


def may_follow(before: Phase | TargetState, after: Phase | TargetState) -> bool:
    """Tell whether a job or target may go from one phase or state to another."""
    if isinstance(before, Phase):
        return after in _NEXT_PHASES[before]
    return after in _NEXT_STATES[before]


def phase_when_ended(counts: Mapping[TargetState, int], *, cancelled: bool = False) -> Phase:
    """Return the phase of a job whose targets have all ended.

    Parameters
    ----------
    counts
        Number of targets per state.
    cancelled
        Whether the job's cancellation was asked for: one that was in time for a target outweighs failures.
    """
    if cancelled and counts.get(TargetState.ABORTED, 0):
        return Phase.ABORTED
    if any(counts.get(state, 0) for state in (TargetState.FAILED, TargetState.HELD)):
        return Phase.ERROR
    if counts.get(TargetState.ABORTED, 0):
        return Phase.ABORTED
    return Phase.COMPLETED
