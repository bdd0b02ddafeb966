"""A repository of three frames, and a submitter of jobs on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.submission_place import FRAMES, Place
from underbutler.migrations import upgrade
from underbutler.settings import Settings


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository of three frames of the sky on SQLite; return the index that has it."""
    from underbutler.butlers import Repositories, create_repository, ingest_files
    from underbutler.testing.night import simulate_night

    folder = tmp_path_factory.mktemp("submitted")
    settings = Settings(_env_file=None, home=folder)
    with Repositories(settings) as repositories:
        create_repository(folder / "repo", "demo", settings)
        night = simulate_night(folder / "night", n_bias=0, n_flat=0, n_science=FRAMES, shape=(64, 64), seed=3)
        ingest_files(repositories, "demo", night.files, transfer="direct")
    return Path(settings.index_uri)


@pytest.fixture
def place(settings: Settings, repository: Path, redis_url: str) -> Iterator[Place]:
    """Submit with records on SQLite."""
    settings = settings.model_copy(update={"broker_url": redis_url, "repository_index": str(repository)})
    upgrade(settings.records_url)
    place = Place(settings)
    yield place
    place.context.close()
