"""A query, taken apart: what is asked of which path, with nothing left to be understood.

`parse` is the only place that knows MongoDB's operators. What it returns is asked of a database (`conditions`) or of
documents in memory (`matching`), which must answer alike.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from underbutler.errors import suggest
from underbutler.regular_expressions import ExpressionError, finder
from underbutler.wording import shortened

from .limits import refuse_large, refuse_long
from .queries import QueryError

__all__ = [
    "ORDER",
    "All",
    "Compare",
    "Equal",
    "Exists",
    "Field",
    "HasElement",
    "HasSize",
    "Matches",
    "Not",
    "OneOf",
    "Question",
    "Scalar",
    "Some",
    "Test",
    "Text",
    "in_line",
    "is_index",
    "lower_ascii",
    "parse",
]

Scalar: TypeAlias = str | int | float | bool | None

ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}

FIELD_OPERATORS: Final = (
    *ORDER, "$eq", "$ne", "$in", "$nin", "$exists", "$regex", "$options", "$not", "$elemMatch", "$size"
)  # fmt: skip
LOGICAL_OPERATORS: Final = ("$and", "$or", "$nor", "$text")

OF_STOP: Final = frozenset({"exit_status", "num_events"})
"""Keys that mean the stop document without saying so: start documents do not have them."""

LARGEST: Final = 2**63
"""Integers from here on are more than a database holds."""


# Tests of one value


@dataclass(frozen=True)
class Equal:
    """The value is this, or an array that contains it; None is also what is not there."""

    value: Any


@dataclass(frozen=True)
class OneOf:
    """The value is one of these numbers and texts, or an array that contains one."""

    values: tuple[int | float | str, ...]


@dataclass(frozen=True)
class Compare:
    """The value, or one in it, is of the same type and on this side of the bound."""

    order: str
    bound: int | float | str | bool


@dataclass(frozen=True)
class Matches:
    """The value, or one in it, is a text in which the regular expression finds something."""

    pattern: str
    options: str


@dataclass(frozen=True)
class Exists:
    """There is a value, if only null."""


@dataclass(frozen=True)
class HasSize:
    """The value is an array of so many."""

    size: int


@dataclass(frozen=True)
class HasElement:
    """The value is an array with an element of which the question is true."""

    question: Question
    of_keys: bool
    """Whether it asks for keys of the element, which then is a mapping, or for the element itself."""


Test: TypeAlias = Equal | OneOf | Compare | Matches | Exists | HasSize | HasElement


# Questions


@dataclass(frozen=True)
class Field:
    """A test of what is at a path; the empty path is the value itself."""

    document: Literal["start", "stop", "element"]
    path: tuple[str, ...]
    test: Test


@dataclass(frozen=True)
class Text:
    """All these words, lower-cased, are somewhere among the values of the start document."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class All:
    """Each of these; true if there is none."""

    parts: tuple[Question, ...]


@dataclass(frozen=True)
class Some:
    """At least one of these."""

    parts: tuple[Question, ...]


@dataclass(frozen=True)
class Not:
    """The contrary."""

    part: Question


Question: TypeAlias = Field | Text | All | Some | Not
_AsField: TypeAlias = Callable[[Test], Question]


def parse(query: Mapping[str, Any]) -> Question:
    """Take a query apart.

    Raises
    ------
    QueryError
        If an operator is not known, or is given what it does not take; or if the query is too large.
    """
    refuse_large(query)
    return _query(query, in_element=False)


def _query(query: Mapping[str, Any], in_element: bool) -> Question:
    if not isinstance(query, Mapping):
        raise QueryError(f"A query is a mapping, e.g. {{'task': 'processCcd'}}, not a {type(query).__name__}.")
    parts = [_clause(key, value, in_element) for key, value in query.items()]
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _clause(key: str, value: Any, in_element: bool) -> Question:
    if not isinstance(key, str):
        raise QueryError(f"The keys of a query are paths and operators, not {shortened(key)}.")
    if not key.startswith("$"):
        document, path = _path(key, in_element)
        return _of_field(value, lambda test: Field(document, path, test), key)
    if key == "$text":
        return _text(value, in_element)
    if key not in LOGICAL_OPERATORS:
        raise _unknown(key, LOGICAL_OPERATORS)
    if not isinstance(value, list | tuple) or not value:
        raise QueryError(f"{key} takes a list of queries, not {shortened(value)}.", operator=key)
    parts = tuple(_query(part, in_element) for part in value)
    if key == "$and":
        return All(parts)
    return Some(parts) if key == "$or" else Not(Some(parts))


def _text(value: Any, in_element: bool) -> Question:
    if in_element or not isinstance(value, Mapping) or set(value) != {"$search"}:
        raise QueryError("$text is written {'$text': {'$search': 'words'}}, at the top of a query.", operator="$text")
    return Text(tuple(lower_ascii(word) for word in str(value["$search"]).split()))


def lower_ascii(text: str) -> str:
    """Return a text with A to Z in lower case and nothing else changed, which every database can do too."""
    return "".join(chr(ord(letter) + 32) if "A" <= letter <= "Z" else letter for letter in text)


def is_index(step: str) -> bool:
    """Tell whether a step of a path may count the elements of an array."""
    return step.isascii() and step.isdigit() and len(step) <= 9 and str(int(step)) == step


def _path(key: str, in_element: bool) -> tuple[Literal["start", "stop", "element"], tuple[str, ...]]:
    steps = tuple(key.split("."))
    if not all(steps) or any(letter in '"\\' or not letter.isprintable() for letter in key):
        raise QueryError(
            f"{shortened(key)} is not a path that can be searched. Write keys joined by dots, without quotes and "
            "backslashes.",
            path=key,
        )
    refuse_long(steps, sum(map(is_index, steps[1:])))
    if in_element:
        return "element", steps
    if len(steps) > 1 and steps[0] in {"start", "stop"}:
        return ("start" if steps[0] == "start" else "stop"), steps[1:]
    return ("stop" if steps[0] in OF_STOP else "start"), steps


def _of_field(value: Any, field: _AsField, path: str) -> Question:
    """Return what is asked of one field by a value or by a mapping of operators."""
    if not isinstance(value, Mapping) or not any(isinstance(key, str) and key.startswith("$") for key in value):
        return _equal(value, field)
    unknown = [str(key) for key in value if key not in FIELD_OPERATORS]
    if unknown:
        if unknown[0].startswith("$"):
            raise _unknown(unknown[0], FIELD_OPERATORS)
        raise QueryError(
            f"The operators of {shortened(path)} stand beside the key {shortened(unknown[0])}. Ask in two clauses.",
            path=path,
        )
    if "$options" in value and "$regex" not in value:
        raise QueryError("$options belong to $regex.", operator="$options")
    parts = [_operator(key, operand, value, field) for key, operand in value.items() if key != "$options"]
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _operator(key: str, operand: Any, beside: Mapping[str, Any], field: _AsField) -> Question:
    """Return what one operator asks; ``beside`` holds all of the field's, of which `$options` belong to `$regex`."""
    if key in ORDER:
        return field(Compare(key, _bound(key, operand)))
    if key == "$regex":
        return field(_pattern(operand, beside.get("$options", "")))
    return _MEANING[key](operand, field)


def _negated(operand: Any, field: _AsField) -> Question:
    if isinstance(operand, re.Pattern):
        return _equal(operand, field)
    if not isinstance(operand, Mapping) or not any(str(key).startswith("$") for key in operand):
        raise QueryError(
            "$not takes operators, e.g. {'task': {'$not': {'$regex': '^make'}}}; for a value write $ne.",
            operator="$not",
        )
    return _of_field(operand, field, "$not")


def _of_element(operand: Any) -> HasElement:
    if not isinstance(operand, Mapping) or not operand:
        raise QueryError(
            "$elemMatch takes a query or operators, e.g. {'$elemMatch': {'$gt': 3}}.", operator="$elemMatch"
        )
    if all(isinstance(key, str) and key in FIELD_OPERATORS for key in operand):
        return HasElement(_of_field(operand, lambda test: Field("element", (), test), "$elemMatch"), of_keys=False)
    return HasElement(_query(operand, in_element=True), of_keys=True)


def _equal(value: Any, field: _AsField) -> Question:
    if isinstance(value, re.Pattern):
        return field(_pattern(value, ""))
    return field(Equal(_constant(value)))


def _one_of(operand: Any, field: _AsField) -> Question:
    if isinstance(operand, str | Mapping | Iterator) or not isinstance(operand, Iterable):
        raise QueryError(f"$in and $nin take a list of values, not {shortened(operand)}.", operator="$in")
    simple: list[int | float | str] = []
    others: list[Question] = []
    for item in operand:
        constant = item if isinstance(item, re.Pattern) else _constant(item)
        if isinstance(constant, str | int | float) and not isinstance(constant, bool):
            simple.append(constant)
        else:
            others.append(_equal(item, field))
    parts = ([field(OneOf(tuple(simple)))] if simple else []) + others
    return parts[0] if len(parts) == 1 else Some(tuple(parts))


def _bound(key: str, operand: Any) -> int | float | str | bool:
    constant = _constant(operand)
    if not isinstance(constant, str | int | float):
        raise QueryError(f"{key} compares numbers and texts, not {shortened(operand)}.", operator=key)
    return constant


def _size(operand: Any) -> int:
    constant = _constant(operand)
    if not isinstance(constant, int) or isinstance(constant, bool) or constant < 0:
        raise QueryError(f"$size takes a number of elements, not {shortened(operand)}.", operator="$size")
    return constant


def _pattern(operand: Any, options: str) -> Matches:
    if isinstance(operand, re.Pattern):
        flags = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
        options = "".join(letter for letter, flag in flags.items() if operand.flags & flag)
        operand = operand.pattern
    if not isinstance(operand, str) or not isinstance(options, str):
        raise QueryError(f"$regex takes a regular expression, not {shortened(operand)}.", operator="$regex")
    leading = re.match(r"\(\?([a-zA-Z]+)\)", operand)
    if leading:
        operand, options = operand[leading.end() :], options + leading[1]
    unknown = set(options) - set("ims")
    if unknown:
        raise QueryError(f"The options of $regex are i, m and s, not {min(unknown)!r}.", operator="$options")
    options = "".join(sorted(set(options)))
    try:
        finder(in_line(operand, options))
    except ExpressionError as error:
        raise QueryError(
            f"{shortened(operand)} is not a regular expression that can be searched: {error}. Back references and "
            "looking around are not known, which no engine answers in a bounded time.",
            operator="$regex",
        ) from error
    return Matches(operand, options)


def in_line(pattern: str, options: str) -> str:
    """Return a regular expression that says its options itself."""
    return f"(?{options}){pattern}" if options else pattern


def _constant(value: Any) -> Any:
    """Return a value that documents can hold, or refuse it."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # numpy's scalars
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if any(letter == "\x00" or "\ud800" <= letter <= "\udfff" for letter in value):
            raise QueryError(f"{shortened(value)} has characters that cannot be searched.")
        return value
    if isinstance(value, int) and -LARGEST <= value < LARGEST:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_constant(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _constant(item) for key, item in value.items()}
    raise QueryError(
        f"{shortened(value)} is nothing that a document holds. Write texts, finite numbers of 64 bits, booleans, "
        "None, lists and mappings of them; for times there is TimeRange."
    )


_MEANING: Final[Mapping[str, Callable[[Any, _AsField], Question]]] = {
    "$eq": _equal,
    "$ne": lambda operand, field: Not(_equal(operand, field)),
    "$in": _one_of,
    "$nin": lambda operand, field: Not(_one_of(operand, field)),
    "$exists": lambda operand, field: field(Exists()) if operand else Not(field(Exists())),
    "$not": lambda operand, field: Not(_negated(operand, field)),
    "$size": lambda operand, field: field(HasSize(_size(operand))),
    "$elemMatch": lambda operand, field: field(_of_element(operand)),
}


def _unknown(name: str, known: Iterable[str]) -> QueryError:
    names = list(known)
    return QueryError(
        f"The operator {shortened(name)} is not supported here.{suggest(name[:40], names)} "
        f"Supported: {', '.join(names)}.",
        operator=name,
    )
