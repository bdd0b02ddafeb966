"""What every part of the records' face has: the engine."""

from __future__ import annotations

from sqlalchemy import Engine

__all__ = ["Face"]


class Face:
    """A part of `JobStore`: it holds nothing but the engine.

    Parameters
    ----------
    engine
        What `underbutler.sql.open_engine` returned.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
