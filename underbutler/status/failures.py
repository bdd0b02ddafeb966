"""The last failures, those for one reason together, and which are new since somebody looked."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from underbutler.model.fingerprint import fingerprint_of

if TYPE_CHECKING:
    from underbutler.records import FailedTarget

__all__ = ["FailureGroup", "grouped"]

SHOWN: Final = 5
"""So many reasons are told, the last one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Targets of one task that failed for one reason.

    Parameters
    ----------
    task, reason, data
        The task, and the reason and data of the last of them.
    job
        The job of the last of them.
    count, new
        How many they are, and how many of them ended since somebody looked.
    held
        Whether the last is held, and not failed.
    ended_at
        When the last of them ended, in seconds since 1970 UTC.
    """

    task: str
    reason: str
    data: str
    job: uuid.UUID
    count: int
    new: int
    held: bool
    ended_at: float


def grouped(failures: Sequence[FailedTarget], looked_at: float | None) -> tuple[FailureGroup, ...]:
    """Return failures by task and reason, the last reason first.

    Parameters
    ----------
    failures
        The last one first.
    looked_at
        When somebody looked last; None: never, and all are new.
    """
    groups: dict[tuple[str, str], list[FailedTarget]] = {}
    for failure in failures:
        kind = failure.fingerprint or fingerprint_of(failure.error_type or "", failure.error_text or "")
        groups.setdefault((failure.task, kind), []).append(failure)
    return tuple(_group(members, looked_at) for members in list(groups.values())[:SHOWN])


def _group(members: list[FailedTarget], looked_at: float | None) -> FailureGroup:
    last = members[0]
    return FailureGroup(
        task=last.task,
        reason=": ".join(part for part in (last.error_type, last.error_text) if part) or "no reason was told",
        data=last.argsrepr,
        job=last.job_id,
        count=len(members),
        new=sum(looked_at is None or member.ended_at > looked_at for member in members),
        held=last.state.value == "held",
        ended_at=last.ended_at,
    )
