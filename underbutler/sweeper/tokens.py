"""Delegated access tokens that have expired."""

from __future__ import annotations

from .report import Tally
from .rounds import Round

__all__ = ["forget_expired"]


def forget_expired(turn: Round, tally: Tally) -> None:
    """Forget tokens that nobody could redeem any more."""
    tally.add("forgotten", turn.jobs.tokens.forget_expired())
