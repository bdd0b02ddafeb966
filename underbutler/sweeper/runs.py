"""Runs of the catalogue that have ended: their events, from rows into pages, where they are read faster."""

from __future__ import annotations

from underbutler.catalog.database.column_pages import pack_ended

from .report import Tally
from .rounds import Round

__all__ = ["pack"]


def pack(turn: Round, tally: Tally) -> None:
    """Pack the events of runs that have ended."""
    packed = pack_ended(turn.context.engine, turn.limits.jobs)
    tally.add("packed", packed)
    tally.more = packed == turn.limits.jobs
