"""The pages that a reader follows: their blocks run from top to bottom, and say what the page says they do."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.support.catalog.night import night
from tests.support.command_line import CommandLine
from tests.support.executed_page import ExecutedPage

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Sit down in an empty folder, at a terminal of 100 columns; what is exported there ends with the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("UNDERBUTLER_HOME", str(tmp_path / "home"))
    return CommandLine(capsys)


def test_every_block_on_reading_a_run_does_as_said(reader: CommandLine, tmp_path: Path) -> None:
    night(tmp_path / ".demo", side=256)
    in_files = {"serve": ["--root", ".demo"]}  # the images of this night are files, and not in the annex
    assert ExecutedPage(DOCS / "howto" / "read-a-run.md", reader, tmp_path, in_files).run() >= 15
    for name in ("processCcd-b2063b52-fwhm.png", "sources.png", "frame.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_every_block_of_tutorial_and_debugging_does_as_said(reader: CommandLine, tmp_path: Path) -> None:
    page = ExecutedPage(DOCS / "tutorial.md", reader, tmp_path)
    assert {language for language, _ in page.blocks} == {"python", "console", "text"}
    assert page.run() >= 11
    for name in ("fwhm", "frame"):
        shown = DOCS / "images" / f"tutorial-{name}.png"
        with Image.open(tmp_path / f"{name}.png") as made, Image.open(shown) as picture:
            assert made.size == picture.size, "the page shows a picture of another form"
    assert ExecutedPage(DOCS / "howto" / "debug-a-target.md", reader, tmp_path).run() == 1, "of the tutorial's night"
