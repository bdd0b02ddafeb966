"""Delegated access tokens that have expired. May import records."""

from __future__ import annotations

from .report import Tally
from .rounds import Round

__all__ = ["forget_expired"]


def forget_expired(turn: Round, tally: Tally) -> None:
    """Forget tokens that nobody could redeem any more."""
    tally.add("forgotten", turn.jobs.forget_tokens())
