"""One attempt at a target: everything that belongs to one claim, and how it may end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from .journal import ClaimJournal

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.model.message import TargetMessage
    from underbutler.pipe import CmdLineTask
    from underbutler.records import Claim, Outcome
    from underbutler.settings import Settings

    from .log_capture import ClaimLog

__all__ = ["Attempt", "Failure", "GiveBack"]


@dataclass(kw_only=True)
class Attempt:
    """A claim, and what its holder has at hand.

    Parameters
    ----------
    message
        The target as it came.
    claim
        The claim that was granted.
    context
        What this process has open.
    task_class
        The science task.
    said
        What was logged since.
    delivering
        Whether the science is over: what goes wrong now leaves the target delivering.
    """

    message: TargetMessage
    claim: Claim
    context: ServiceContext
    task_class: type[CmdLineTask]
    said: ClaimLog
    delivering: bool = False
    begin: float = field(default_factory=time.monotonic)

    @cached_property
    def journal(self) -> ClaimJournal:
        """What this claim writes into the Butler."""
        return ClaimJournal(self.context.jobs, self.claim)

    @property
    def settings(self) -> Settings:
        """Where everything is."""
        return self.context.settings

    @property
    def seconds(self) -> float:
        """Wall clock since the claim."""
        return round(time.monotonic() - self.begin, 3)


@dataclass(frozen=True, slots=True)
class Failure:
    """The target failed or is held: what the records get, and the error that Celery is told."""

    outcome: Outcome
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """The target is not finished: it waits, and another claim goes on.

    Parameters
    ----------
    reason
        Why, for people.
    delay_s
        Nobody claims it before, seconds from now.
    end
        ``transient`` counts as a try, ``given_back`` does not.
    metadata
        Full metadata of the task, kept with the claim.
    """

    reason: str
    delay_s: float
    end: Literal["given_back", "transient"]
    metadata: Mapping[str, Any] | None = None
