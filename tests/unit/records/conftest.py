"""A database of its own for each test, SQLite or PostgreSQL: migrated once, empty every time.

A test that says nothing runs on SQLite; a module with ``pytestmark = ON_BOTH`` runs on each.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from record_rows import empty_tables
from services import fresh_database
from sqlalchemy import Engine

from underbutler.migrations import upgrade
from underbutler.recording import JobRecorder
from underbutler.records import JobStore
from underbutler.sql import open_engine


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with all tables and no rows."""
    path = tmp_path_factory.mktemp("migrated") / "records.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_server(_postgres_server: str) -> Iterator[Engine]:
    """Return an engine on a PostgreSQL database with all tables; other tests of the process have left rows."""
    with fresh_database(_postgres_server) as url:
        upgrade(url)
        engine = open_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Return an engine on an empty database."""
    if getattr(request, "param", "sqlite") == "postgresql":
        server: Engine = request.getfixturevalue("migrated_server")
        empty_tables(server)
        yield server
        return
    path = shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "records.db")
    engine = open_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> JobStore:
    """Return the records, empty."""
    return JobStore(engine, JobRecorder())
