"""What the roles of the records share: the engine, and where targets end, who is told of it."""

from __future__ import annotations

from sqlalchemy import Engine

from .recorder import Recorder

__all__ = ["RecordedPart", "StorePart"]


class StorePart:
    """A role of the records; it holds nothing but the engine.

    Parameters
    ----------
    engine
        What `underbutler.sql.open_engine` returned.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine


class RecordedPart(StorePart):
    """A role that makes or ends jobs and targets.

    Parameters
    ----------
    engine
        What `underbutler.sql.open_engine` returned.
    recorder
        Who is told of it, in the same transaction.
    """

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        super().__init__(engine)
        self._recorder = recorder
