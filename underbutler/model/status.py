"""One vocabulary of states for people, and how each is spelt by the standards that travel: UWS and Bluesky."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .job import Phase, TargetState

__all__ = ["STATUSES", "Status", "exit_status_of", "status_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One state that people see, of a target, a job or a run.

    Parameters
    ----------
    word
        What people read, in tables and messages.
    target
        The target's state of this name, if targets have it.
    phase
        The job's phase in UWS 1.1, if jobs have it.
    exit_status
        The run's exit status in its stop document, as Bluesky spells it, if a run can end so.

    References
    ----------
    IVOA UWS 1.1, section 2.1.3; event-model, schema ``run_stop``.
    """

    word: str
    target: TargetState | None = None
    phase: Phase | None = None
    exit_status: str | None = None


STATUSES: Final[tuple[Status, ...]] = (
    Status(word="pending", phase=Phase.PENDING),
    Status(word="queued", target=TargetState.QUEUED, phase=Phase.QUEUED),
    Status(word="running", target=TargetState.RUNNING, phase=Phase.EXECUTING),
    Status(word="delivering", target=TargetState.DELIVERING),
    Status(word="done", target=TargetState.DONE, phase=Phase.COMPLETED, exit_status="success"),
    Status(word="no work", target=TargetState.NO_WORK),
    Status(word="failed", target=TargetState.FAILED, phase=Phase.ERROR, exit_status="fail"),
    Status(word="held", target=TargetState.HELD),
    Status(word="aborted", target=TargetState.ABORTED, phase=Phase.ABORTED, exit_status="abort"),
    Status(word="archived", phase=Phase.ARCHIVED),
)
"""Every state once: one row is one word."""

_WORDS: Final[Mapping[str, str]] = {
    str(spelling): status.word
    for status in STATUSES
    for spelling in (status.target, status.phase, status.exit_status)
    if spelling is not None
}

_EXIT_STATUSES: Final[Mapping[Phase, str]] = {
    status.phase: status.exit_status for status in STATUSES if status.phase and status.exit_status
}


def status_of(spelling: str) -> str:
    """Return the word for people of a target's state, a job's phase or a run's exit status.

    Parameters
    ----------
    spelling
        As the records, UWS or a stop document spell it. What no row has, is returned as it is: runs of other tools
        may end in their own words.
    """
    return _WORDS.get(str(spelling), str(spelling))


def exit_status_of(phase: Phase) -> str:
    """Return the exit status of the run of a job that has ended in a phase.

    Raises
    ------
    KeyError
        If no run ends so.
    """
    return _EXIT_STATUSES[phase]
