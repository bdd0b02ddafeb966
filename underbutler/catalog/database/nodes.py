"""JSON values inside SQL: one way of speaking to SQLite's functions and to PostgreSQL's.

A node is a value at some place of a document: of which type it is, how it compares with a constant, what is in it. What
is not there has the type null in SQL's sense; no method fails on a value of another type.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    collate,
    column,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.selectable import FromClause

from underbutler.catalog.query.questions import in_line

__all__ = ["Condition", "Node", "node_of", "ordered", "regular_expression"]

Condition: TypeAlias = ColumnElement[bool]

_OTHERWISE: Final = {r"\b": r"\y", r"\B": r"\Y"}
"""Escapes of regular expressions that PostgreSQL calls otherwise than Python."""

_ORDER: Final = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def ordered(left: ColumnElement[Any], order: str, right: object) -> Condition:
    """Compare by ``$gt``, ``$gte``, ``$lt`` or ``$lte``."""
    return left.bool_op(_ORDER[order])(right)


def node_of(document: ColumnElement[Any], dialect: str) -> Node:
    """Return the value of a JSON column.

    Parameters
    ----------
    document
        The column.
    dialect
        ``sqlite`` or ``postgresql``.
    """
    return (_SqliteNode if dialect == "sqlite" else _PostgresNode).of(document)


class Node:
    """A JSON value inside SQL."""

    @abstractmethod
    def exists(self) -> Condition:
        """Tell whether there is a value, if only null."""

    @abstractmethod
    def is_array(self) -> Condition:
        """Tell whether it is an array."""

    @abstractmethod
    def is_object(self) -> Condition:
        """Tell whether it is an object."""

    @abstractmethod
    def equals(self, constant: Any) -> Condition:
        """Compare as JSON: numbers by value, objects whatever the order of their keys."""

    @abstractmethod
    def is_one_of(self, values: tuple[int | float | str, ...]) -> Condition:
        """Tell whether it is one of these numbers and texts."""

    @abstractmethod
    def compares(self, order: str, bound: int | float | str | bool) -> Condition:
        """Tell whether it has the bound's type and is on that side of it."""

    @abstractmethod
    def matches(self, pattern: str, options: str) -> Condition:
        """Tell whether it is a text in which a regular expression finds something."""

    @abstractmethod
    def has_size(self, size: int) -> Condition:
        """Tell whether it is an array of so many elements."""

    @abstractmethod
    def member(self, key: str) -> Node:
        """Return what an object has under a key."""

    @abstractmethod
    def element(self, index: int) -> Node:
        """Return an element of an array."""

    @abstractmethod
    def elements(self) -> tuple[FromClause, Node]:
        """Return a table of an array's elements, and the element that a row of it stands for."""

    @abstractmethod
    def objects(self, name: str) -> tuple[FromClause, Node]:
        """Return a table of an array's elements, or of an object as the only one, and the element of a row."""

    @abstractmethod
    def has_text(self, word: str) -> Condition:
        """Tell whether a lower-case word is in a text somewhere in it."""


class _SqliteNode(Node):
    """A JSON value in SQLite.

    Parameters
    ----------
    kind
        SQL of its type, in the words of ``json_type``.
    value
        SQL of its value if it is a number or a text.
    content
        SQL of its JSON if it is an array or an object; else of something of which SQLite's functions find no part.
    """

    def __init__(self, kind: ColumnElement[Any], value: ColumnElement[Any], content: ColumnElement[Any]) -> None:
        self._kind, self._value, self._content = kind, value, content

    @classmethod
    def of(cls, document: ColumnElement[Any]) -> _SqliteNode:
        text = type_coerce(document, Text())
        return cls(func.json_type(text), func.json_extract(text, "$"), text)

    def exists(self) -> Condition:
        return self._kind.is_not(null())

    def is_array(self) -> Condition:
        return self._kind == "array"

    def is_object(self) -> Condition:
        return self._kind == "object"

    def equals(self, constant: Any) -> Condition:
        if constant is None:
            return self._kind == "null"
        if isinstance(constant, bool):
            return self._kind == ("true" if constant else "false")
        if isinstance(constant, int | float | str):
            return and_(self._is_like(constant), self._value == constant)
        if isinstance(constant, list):
            parts = [self.element(index).equals(item) for index, item in enumerate(constant)]
            return and_(self.has_size(len(constant)), *parts)
        keys = func.json_each(self._only("object")).table_valued(column("key", Text), joins_implicitly=True)
        parts = [self.member(key).equals(item) for key, item in constant.items()]
        count = select(func.count()).select_from(keys).scalar_subquery()
        return and_(self.is_object(), count == len(constant), *parts)

    def is_one_of(self, values: tuple[int | float | str, ...]) -> Condition:
        texts = [value for value in values if isinstance(value, str)]
        numbers = [value for value in values if not isinstance(value, str)]
        found = [and_(self._is_like(some[0]), self._value.in_(some)) for some in (texts, numbers) if some]
        return or_(false(), *found)

    def compares(self, order: str, bound: int | float | str | bool) -> Condition:
        if isinstance(bound, bool):
            return and_(self._kind.in_(["true", "false"]), ordered(self._kind == "true", order, literal(bound)))
        return and_(self._is_like(bound), ordered(self._value, order, literal(bound)))

    def matches(self, pattern: str, options: str) -> Condition:
        text = case((self._kind == "text", self._value))
        return text.bool_op("REGEXP")(regular_expression(pattern, options, "sqlite"))

    def has_size(self, size: int) -> Condition:
        return func.json_array_length(self._only("array")) == size

    def member(self, key: str) -> Node:
        return self._at(f'$."{key}"')

    def element(self, index: int) -> Node:
        return self._at(f"$[{index}]")

    def elements(self) -> tuple[FromClause, Node]:
        return self._rows(self._only("array"), None)

    def objects(self, name: str) -> tuple[FromClause, Node]:
        alone = func.json_array(func.json(self._content))
        array = case((self.is_array(), self._content), (self.is_object(), alone))
        return self._rows(array, name)

    def has_text(self, word: str) -> Condition:
        tree = func.json_tree(self._content).table_valued(
            column("type", Text), column("atom", Text), name="tree", joins_implicitly=True
        )
        found = func.instr(func.lower(tree.c.atom), word) > 0
        return select(literal(1)).select_from(tree).where(tree.c.type == "text", found).exists()

    def _at(self, path: str) -> Node:
        return _SqliteNode.of(self._content.op("->", precedence=15, return_type=Text())(literal(path)))

    def _only(self, kind: str) -> ColumnElement[Any]:
        """Return its JSON if it is of that kind."""
        return case((self._kind == kind, self._content))

    def _is_like(self, constant: int | float | str) -> Condition:
        return self._kind == "text" if isinstance(constant, str) else self._kind.in_(["integer", "real"])

    @staticmethod
    def _rows(array: ColumnElement[Any], name: str | None) -> tuple[FromClause, Node]:
        # Without a name it gets one of its own: elements of elements would hide those that they are in.
        rows = func.json_each(array).table_valued(
            column("type", Text), column("value"), name=name, joins_implicitly=True
        )
        # The value of a text is not JSON, at which SQLite's functions fail.
        content = case((rows.c.type.in_(["array", "object"]), rows.c.value))
        return rows, _SqliteNode(rows.c.type, rows.c.value, content)


class _PostgresNode(Node):
    """A JSON value in PostgreSQL.

    Parameters
    ----------
    value
        SQL of the value, as ``jsonb``.
    """

    def __init__(self, value: ColumnElement[Any]) -> None:
        self._value = value
        self._kind = func.jsonb_typeof(value)

    @classmethod
    def of(cls, document: ColumnElement[Any]) -> _PostgresNode:
        return cls(type_coerce(document, JSONB()))

    def exists(self) -> Condition:
        return self._value.is_not(null())

    def is_array(self) -> Condition:
        return self._kind == "array"

    def is_object(self) -> Condition:
        return self._kind == "object"

    def equals(self, constant: Any) -> Condition:
        return self._value.bool_op("=")(_jsonb(constant))

    def is_one_of(self, values: tuple[int | float | str, ...]) -> Condition:
        return self._value.in_([_jsonb(value) for value in values])

    def compares(self, order: str, bound: int | float | str | bool) -> Condition:
        if isinstance(bound, str):
            return and_(self._kind == "string", ordered(self._text(), order, literal(bound)))
        kind = "boolean" if isinstance(bound, bool) else "number"
        return and_(self._kind == kind, ordered(self._value, order, _jsonb(bound)))

    def matches(self, pattern: str, options: str) -> Condition:
        expression = literal(regular_expression(pattern, options, "postgresql"))
        return and_(self._kind == "string", self._text().bool_op("~")(expression))

    def has_size(self, size: int) -> Condition:
        return func.jsonb_array_length(self._only_array()) == size

    def member(self, key: str) -> Node:
        return _PostgresNode(self._value.op("->", precedence=15, return_type=JSONB())(cast(key, Text)))

    def element(self, index: int) -> Node:
        return _PostgresNode(self._value.op("->", precedence=15, return_type=JSONB())(cast(index, Integer)))

    def elements(self) -> tuple[FromClause, Node]:
        return self._rows(self._only_array(), None)

    def objects(self, name: str) -> tuple[FromClause, Node]:
        alone = func.jsonb_build_array(self._value)
        return self._rows(case((self.is_array(), self._value), (self.is_object(), alone)), name)

    def has_text(self, word: str) -> Condition:
        texts: ColumnElement[Any] = literal_column("CAST('strict $.** ? (@.type() == \"string\")' AS jsonpath)")
        found = func.jsonb_path_query(self._value, texts).table_valued(
            column("value", JSONB), name="tree", joins_implicitly=True
        )
        found = found.render_derived()
        text = _PostgresNode(found.c.value)._text()
        return select(literal(1)).select_from(found).where(func.strpos(func.lower(text), word) > 0).exists()

    def _text(self) -> ColumnElement[Any]:
        """Return the text of a JSON string, that sorts and folds by code points."""
        text = self._value.op("#>>", precedence=15)(literal_column("CAST('{}' AS text[])"))
        return collate(cast(text, Text), "C")

    def _only_array(self) -> ColumnElement[Any]:
        return case((self.is_array(), self._value))

    @staticmethod
    def _rows(array: ColumnElement[Any], name: str | None) -> tuple[FromClause, Node]:
        rows = func.jsonb_array_elements(array).table_valued(column("value", JSONB), name=name, joins_implicitly=True)
        return rows, _PostgresNode(rows.c.value)


def _jsonb(constant: Any) -> ColumnElement[Any]:
    return cast(bindparam(None, json.dumps(constant), type_=Text()), JSONB)


def regular_expression(pattern: str, options: str, dialect: str) -> str:
    """Return Python's regular expression in the words of a database.

    PostgreSQL calls word boundaries ``\\y`` and ``\\Y``, has no names for groups, and lets a dot match the end of a
    line unless it is told.
    """
    if dialect == "sqlite":  # where ours is called
        return in_line(pattern, options)
    whole_lines, any_letter = "m" in options, "s" in options
    lines = ("w" if any_letter else "n") if whole_lines else ("" if any_letter else "p")
    letters = lines + ("i" if "i" in options else "")
    plain = re.sub(r"\\.|\(\?P<\w+>", _in_postgresql, pattern)
    return f"(?{letters}){plain}" if letters else plain


def _in_postgresql(found: re.Match[str]) -> str:
    return _OTHERWISE.get(found[0], found[0]) if found[0].startswith("\\") else "("
