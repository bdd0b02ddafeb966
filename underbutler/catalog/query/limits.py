"""How large a query may be: on larger ones databases, and Python, give up in their own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .queries import QueryError

__all__ = ["is_too_large", "refuse_deep", "refuse_long", "too_large"]

DEEPEST: Final = 60
"""Mappings and lists inside one another."""

LONGEST: Final = 32
"""Steps of a path."""

MOST_COUNTED: Final = 4
"""Steps of a path that may be keys or places of an array: each doubles the ways to read it."""

_GIVEN_UP: Final = (
    "too many SQL variables",
    "Expression tree is too large",
    "parser stack overflow",
    "number of parameters must be between",
    "stack depth limit exceeded",
)
"""What SQLite, psycopg and PostgreSQL say of a statement that is too large."""


def refuse_deep(query: Mapping[str, Any]) -> None:
    """Refuse a query whose parts are inside one another more often than anyone reads.

    Raises
    ------
    QueryError
        If it is too deep.
    """
    inside: list[Any] = [query]
    for _ in range(DEEPEST):
        inside = [part for value in inside for part in _parts(value) if isinstance(part, Mapping | list | tuple)]
        if not inside:
            return
    raise QueryError(f"A query has at most {DEEPEST} mappings and lists inside one another, and this has more.")


def refuse_long(path: Sequence[str], counted: int) -> None:
    """Refuse a path that is too long to be looked up.

    Parameters
    ----------
    path
        Its steps.
    counted
        How many of them may be places of an array.

    Raises
    ------
    QueryError
        If it is too long.
    """
    if len(path) > LONGEST or counted > MOST_COUNTED:
        raise QueryError(
            f"The path {'.'.join(path[:8])}… has {len(path)} steps, {counted} of them numbers: {LONGEST} steps and "
            f"{MOST_COUNTED} numbers are the most. Ask for a part of it with $elemMatch.",
            path=".".join(path),
        )


def is_too_large(error: Exception) -> bool:
    """Tell whether a database has given up because of the size of a statement."""
    return any(said in str(getattr(error, "orig", error)) for said in _GIVEN_UP)


def too_large() -> QueryError:
    """Return the error of a query that a database has given up on."""
    return QueryError(
        "The query is larger than the database can answer. Write one $in in place of many $or, give fewer values, or "
        "search several times."
    )


def _parts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()
