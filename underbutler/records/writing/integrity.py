"""What the database's own constraints refuse, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from underbutler.errors import ConflictError, FatalError

__all__ = ["conflicts"]


@contextmanager
def conflicts(words: str) -> Iterator[None]:
    """Translate a constraint that was hurt inside the block.

    Raises
    ------
    ConflictError
        With these words.
    FatalError
        If it was the one that guards a job's counters: it says nothing about what was written.
    """
    try:
        yield
    except IntegrityError as error:
        if "open_targets" in str(error.orig):
            raise FatalError(
                "The counters of a job do not fit its targets: more have ended than it has. This is a fault of ours: "
                "report it. Nothing was written; `underbutler status JOB -v` shows its claims."
            ) from error
        raise ConflictError(words) from error
