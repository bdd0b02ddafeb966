"""Questions asked of a database: conditions on rows of ``catalog_run``. May import sql.

Where the path is one with a column, the column is asked, so that its index answers; elsewhere the document is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, func, literal, not_, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.selectable import FromClause

from .nodes import Condition, Node, node_of, ordered, regular_expression
from .questions import (
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
)
from .tables import DataId, Run

__all__ = ["COLUMNS", "Asker"]

COLUMNS: Final[Mapping[tuple[str, str], tuple[InstrumentedAttribute[Any], type]]] = {
    ("start", "uid"): (Run.uid, str),
    ("start", "time"): (Run.time, float),
    ("start", "scan_id"): (Run.scan_id, int),
    ("start", "task"): (Run.task, str),
    ("start", "label"): (Run.label, str),
    ("start", "owner"): (Run.owner, str),
    ("stop", "exit_status"): (Run.exit_status, str),
    ("stop", "time"): (Run.stop_time, float),
}
"""Columns that hold a key of a document, and of which type it must be to be held there."""

DATA_ID: Final = "data_id"
"""Key of the start document whose values, by dimension, have an index of their own."""


@dataclass(frozen=True)
class Asker:
    """Makes conditions of questions.

    Parameters
    ----------
    dialect
        ``sqlite`` or ``postgresql``.
    odd
        Whether some runs hold values of another type than a column's, and must be asked by their documents.
    """

    dialect: str
    odd: bool = False

    def condition(self, question: Question) -> Condition:
        """Return the condition that is true of the runs of which a question is true."""
        roots = {
            "start": node_of(Run.start.expression, self.dialect),
            "stop": node_of(Run.stop.expression, self.dialect),
        }
        return self._asked(question, roots)

    def _asked(self, question: Question, roots: Mapping[str, Node]) -> Condition:
        if isinstance(question, Field):
            return self._field(question, roots)
        if isinstance(question, Text):
            return and_(true(), *(roots["start"].has_text(word) for word in question.words))
        if isinstance(question, Not):
            return not_(func.coalesce(self._asked(question.part, roots), false()))
        parts = [self._asked(part, roots) for part in question.parts]
        return and_(true(), *parts) if isinstance(question, All) else or_(false(), *parts)

    def _field(self, field: Field, roots: Mapping[str, Node]) -> Condition:
        if len(field.path) == 1 and (field.document, field.path[0]) in COLUMNS:
            column, kind = COLUMNS[field.document, field.path[0]]
            by_column = self._of_column(field.test, column.expression, kind)
            if not self.odd:
                return by_column
            return or_(and_(Run.odd.is_(False), by_column), and_(Run.odd.is_(True), self._of_document(field, roots)))
        return and_(self._data_id_has(field), self._of_document(field, roots))

    def _of_column(self, test: Test, column: ColumnElement[Any], kind: type) -> Condition:
        if isinstance(test, Exists):
            return column.is_not(None)
        if test == Equal(None):
            return column.is_(None)
        if isinstance(test, Matches) and kind is str:
            sign = "REGEXP" if self.dialect == "sqlite" else "~"
            return column.bool_op(sign)(literal(regular_expression(test.pattern, test.options, self.dialect)))
        constants = [constant for constant in _constants(test) if _is_like(constant, kind)]
        if not constants:
            return false()
        return _any_of(test, column, constants)

    def _data_id_has(self, field: Field) -> Condition:
        """Return what the index of data IDs knows: true of too many runs, never of too few."""
        if field.document != "start" or len(field.path) != 2 or field.path[0] != DATA_ID:
            return true()
        constants = _constants(field.test)
        words = [constant for constant in constants if _is_like(constant, str)]
        numbers = [constant for constant in constants if _is_like(constant, float)]
        if not constants or len(words) + len(numbers) < len(constants):
            return true()
        found = [
            _any_of(field.test, column.expression, some)
            for column, some in ((DataId.word, words), (DataId.number, numbers))
            if some
        ]
        return Run.uid.in_(select(DataId.run_uid).where(DataId.dimension == field.path[1], or_(*found)))

    def _of_document(self, field: Field, roots: Mapping[str, Node]) -> Condition:
        root = roots[field.document]
        if not field.path:
            return self._test(field.test, root)
        found = self._somewhere(root, field.path, lambda node: self._of_value(field.test, node))
        if field.test != Equal(None):
            return found
        there = self._somewhere(root, field.path, lambda node: node.exists())
        return or_(not_(func.coalesce(there, false())), found)

    def _somewhere(self, root: Node, path: Sequence[str], leaf: Any) -> Condition:
        """Return whether a leaf is true of something that is found at a path.

        Arrays on the way stand for the objects in them. That is rare and dear, so first the straight way is asked, and
        the others only if it meets an array.
        """
        straight = [root]
        for step in path:
            straight.append(straight[-1].member(step))
        arrays = [node.is_array() for node in straight[1:-1]]
        others = [self._through(root, path, choice, leaf) for choice in _choices(path)]
        return or_(leaf(straight[-1]), and_(or_(*arrays), or_(*others))) if arrays else leaf(straight[-1])

    def _through(self, root: Node, path: Sequence[str], counted: Sequence[bool], leaf: Any) -> Condition:
        """Return the same for one way of reading the path: whether each step counts elements or is a key."""
        rows: list[FromClause] = []
        node = root
        for number, (step, counts) in enumerate(zip(path, counted, strict=True)):
            if counts:
                node = node.element(int(step))
                continue
            if number:  # the document itself is no array
                table, node = node.objects(f"step_{number}")
                rows.append(table)
            node = node.member(step)
        if not rows:
            return leaf(node)  # type: ignore[no-any-return]
        return select(literal(1)).select_from(*rows).where(leaf(node)).exists()

    def _of_value(self, test: Test, node: Node) -> Condition:
        """Return whether a test is true of a value, or of one in it."""
        direct = self._test(test, node)
        if isinstance(test, Exists | HasSize | HasElement):
            return direct
        table, element = node.elements("one")
        among = select(literal(1)).select_from(table).where(self._test(test, element)).exists()
        return or_(direct, and_(node.is_array(), among))

    def _test(self, test: Test, node: Node) -> Condition:
        if isinstance(test, HasElement):
            table, element = node.elements("element")
            asked = self._asked(test.question, {"element": element})
            fits = element.is_object() if test.of_keys else true()
            return and_(node.is_array(), select(literal(1)).select_from(table).where(fits, asked).exists())
        if isinstance(test, Compare):
            return node.compares(test.order, test.bound)
        if isinstance(test, Equal):
            return node.equals(test.value)
        if isinstance(test, OneOf):
            return node.is_one_of(test.values)
        if isinstance(test, Matches):
            return node.matches(test.pattern, test.options)
        return node.has_size(test.size) if isinstance(test, HasSize) else node.exists()


def _choices(path: Sequence[str]) -> Iterator[tuple[bool, ...]]:
    """Yield every way of reading the numbers in a path: as keys, or as places of an array."""
    ways = ([False, True] if number and is_index(step) else [False] for number, step in enumerate(path))
    return itertools.product(*ways)


def _constants(test: Test) -> Sequence[Any]:
    if isinstance(test, OneOf):
        return test.values
    if isinstance(test, Compare):
        return [test.bound]
    return [test.value] if isinstance(test, Equal) else []


def _any_of(test: Test, column: ColumnElement[Any], constants: Sequence[Any]) -> Condition:
    if isinstance(test, Compare):
        return ordered(column, test.order, constants[0])
    return column == constants[0] if len(constants) == 1 else column.in_(constants)


def _is_like(constant: Any, kind: type) -> bool:
    if isinstance(constant, bool):
        return False
    return isinstance(constant, str) if kind is str else isinstance(constant, int | float)
