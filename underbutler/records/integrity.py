"""What the database's own constraints refuse, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from underbutler.errors import ConflictError

__all__ = ["conflicts"]


@contextmanager
def conflicts(words: str) -> Iterator[None]:
    """Translate a constraint that was hurt inside the block.

    Raises
    ------
    ConflictError
        With these words.
    """
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(words) from error
