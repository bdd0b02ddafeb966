"""One engine per database and process: catalogues are opened again and again, and travel to other processes."""

from __future__ import annotations

import os
from functools import lru_cache

from sqlalchemy import Engine

from underbutler.catalog.query.limits import SEARCH_S
from underbutler.sql import open_engine

__all__ = ["engine_of", "url_of"]


def engine_of(url: str) -> Engine:
    """Return the engine of a database; after a fork, another one.

    Raises
    ------
    UsageError
        If the URL is of no database that we know.
    """
    return _engine(url, os.getpid())


def url_of(engine: Engine) -> str:
    """Return the URL by which another process finds the database, password and all: for pickles, not for people."""
    return engine.url.render_as_string(hide_password=False)


@lru_cache(maxsize=32)
def _engine(url: str, _pid: int) -> Engine:
    return open_engine(url, longest_s=SEARCH_S)
