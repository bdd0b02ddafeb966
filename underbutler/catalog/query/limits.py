"""How large a query may be: on larger ones databases, and Python, give up in their own words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from .queries import QueryError

__all__ = ["SEARCH_S", "is_too_large", "refuse_large", "refuse_long", "too_large", "too_slow"]

DEEPEST: Final = 60
"""Mappings and lists inside one another."""

LEVELS: Final = 4
"""`$elemMatch` inside one another."""

CLAUSES: Final = 600
"""Comparisons of a run, each as often as it has steps and ways: a path of several may meet arrays."""

WORDS: Final = 50
"""Words of all `$text`: each looks at the whole document."""

NODES: Final = 50_000
"""Mappings, lists and values, those of `$in` among them."""

LONGEST: Final = 32
"""Steps of a path."""

MOST_COUNTED: Final = 4
"""Steps of a path that may be keys or places of an array: each doubles the ways to read it."""

SEARCH_S: Final = 30.0
"""Longest time of a search, or of one batch of its runs, in seconds."""

_GIVEN_UP: Final = (
    "too many SQL variables",
    "Expression tree is too large",
    "parser stack overflow",
    "number of parameters must be between",
    "stack depth limit exceeded",
    "at most 64 tables in a join",
    "Maximum function recursion depth",
)
"""What SQLite, psycopg and PostgreSQL say of a statement that is too large."""


def refuse_large(query: Mapping[str, Any]) -> None:
    """Refuse a query that is deeper or larger than anyone writes, before anything is made of it.

    Raises
    ------
    QueryError
        If it is too deep, or asks too much of each run.
    """
    clauses = nodes = 0
    inside = [_Part(query)]
    for _ in range(DEEPEST):
        inside = [part for one in inside for part in one.parts()]
        if any(part.levels > LEVELS for part in inside):
            raise QueryError(f"A query has at most {LEVELS} $elemMatch inside one another, and this has more.")
        nodes += len(inside)
        clauses += sum(part.times for part in inside if part.is_leaf and not part.is_plain)
        if nodes > NODES or clauses > CLAUSES:
            raise QueryError(
                f"The query is too large: it has {NODES} values and makes {CLAUSES} comparisons of a run at the most. "
                "Write one $in in place of many $or, give fewer values, or search several times."
            )
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


def too_slow() -> QueryError:
    """Return the error of a query that is not answered in time."""
    return QueryError(
        f"The search was ended after {SEARCH_S:g} s. Narrow it: by time ($gte, $lt of 'time'), by task or label, by "
        "fewer $elemMatch and $text."
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A value somewhere in a query: how often it is asked of a run, and in how many `$elemMatch` it is."""

    value: Any
    times: int = 1
    levels: int = 0
    is_plain: bool = False

    @property
    def is_leaf(self) -> bool:
        """Whether nothing is in it."""
        return not (isinstance(self.value, Mapping | list | tuple) and self.value)

    def parts(self) -> Iterator[_Part]:
        """Yield what is in it; of an endless or odd one nothing, which is refused when it is understood."""
        if isinstance(self.value, Mapping):
            for key, value in self.value.items():
                yield from self._under(str(key), value)
        elif isinstance(self.value, list | tuple):
            for item in self.value:
                yield replace(self, value=item)

    def _under(self, key: str, value: Any) -> Iterator[_Part]:
        levels = self.levels + (key == "$elemMatch")
        if key in {"$in", "$nin"} and isinstance(value, Collection) and not isinstance(value, str | Mapping):
            for item in value:
                yield replace(self, value=item, levels=levels, is_plain=isinstance(item, str | int | float))
        else:
            words = len(value.split()) if key == "$search" and isinstance(value, str) else 0
            yield _Part(value, self.times * (_ways(key) + words * CLAUSES // WORDS), levels)


def _ways(key: str) -> int:
    """Return how many steps are looked up at a path, read straight and through arrays, where a number is a place."""
    if key.startswith("$") or "." not in key:
        return 1
    steps = key.split(".")
    counted = sum(map(str.isdigit, steps[1:]))
    return len(steps) * (1 + (1 << min(counted, MOST_COUNTED + 1)))
