"""Records and a broker, and a sweeper that has been sweeping all the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.sweeper_repository import Repository
from tests.support.sweeper_site import Site, open_site
from underbutler.butlers import create_repository
from underbutler.settings import Settings


@pytest.fixture
def site(engine: Engine, settings: Settings, redis_url: str) -> Iterator[Site]:
    """Return a site on the database of the test: SQLite, and with `ON_BOTH` each."""
    url = engine.url.render_as_string(hide_password=False)
    with open_site(settings, broker_url=redis_url, database_url=url) as site:
        yield site


@pytest.fixture
def repository(site: Site, tmp_path: Path) -> Repository:
    create_repository(tmp_path / "repo", "demo", site.settings)
    return Repository(site, "demo")
