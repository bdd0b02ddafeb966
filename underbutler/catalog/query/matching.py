"""Questions asked of documents in memory: what catalogues of files search with.

A question becomes a function once, which then is asked of every run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from underbutler.regular_expressions import finder

from .questions import (
    ORDER,
    All,
    Compare,
    Equal,
    Exists,
    Field,
    HasElement,
    HasSize,
    Matches,
    Not,
    OneOf,
    Question,
    Test,
    Text,
    in_line,
    is_index,
    lower_ascii,
)

__all__ = ["matches", "predicate"]

Roots: TypeAlias = tuple[Any, Any, Any]
"""The start document, the stop document or an empty one, and the element that is asked."""

Predicate: TypeAlias = Callable[[Roots], bool]
ValueTest: TypeAlias = Callable[[Any], bool]

_PLACES: Final = {"start": 0, "stop": 1, "element": 2}
_NOTHING: Final = object()


def predicate(question: Question) -> Callable[[Mapping[str, Any], Mapping[str, Any] | None], bool]:
    """Return the function that tells of start and stop (None: the run is open) whether a question is true."""
    asked = _asked(question)
    return lambda start, stop: asked((start, {} if stop is None else stop, None))


def matches(question: Question, start: Mapping[str, Any], stop: Mapping[str, Any] | None) -> bool:
    """Tell whether a question is true of one run."""
    return predicate(question)(start, stop)


def _asked(question: Question) -> Predicate:
    if isinstance(question, Field):
        return _of_field(question)
    if isinstance(question, Text):
        return _of_text(question)
    if isinstance(question, Not):
        part = _asked(question.part)
        return lambda roots: not part(roots)
    parts = [_asked(part) for part in question.parts]
    if isinstance(question, All):
        return lambda roots: all(part(roots) for part in parts)
    return lambda roots: any(part(roots) for part in parts)


def _of_text(question: Text) -> Predicate:
    def asked(roots: Roots) -> bool:
        texts = [lower_ascii(text) for text in _texts(roots[0])]
        return all(any(word in text for text in texts) for word in question.words)

    return asked


def _of_field(field: Field) -> Predicate:
    place, path = _PLACES[field.document], field.path
    test = _of_value(field.test)
    if not path:
        return lambda roots: test(roots[place])
    if not isinstance(field.test, Exists | HasSize | HasElement):
        test = _or_in_array(test)
    if_missing = field.test == Equal(None)
    if len(path) == 1:
        return _of_key(place, path[0], test, if_missing)

    def asked(roots: Roots) -> bool:
        found = list(_at(roots[place], path))
        return any(map(test, found)) or (if_missing and not found)

    return asked


def _of_key(place: int, key: str, test: ValueTest, if_missing: bool) -> Predicate:
    def asked(roots: Roots) -> bool:
        value = roots[place].get(key, _NOTHING)
        return if_missing if value is _NOTHING else test(value)

    return asked


def _or_in_array(test: ValueTest) -> ValueTest:
    return lambda value: test(value) or (_is_array(value) and any(map(test, value)))


def _at(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield what is at a path; an array on the way stands for the mappings in it, and a number counts its elements."""
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        if step in value:
            yield from _at(value[step], rest)
    elif _is_array(value):
        if is_index(step) and int(step) < len(value):
            yield from _at(value[int(step)], rest)
        for item in value:
            if isinstance(item, Mapping) and step in item:
                yield from _at(item[step], rest)


def _of_value(test: Test) -> ValueTest:
    if isinstance(test, Equal):
        return _equals(test.value)
    if isinstance(test, OneOf):
        among = frozenset(test.values)
        return lambda value: isinstance(value, str | int | float) and not isinstance(value, bool) and value in among
    if isinstance(test, Compare):
        kind, compares, bound = _kind(test.bound), ORDER[test.order], test.bound
        return lambda value: _kind(value) == kind and compares(value, bound)
    if isinstance(test, Matches):
        finds = finder(in_line(test.pattern, test.options))
        return lambda value: isinstance(value, str) and finds(value)
    return (lambda _: True) if isinstance(test, Exists) else _of_array(test)


def _of_array(test: HasSize | HasElement) -> ValueTest:
    if isinstance(test, HasSize):
        return lambda value: _is_array(value) and len(value) == test.size
    asked, kind = _asked(test.question), Mapping if test.of_keys else object

    def has_element(value: Any) -> bool:
        return _is_array(value) and any(asked((None, None, item)) for item in value if isinstance(item, kind))

    return has_element


def _equals(constant: Any) -> ValueTest:
    if isinstance(constant, str):
        return lambda value: isinstance(value, str) and value == constant
    return lambda value: _same(constant, value)


def _same(constant: Any, value: Any) -> bool:
    """Compare as JSON does: 1 is 1.0 and not true; the order of keys does not matter; what is not finite is null."""
    if _is_array(value):
        return (
            isinstance(constant, list)
            and len(constant) == len(value)
            and all(_same(one, other) for one, other in zip(constant, value, strict=True))
        )
    if isinstance(value, Mapping):
        return (
            isinstance(constant, dict)
            and constant.keys() == value.keys()
            and all(_same(constant[key], value[key]) for key in constant)
        )
    return _kind(constant) == _kind(value) and (_kind(value) == "null" or bool(constant == value))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number" if math.isfinite(value) else "null"
    if value is None:
        return "null"
    return "text" if isinstance(value, str) else "other"


def _is_array(value: Any) -> bool:
    return isinstance(value, list | tuple) or (hasattr(value, "__array__") and getattr(value, "ndim", 0) > 0)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif _is_array(value):
        for item in value:
            yield from _texts(item)
