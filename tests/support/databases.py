"""One database for all that is kept in tables, SQLite or PostgreSQL: migrated once, empty for every test.

A test that says nothing runs on SQLite. One body that has to hold on each is marked with `ON_BOTH`; its PostgreSQL
parameter is of the integration tier, by its marker ``postgres``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.support.services import fresh_database
from underbutler.migrations import upgrade
from underbutler.sql import is_postgresql, metadata, open_engine, write

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.postgres)

ON_BOTH = pytest.mark.parametrize("engine", ["sqlite", POSTGRESQL], indirect=True)
"""A test, or with ``pytestmark`` a module, that runs on each database."""

ON_POSTGRESQL = pytest.mark.parametrize("engine", [POSTGRESQL], indirect=True)
"""A test, or a module, of what PostgreSQL does otherwise."""


def empty_tables(engine: Engine) -> None:
    """Remove every row."""
    tables = [table.name for table in reversed(metadata.sorted_tables)]
    statements = [f"DELETE FROM {name}" for name in tables]  # of small tables, a tenth of what TRUNCATE takes
    # Without triggers: those of the audit refuse, those of events write.
    statements.insert(0, "SET LOCAL session_replication_role = replica")
    with write(engine) as connection:
        for one in ["; ".join(statements)] if is_postgresql(engine) else statements[1:]:
            connection.execute(text(one))


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
