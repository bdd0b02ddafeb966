"""A simulated night of two detectors in a repository: made once, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from underbutler.butlers import Repositories, create_repository, ingest_files
from underbutler.settings import load_settings
from underbutler.testing.night import Night, simulate_night


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return simulate_night(
        tmp_path_factory.mktemp("night"),
        n_bias=4,
        n_flat=6,
        n_science=2,
        n_dark=3,
        shape=(128, 160),
        filters=("g", "r"),
    )


@pytest.fixture(scope="session")
def ingested(night: Night, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the night's frames and nothing else, to be copied."""
    folder = tmp_path_factory.mktemp("ingested")
    repositories = Repositories(load_settings(home=folder / "home", user="tester"))
    create_repository(folder / "repo", "sim", repositories.settings)
    report = ingest_files(repositories, "sim", night.files)
    assert not report.failed
    repositories.close()
    return folder / "repo"


@pytest.fixture
def site(ingested: Path, tmp_path: Path) -> Iterator[Repositories]:
    shutil.copytree(ingested, tmp_path / "repo")
    settings = load_settings(home=tmp_path / "home", user="tester")
    repositories = Repositories(settings)
    repositories.index.add("sim", str(tmp_path / "repo"))
    yield repositories
    repositories.close()
