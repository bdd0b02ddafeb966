"""Questions asked of documents in memory: what catalogues of files search with. May import errors."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

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
    is_index,
    lower_ascii,
)

__all__ = ["matches"]

_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}


def matches(question: Question, start: Mapping[str, Any], stop: Mapping[str, Any] | None) -> bool:
    """Tell whether a question is true of a run.

    Parameters
    ----------
    question
        From `parse`.
    start, stop
        Documents of the run; ``stop`` is None while it is open.
    """
    return _holds(question, {"start": start, "stop": {} if stop is None else stop})


def _holds(question: Question, roots: Mapping[str, Any]) -> bool:
    if isinstance(question, Field):
        return _field(question, roots[question.document])
    if isinstance(question, Text):
        texts = [lower_ascii(text) for text in _texts(roots["start"])]
        return all(any(word in text for text in texts) for word in question.words)
    if isinstance(question, Not):
        return not _holds(question.part, roots)
    if isinstance(question, All):
        return all(_holds(part, roots) for part in question.parts)
    return any(_holds(part, roots) for part in question.parts)


def _field(field: Field, root: Any) -> bool:
    if not field.path:
        return _test(field.test, root)
    found = list(_at(root, field.path))
    if field.test == Equal(None) and not found:
        return True
    return any(_test(field.test, value) or _test_each(field.test, value) for value in found)


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


def _test_each(test: Test, value: Any) -> bool:
    if isinstance(test, Exists | HasSize | HasElement) or not _is_array(value):
        return False
    return any(_test(test, item) for item in value)


def _test(test: Test, value: Any) -> bool:
    if isinstance(test, HasSize | HasElement):
        return _is_array(value) and _test_array(test, value)
    if isinstance(test, Equal):
        return _same(test.value, value)
    if isinstance(test, OneOf):
        return any(_same(one, value) for one in test.values)
    if isinstance(test, Compare):
        return _kind(value) == _kind(test.bound) and ORDER[test.order](value, test.bound)
    return isinstance(test, Exists) or (isinstance(value, str) and compiled(test).search(value) is not None)


def _test_array(test: HasSize | HasElement, array: Any) -> bool:
    if isinstance(test, HasSize):
        return len(array) == test.size
    items = (item for item in array if isinstance(item, Mapping)) if test.of_keys else array
    return any(_holds(test.question, {"element": item}) for item in items)


def compiled(test: Matches) -> re.Pattern[str]:
    """Return the regular expression of a test."""
    flags = 0
    for letter in test.options:
        flags |= _FLAGS[letter]
    return re.compile(test.pattern, flags)


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
    if isinstance(value, str):
        return "text"
    return "other"


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
