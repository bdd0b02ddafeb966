"""Rows whose identity is known by a part of it."""

from __future__ import annotations

import re
import uuid

from sqlalchemy import ColumnElement, String, and_, cast, func, or_
from sqlalchemy.orm import InstrumentedAttribute

from underbutler.errors import UnknownNameError
from underbutler.model.identity import SHORTEST_END

__all__ = ["named"]


def named(
    column: InstrumentedAttribute[uuid.UUID], name: uuid.UUID | str, *, kind: str, command: str
) -> ColumnElement[bool]:
    """Return the condition that an identity is, begins or ends with a text.

    A beginning is a range that an index serves. An end is compared with every identity of the index: it has as many
    characters as people are shown, or at least `SHORTEST_END`.

    Parameters
    ----------
    column
        What is compared.
    name
        What a person has written.
    kind, command
        What it should be, and the command that lists those that exist, for the error's text.

    Raises
    ------
    UnknownNameError
        If it cannot be a part of an identity.
    """
    if isinstance(name, uuid.UUID):
        return column == name
    digits = name.strip().lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        raise UnknownNameError(
            f"{name!r} is not a {kind} and no beginning or end of one: ids are hexadecimal, like 1a2b3c4d. "
            f"List them: `underbutler {command}`.",
            name=name,
        )
    if len(digits) == 32:
        return column == uuid.UUID(digits)
    low, high = uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
    begins = and_(column >= low, column <= high)
    if len(digits) < SHORTEST_END:
        return begins
    # SQLite keeps 32 digits, PostgreSQL writes them with hyphens.
    return or_(begins, func.replace(cast(column, String), "-", "").like(f"%{digits}"))
