"""``underbutler runs`` on the records of a night: fixtures of the modules that type its commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.catalog.night import night
from tests.support.command_line import CommandLine, Said

__all__ = ["night_folder", "night_place", "underbutler_command"]


@pytest.fixture(scope="module", name="folder")
def night_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the records of a night, only to be read."""
    made = tmp_path_factory.mktemp("night")
    night(made)
    return made


@pytest.fixture(scope="module", name="place")
def night_place(folder: Path) -> str:
    """Return the URL of the records of the night."""
    return f"sqlite:///{folder / 'records.db'}"


@pytest.fixture(name="underbutler")
def underbutler_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Said]:
    """Return the command line, in an empty folder and a wide terminal."""
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys)
