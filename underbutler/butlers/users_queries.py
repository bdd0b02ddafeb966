"""Queries in words of the user: a faulty one is told as such, whatever the Butler and its database make of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from underbutler.errors import UnderbutlerError, UsageError

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

__all__ = ["check_length", "faulty_query_told", "parts_that_fit"]

T = TypeVar("T")

LONGEST: Final = 20_000
"""Characters of a query: the Butler's parser takes minutes for a megabyte."""

_VALUES: Final = 1000
"""Values of one dimension in one query: SQLite binds 32766 variables, PostgreSQL 65535."""

_RANGES: Final = 50
"""Ranges of one dimension in one query: each is a level of an expression, of which SQLite takes 1000."""

_SHOWN: Final = 200

_NAME_VALUES: Final = "Name many values with --id: exposure=1^2^3, exposure=1..9."


def check_length(where: str) -> None:
    """Refuse a query that is too long, or is not text.

    Raises
    ------
    UsageError
        If it is.
    """
    if len(where) > LONGEST:
        raise UsageError(f"The query has {len(where)} characters; the limit is {LONGEST}. {_NAME_VALUES}")
    try:
        where.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"The query {where!r} holds a lone surrogate, which is not UTF-8.", where=where) from error
    if "\0" in where:
        raise UsageError(f"The query {where!r} holds the character NUL, which no database takes.", where=where)


@contextmanager
def faulty_query_told(butler: Butler, where: str) -> Iterator[None]:
    """Tell a query that cannot be asked from a database that does not answer.

    The Butler's parser asserts and recurses, its columns overflow, and databases refuse what they find too deep: any of
    it is the query's fault if the database answers another one.

    Raises
    ------
    UsageError
        If the query is at fault.
    """
    from lsst.daf.butler import InvalidQueryError, MissingCollectionError
    from lsst.daf.butler.registry import UserExpressionError

    try:
        yield
    except (UnderbutlerError, MissingCollectionError):
        raise
    except (InvalidQueryError, UserExpressionError) as error:
        raise _told(where, str(error)) from error
    except Exception as error:
        if not where or not _answers(butler):
            raise
        raise _told(where, _reason(error)) from error


def parts_that_fit(given: Mapping[str, Sequence[T]], is_range: type) -> Iterator[dict[str, list[T]]]:
    """Return constraints in parts, each of which one query takes; together they are the whole.

    Parameters
    ----------
    given
        Values and ranges per dimension.
    is_range
        The type of ranges.
    """
    pieces: dict[str, list[list[T]]] = {}
    for name, values in given.items():
        ranges = [value for value in values if isinstance(value, is_range)]
        others = [value for value in values if not isinstance(value, is_range)]
        if len(ranges) <= _RANGES and len(others) <= _VALUES:
            pieces[name] = [list(values)]
        else:
            pieces[name] = [*_cut(others, _VALUES), *_cut(ranges, _RANGES)]
    for combination in itertools.product(*pieces.values()):
        yield dict(zip(pieces, combination, strict=True))


def _cut(values: list[T], length: int) -> list[list[T]]:
    return [values[start : start + length] for start in range(0, len(values), length)]


def _told(where: str, reason: str) -> UsageError:
    shown = where if len(where) <= _SHOWN else f"{where[:_SHOWN]}…"
    asked = f" {shown!r}" if where else ""
    return UsageError(f"The query{asked} cannot be asked: {reason}", where=where)


def _reason(error: Exception) -> str:
    if isinstance(error, AssertionError):
        return "it is not a condition. Compare something: exposure.exposure_time > 30, detector IN (0, 1)."
    if isinstance(error, RecursionError):
        return f"it is nested too deeply, or has too many terms. {_NAME_VALUES}"
    if isinstance(error, OverflowError):
        return "it holds a number of over 64 bits."
    original = getattr(error, "orig", None)
    if original is not None:
        return f"the database does not take it: {str(original).splitlines()[0].rstrip('.')}. {_NAME_VALUES}"
    return f"{type(error).__name__}: {str(error) or 'no reason is given'}."


def _answers(butler: Butler) -> bool:
    """Tell whether the database answers a query that is known to be good."""
    try:
        butler.query_dimension_records("instrument", explain=False)
    except Exception:  # noqa: BLE001 - then it is away, and the error that was met first says so
        return False
    return True
