"""Several dependent writes as one: a guarded first step, and followers that act on the row that it returns.

PostgreSQL takes the whole chain as one statement of data-modifying CTEs: one round trip, a transaction of its own.
SQLite has no such CTEs: there the same steps run one after the other in one short ``BEGIN IMMEDIATE`` transaction.
Records and catalogue write by chains.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, TextClause, text

from underbutler.sql import NOW, is_postgresql, statement, to_json

__all__ = ["Chain", "Kind", "json_text", "rows_parameter"]

Kind = Literal["uuid", "text", "json", "boolean", "bigint", "double precision"]

_FIRST: Final = "first"
"""Name by which followers call the row of the first step."""
_LAST: Final = "last"


@dataclass(frozen=True)
class Chain:
    """A guarded change of one row and what must change with it, or nothing at all.

    Parameters
    ----------
    first
        ``UPDATE target … RETURNING …``: it decides. ``{now}`` stands for the database's clock.
    columns
        What `first` returns, in order.
    followers
        Statements that read from a row called ``first``. ``{products}`` stands for the rows of a parameter declared in
        `rows`.
    last
        One more follower, which returns a row.
    last_columns
        What `last` returns, in order: under names that `columns` does not have.
    rows
        Parameters that carry many rows as one JSON text, and the type of each column. JSON columns are texts in it.
    """

    first: str
    columns: tuple[str, ...]
    followers: tuple[str, ...] = ()
    last: str | None = None
    last_columns: tuple[str, ...] = ()
    rows: Mapping[str, Mapping[str, Kind]] = field(default_factory=dict)

    def run(self, engine: Engine, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """Run the chain.

        Returns
        -------
        row
            What the first step returned, and the last; None when its guard held it back, and nothing has changed.
        """
        with statement(engine) as connection:
            return self.run_within(connection, parameters)

    def run_within(self, connection: Connection, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """Run the chain as a part of a transaction; see `run`."""
        if is_postgresql(connection):
            row = connection.execute(self._as_one, parameters).one_or_none()
            return None if row is None else dict(zip((*self.columns, *self.last_columns), row, strict=True))
        return self._run_in_steps(connection, {key: _for_sqlite(value) for key, value in parameters.items()})

    def _run_in_steps(self, connection: Connection, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        first, *followers = self._as_steps
        row = connection.execute(first, parameters).one_or_none()
        if row is None:
            return None
        returned = dict(zip(self.columns, row, strict=True))
        parameters = {**parameters, **{f"first_{name}": value for name, value in returned.items()}}
        for follower in followers:
            result = connection.execute(follower, parameters)
        if self.last is not None:
            returned |= zip(self.last_columns, result.one(), strict=True)
        return returned

    @cached_property
    def _as_one(self) -> TextClause:
        followers = [
            f"follower_{number} AS ({self._filled(step, 'postgresql')})" for number, step in enumerate(self.followers)
        ]
        steps = ",\n".join([f"{_FIRST} AS ({self._filled(self.first, 'postgresql')})", *followers])
        names = ", ".join([f"{_FIRST}.{name}" for name in self.columns])
        if self.last is None:
            return text(f"WITH {steps}\nSELECT {names} FROM {_FIRST}")
        names = ", ".join([names, *(f"{_LAST}.{name}" for name in self.last_columns)])
        last = f"{_LAST} AS ({self._filled(self.last, 'postgresql')})"
        return text(f"WITH {steps},\n{last}\nSELECT {names} FROM {_FIRST}, {_LAST}")

    @cached_property
    def _as_steps(self) -> tuple[TextClause, ...]:
        row = ", ".join(f":first_{name} AS {name}" for name in self.columns)
        steps = self.followers if self.last is None else (*self.followers, self.last)
        followers = [f"WITH {_FIRST} AS (SELECT {row})\n{self._filled(step, 'sqlite')}" for step in steps]
        return tuple(text(step) for step in [self._filled(self.first, "sqlite"), *followers])

    def _filled(self, step: str, dialect: str) -> str:
        source = _rows_of_postgresql if dialect == "postgresql" else _rows_of_sqlite
        return step.format(now=NOW[dialect], **{name: source(name, columns) for name, columns in self.rows.items()})


def json_text(value: object) -> str | None:
    """Return a JSON column's parameter; what is not finite becomes null."""
    return None if value is None else to_json(value)


def rows_parameter(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Kind], engine: Engine | Connection) -> str:
    """Return the JSON text of many rows, for a parameter declared in `Chain.rows`."""
    plain = not is_postgresql(engine)
    return json.dumps([{name: _cell(row[name], kind, plain) for name, kind in columns.items()} for row in rows])


def _cell(value: Any, kind: Kind, plain: bool) -> Any:
    if kind == "json":
        return json_text(value)
    if isinstance(value, uuid.UUID):
        return value.hex if plain else str(value)
    return value


def _rows_of_postgresql(name: str, columns: Mapping[str, Kind]) -> str:
    types = ", ".join(f"{column} {'text' if kind == 'json' else kind}" for column, kind in columns.items())
    cells = ", ".join(
        f"CAST({column} AS json) AS {column}" if kind == "json" else column for column, kind in columns.items()
    )
    return f"(SELECT {cells} FROM json_to_recordset(CAST(:{name} AS json)) AS one({types}))"  # noqa: S608 - our columns


def _rows_of_sqlite(name: str, columns: Mapping[str, Kind]) -> str:
    cells = ", ".join(f"json_extract(value, '$.{column}') AS {column}" for column in columns)
    return f"(SELECT {cells} FROM json_each(:{name}))"  # noqa: S608 - our columns


def _for_sqlite(value: Any) -> Any:
    return value.hex if isinstance(value, uuid.UUID) else value
