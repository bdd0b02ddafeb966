"""Questions asked of a database: conditions on rows of ``catalog_run``.

Where the path is one with a column, the column is asked, so that its index answers; elsewhere the document is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, false, func, literal, not_, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import FromClause

from underbutler.catalog.query import questions

from .data_id_index import any_of, constants_of, hint_of_field, hints_of_ranges
from .nodes import Condition, Node, node_of, regular_expression
from .tables import Run

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

_PLUS: Final[custom_op[Any]] = custom_op("+")


@dataclass(frozen=True)
class Asker:
    """Makes conditions of questions.

    Parameters
    ----------
    dialect
        ``sqlite`` or ``postgresql``.
    odd
        Whether some runs hold values of another type than a column's, and must be asked by their documents.
    is_rare
        Tells of a select of few runs, for which an index shall be asked first.
    among_few
        Whether it is asked of few runs that have been found by an index already.
    """

    dialect: str
    odd: bool = False
    is_rare: Callable[[Select[Any]], bool] = lambda _: True
    among_few: bool = False

    def condition(self, question: questions.Question) -> Condition:
        """Return the condition that is true of the runs of which a question is true."""
        roots = {
            "start": node_of(Run.start.expression, self.dialect),
            "stop": node_of(Run.stop.expression, self.dialect),
        }
        return self._asked(question, roots)

    def _asked(self, question: questions.Question, roots: Mapping[str, Node]) -> Condition:
        if isinstance(question, questions.Field):
            return self._field(question, roots)
        if isinstance(question, questions.Text):
            return and_(true(), *(roots["start"].has_text(word) for word in question.words))
        if isinstance(question, questions.Not):
            return not_(func.coalesce(self._asked(question.part, roots), false()))
        if isinstance(question, questions.All):
            return self._all(question, roots)
        return or_(false(), *(self._asked(part, roots) for part in question.parts))

    def _all(self, question: questions.All, roots: Mapping[str, Node]) -> Condition:
        """Return whether all parts are true; if one of them is true of few runs only, these are looked up first."""
        parts = list(_parts(question))
        hints = [hint_of_field(part) for part in parts if isinstance(part, questions.Field)]
        hints += hints_of_ranges(parts)
        few = [Run.uid.in_(runs) for runs in hints if runs is not None and self.is_rare(runs)]
        asker = replace(self, among_few=True) if few else self
        return and_(true(), *few, *(asker._asked(part, roots) for part in parts))

    def _field(self, field: questions.Field, roots: Mapping[str, Node]) -> Condition:
        if len(field.path) == 1 and (field.document, field.path[0]) in COLUMNS:
            column, kind = COLUMNS[field.document, field.path[0]]
            by_column = self._of_column(field.test, self._searched(column), kind)
            if not self.odd:
                return by_column
            return or_(and_(Run.odd.is_(False), by_column), and_(Run.odd.is_(True), self._of_document(field, roots)))
        return and_(self._hinted(hint_of_field(field)), self._of_document(field, roots))

    def _searched(self, column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
        """Return a column as it is asked: SQLite, which does not count rows, is told not to go by its index."""
        plain = self.among_few and self.dialect == "sqlite" and column is not Run.uid
        return UnaryExpression(column.expression, operator=_PLUS, type_=column.type) if plain else column.expression

    def _of_column(self, test: questions.Test, column: ColumnElement[Any], kind: type) -> Condition:
        if isinstance(test, questions.Exists):
            return column.is_not(None)
        if test == questions.Equal(None):
            return column.is_(None)
        if isinstance(test, questions.Matches) and kind is str:
            sign = "REGEXP" if self.dialect == "sqlite" else "~"
            return column.bool_op(sign)(literal(regular_expression(test.pattern, test.options, self.dialect)))
        constants = [constant for constant in constants_of(test) if _is_like(constant, kind)]
        return any_of(test, column, constants) if constants else false()

    def _hinted(self, runs: Select[Any] | None) -> Condition:
        """Return whether a run is among some, if these are few; else it is quicker to look at each."""
        return true() if runs is None or self.among_few or not self.is_rare(runs) else Run.uid.in_(runs)

    def _of_document(self, field: questions.Field, roots: Mapping[str, Node]) -> Condition:
        root = roots[field.document]
        if not field.path:
            return self._test(field.test, root)
        found = self._somewhere(root, field.path, lambda node: self._of_value(field.test, node))
        if field.test != questions.Equal(None):
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
            if number:  # the document itself is not an array
                table, node = node.objects(f"step_{number}")
                rows.append(table)
            node = node.member(step)
        if not rows:
            return leaf(node)  # type: ignore[no-any-return]
        return select(literal(1)).select_from(*rows).where(leaf(node)).exists()

    def _of_value(self, test: questions.Test, node: Node) -> Condition:
        """Return whether a test is true of a value, or of one in it."""
        direct = self._test(test, node)
        if isinstance(test, questions.Exists | questions.HasSize | questions.HasElement):
            return direct
        table, element = node.elements()
        among = select(literal(1)).select_from(table).where(self._test(test, element)).exists()
        return or_(direct, and_(node.is_array(), among))

    def _test(self, test: questions.Test, node: Node) -> Condition:
        if isinstance(test, questions.HasElement):
            table, element = node.elements()
            asked = self._asked(test.question, {"element": element})
            fits = element.is_object() if test.of_keys else true()
            return and_(node.is_array(), select(literal(1)).select_from(table).where(fits, asked).exists())
        if isinstance(test, questions.Compare):
            return node.compares(test.order, test.bound)
        if isinstance(test, questions.Equal):
            return node.equals(test.value)
        if isinstance(test, questions.OneOf):
            return node.is_one_of(test.values)
        if isinstance(test, questions.Matches):
            return node.matches(test.pattern, test.options)
        return node.has_size(test.size) if isinstance(test, questions.HasSize) else node.exists()


def _parts(question: questions.All) -> Iterator[questions.Question]:
    """Yield what must be true, also of questions in questions: a search of what a search has found is one."""
    for part in question.parts:
        if isinstance(part, questions.All):
            yield from _parts(part)
        else:
            yield part


def _choices(path: Sequence[str]) -> Iterator[tuple[bool, ...]]:
    """Yield every way of reading the numbers in a path: as keys, or as places of an array."""
    ways = ([False, True] if number and questions.is_index(step) else [False] for number, step in enumerate(path))
    return itertools.product(*ways)


def _is_like(constant: Any, kind: type) -> bool:
    if isinstance(constant, bool):
        return False
    return isinstance(constant, str) if kind is str else isinstance(constant, int | float)
