"""Housekeeping: what died, was lost, was left behind or waits is found in the records and set right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from .report import PartReport as PartReport
    from .report import SweepReport as SweepReport
    from .rounds import Limits as Limits
    from .sweeping import PARTS as PARTS
    from .sweeping import Sweeper as Sweeper
    from .sweeping import sweep as sweep

_HOME_OF = {
    "PARTS": "underbutler.sweeper.sweeping",
    "Limits": "underbutler.sweeper.rounds",
    "PartReport": "underbutler.sweeper.report",
    "SweepReport": "underbutler.sweeper.report",
    "Sweeper": "underbutler.sweeper.sweeping",
    "sweep": "underbutler.sweeper.sweeping",
}

__all__ = [  # noqa: PLE0604 - names of the table above
    *_HOME_OF,
]

__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
