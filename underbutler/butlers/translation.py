"""Errors of the registry and of the datastore, translated once into ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from underbutler.errors import TransientError, UnderbutlerError

__all__ = ["asking", "our_errors"]


@contextlib.contextmanager
def asking(label: str, uri: str = "") -> Iterator[None]:
    """Translate a registry that does not answer.

    Raises
    ------
    TransientError
        If the database is away, or stayed locked.
    """
    from sqlalchemy.exc import InterfaceError, OperationalError

    try:
        yield
    except (OperationalError, InterfaceError) as error:
        place = f" ({uri})" if uri else ""
        reason = str(error.orig).strip()
        text = f"The registry of repository {label!r}{place} does not answer: {reason}. Start its database."
        raise TransientError(text, label=label) from error


@contextlib.contextmanager
def our_errors() -> Iterator[None]:
    """Let an error that one of our formatters raised pass as it is: the datastore wraps it into one of its own."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        cause = error.__cause__
        while cause is not None and not isinstance(cause, UnderbutlerError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise cause from None
