"""Errors of the registry and of the datastore, translated once into ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from underbutler.errors import TransientError, UnderbutlerError

__all__ = ["translate_butler_errors", "unwrap_formatter_errors"]

_SERVER_ERRORS = 500
_TOO_MANY = 429


@contextlib.contextmanager
def translate_butler_errors(label: str, uri: str = "") -> Iterator[None]:
    """Translate a registry or a datastore that does not answer.

    Raises
    ------
    TransientError
        If the database is away, or stayed locked; or if the object store of the datastore is away or too busy.
    """
    from sqlalchemy.exc import InterfaceError, OperationalError

    place = f" ({uri})" if uri else ""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        reason = str(error.orig).strip()
        text = f"The registry of repository {label!r}{place} does not answer: {reason}. Start its database."
        raise TransientError(text, label=label) from error
    except UnderbutlerError:
        raise
    except Exception as error:
        away = _store_that_is_away(error)
        if away is None:
            raise
        text = f"The datastore of repository {label!r}{place} does not answer: {away}. Look at its object store."
        raise TransientError(text, label=label) from error


def _store_that_is_away(error: BaseException) -> BaseException | None:
    """Return the error of an object store that is away, as itself or as the cause of what the Butler made of it."""
    import sys

    errors: Any = sys.modules.get("botocore.exceptions")
    if errors is None:  # nobody in this process has spoken to an object store
        return None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, errors.ConnectionError | errors.HTTPClientError):  # none, closed, or too slow
            break
        if isinstance(cause, errors.ClientError):
            status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return cause if status >= _SERVER_ERRORS or status == _TOO_MANY else None
        cause = cause.__cause__ or cause.__context__
    return cause


@contextlib.contextmanager
def unwrap_formatter_errors() -> Iterator[None]:
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
