"""What the index of data IDs knows of a question: runs of which it may be true.

A hint names too many runs, never too few, so that it may stand beside the question itself. Data IDs are found under the
key ``data_id`` of start documents: ``{"exposure": [20261119000001, 20261119000002], "detector": 0}``, or a list of
such.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, or_, select

from underbutler.catalog.query.questions import All, Compare, Equal, Field, HasElement, OneOf, Question, Test, is_index

from .nodes import ordered
from .tables import DataId

__all__ = ["any_of", "constants_of", "data_id_rows", "hint_of_field", "hints_of_ranges"]

Runs: TypeAlias = Select[Any]
"""Uids of runs."""

_KEY: Final = "data_id"
_EMPTY: Final = {"word": None, "number": None, "until": None, "gap": None}
_LOWER: Final = frozenset({"$gt", "$gte"})
_ROUNDING: Final = 1 - 1e-9


def data_id_rows(start: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run in the index: texts and numbers of each dimension, each once, in their order."""
    given = start.get(_KEY)
    values: dict[str, list[Any]] = {}
    for data_id in given if isinstance(given, list) else [given]:
        for dimension, value in data_id.items() if isinstance(data_id, dict) else ():
            values.setdefault(dimension, []).extend(value if isinstance(value, list) else [value])
    for dimension, some in values.items():
        words = sorted({value for value in some if isinstance(value, str)})
        numbers = sorted({float(value) for value in some if _is_number(value) and math.isfinite(value)})
        after = dict(pairwise(numbers))
        rows: list[dict[str, Any]] = [{**_EMPTY, "word": word} for word in words]
        for number in numbers:
            until = after.get(number)
            gap = None if until is None else until - number
            rows.append({**_EMPTY, "number": number, "until": until, "gap": gap})
        for ordinal, row in enumerate(rows):
            yield {"run_uid": start["uid"], "dimension": dimension, "ordinal": ordinal, **row}


def hint_of_field(field: Field) -> Runs | None:
    """Return the runs of which a test of one field may be true; None if the index does not know."""
    if not _is_indexed(field):
        return None
    one_value = [field.test]
    if isinstance(field.test, HasElement):
        one_value = _tests_of_element(field.test)
    conditions = [_on_columns(test) for test in one_value]
    known = [condition for condition in conditions if condition is not None]
    return _runs(field, and_(*known)) if known else None


def hints_of_ranges(parts: Iterable[Question]) -> Iterator[Runs]:
    """Yield the runs of which both bounds of a range may be true, where all the parts are asked.

    One number of a run may be in the range; or one is below it and another above, with none between: then the gap
    between them is wider than the range, which is rare.
    """
    bounds: dict[Field, list[Compare]] = {}
    for part in parts:
        if not (isinstance(part, Field) and _is_indexed(part) and isinstance(part.test, Compare)):
            continue
        if _is_number(part.test.bound):
            bounds.setdefault(Field(part.document, part.path, Equal(None)), []).append(part.test)
    for field, tests in bounds.items():
        low = max((test.bound for test in tests if test.order in _LOWER), default=None)
        high = min((test.bound for test in tests if test.order not in _LOWER), default=None)
        if low is None or high is None or float(low) > float(high):
            continue
        inside = and_(*(ordered(DataId.number.expression, test.order, test.bound) for test in tests))
        wide = DataId.gap >= (float(high) - float(low)) * _ROUNDING
        yield _runs(field, or_(inside, and_(wide, DataId.number <= low, DataId.until >= high)))


def _is_indexed(field: Field) -> bool:
    return field.document == "start" and len(field.path) == 2 and field.path[0] == _KEY and not is_index(field.path[1])


def _runs(field: Field, condition: ColumnElement[bool]) -> Runs:
    return select(DataId.run_uid).where(DataId.dimension == field.path[1], condition)


def _on_columns(test: Test) -> ColumnElement[bool] | None:
    """Return a test of one value as the index asks it; None where it does not hold such values."""
    constants = constants_of(test)
    words = [constant for constant in constants if isinstance(constant, str)]
    numbers = [constant for constant in constants if _is_number(constant)]
    if not constants or len(words) + len(numbers) < len(constants):
        return None
    columns = ((DataId.word.expression, words), (DataId.number.expression, numbers))
    return or_(*(any_of(test, column, some) for column, some in columns if some))


def _tests_of_element(test: HasElement) -> list[Test]:
    """Return tests that are all of the same element."""
    parts = test.question.parts if isinstance(test.question, All) else (test.question,)
    return [part.test for part in parts if isinstance(part, Field) and not part.path]


def constants_of(test: Test) -> Sequence[Any]:
    """Return what a test compares with; nothing if it does not compare."""
    if isinstance(test, OneOf):
        return test.values
    if isinstance(test, Compare):
        return [test.bound]
    return [test.value] if isinstance(test, Equal) else []


def any_of(test: Test, column: ColumnElement[Any], constants: Sequence[Any]) -> ColumnElement[bool]:
    """Return a test that compares with constants, asked of a column of their type."""
    if isinstance(test, Compare):
        return ordered(column, test.order, constants[0])
    return column == constants[0] if len(constants) == 1 else column.in_(constants)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
