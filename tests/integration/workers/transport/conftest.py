"""Settings of an empty Redis database, and what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.transport_site import Store
from underbutler.settings import Settings


@pytest.fixture
def site(settings: Settings, redis_url: str) -> Settings:
    return settings.model_copy(update={"broker_url": redis_url})


@pytest.fixture
def store(site: Settings) -> Iterator[Store]:
    opened = Store(site)
    yield opened
    opened.client.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where workers write what they have done."""
    made = tmp_path / "said"
    made.mkdir()
    return made
