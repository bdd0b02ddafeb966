"""A catalogue, empty, on the database of the test."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from underbutler.catalog.database.store import CatalogStore


@pytest.fixture
def catalogue_url(engine: Engine) -> str:
    """Return the URL of an empty catalogue."""
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture
def store(engine: Engine) -> CatalogStore:
    """Return an empty catalogue."""
    return CatalogStore(engine)
