"""What the server has open, and what may be asked of it: one for each process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery

    from underbutler.api.auth.gate import Gate
    from underbutler.api.auth.rate import Rate
    from underbutler.context import ServiceContext
    from underbutler.records import JobStore
    from underbutler.settings import Settings

    from .bell import Bell

__all__ = ["Site"]


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a server of the submission API works with.

    Parameters
    ----------
    context
        Records, butlers, annex.
    app
        A Celery app that can send.
    gate, rate
        Who asks, and how often they may.
    bell
        Tells when something happens.
    base_url
        Where clients reach this server, without a slash at its end.
    """

    context: ServiceContext
    app: Celery
    gate: Gate
    rate: Rate
    bell: Bell
    base_url: str

    @property
    def jobs(self) -> JobStore:
        """The records."""
        return self.context.jobs

    @property
    def settings(self) -> Settings:
        """What the server was told."""
        return self.context.settings
