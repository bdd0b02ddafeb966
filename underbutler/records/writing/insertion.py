"""The ``INSERT`` that knows ``ON CONFLICT``, of each database."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from underbutler.sql import is_postgresql

__all__ = ["insertion"]


def insertion(connection: Connection) -> type[postgresql.Insert] | type[sqlite.Insert]:
    """Return the ``INSERT`` that knows ``ON CONFLICT``."""
    return postgresql.Insert if is_postgresql(connection) else sqlite.Insert
