"""``underbutler runs serve`` where another listens."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.catalog.night import night
from tests.support.command_line import CommandLine, Said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the records of a night, only to be read."""
    made = tmp_path_factory.mktemp("night")
    night(made)
    return made


@pytest.fixture(scope="module")
def place(folder: Path) -> str:
    return f"sqlite:///{folder / 'records.db'}"


@pytest.fixture
def underbutler(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Said]:
    """Return the command line, in an empty folder and a wide terminal."""
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys)


def test_a_port_that_is_taken_is_refused(underbutler: Any, place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = underbutler("runs", "serve", "--port", taken.getsockname()[1], "--catalog", place)
    assert answer.code == 2
    assert "--port 0" in answer.err
