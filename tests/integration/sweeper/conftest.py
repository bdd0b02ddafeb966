"""Records and a broker, and a sweeper that has been sweeping all the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.sweeper_site import Site, open_site
from underbutler.settings import Settings


@pytest.fixture
def site(engine: Engine, settings: Settings, redis_url: str) -> Iterator[Site]:
    """Return a site on the database of the test: SQLite, and with `ON_BOTH` each."""
    url = engine.url.render_as_string(hide_password=False)
    with open_site(settings, broker_url=redis_url, database_url=url) as site:
        yield site
