"""A fresh SQLite catalogue per test: a copy of a file that was migrated once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from underbutler.catalog.store import CatalogStore
from underbutler.migrations import upgrade
from underbutler.sql import open_engine


@pytest.fixture(scope="session")
def migrated_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with all tables and no rows."""
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def catalogue_url(migrated_catalogue: Path, tmp_path: Path) -> str:
    """Return the URL of an empty catalogue."""
    return f"sqlite:///{shutil.copy(migrated_catalogue, tmp_path / 'catalogue.db')}"


@pytest.fixture
def engine(catalogue_url: str) -> Iterator[Engine]:
    """Return an engine on an empty catalogue."""
    engine = open_engine(catalogue_url)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> CatalogStore:
    """Return an empty catalogue."""
    return CatalogStore(engine)
