"""What a page names exists: files, folders, links, targets of make, commands."""

from __future__ import annotations

import re
from pathlib import Path

import click
import grimp
import pytest

from underbutler.cli.main import group

ROOT = Path(__file__).parents[3]
FOLDERS = "beat|benchmarks|constraints|deploy|docs|examples|tasks|tests|underbutler|workers|\\.ci"
HISTORY = ("CHANGELOG.md",)


def is_made(page: Path) -> bool:
    """Whether a page is one of those that the build makes."""
    return page.is_relative_to(ROOT / "docs" / "reference") and page.parent != ROOT / "docs" / "reference"


PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if page.name not in HISTORY and "_build" not in page.parts and not is_made(page)
)


def of_commands(text: str) -> list[tuple[str, ...]]:
    """Return the first two words after ``underbutler`` in blocks and in code."""
    lines = re.findall(r"^(?: {4}|\$ )(?:\.venv/bin/)?underbutler ([a-z].*)$", text, re.MULTILINE)
    lines += re.findall(r"`underbutler ([a-z][^`]*)`", text)
    return [tuple(line.split()[:2]) for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_links_and_make_targets_of_a_page_exist(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text):
        assert (ROOT / name).exists() or name.startswith("docs/_build"), name
    for link in re.findall(r"\]\(((?!https?:|#)[^)#\s]+)", text):
        target = (page.parent / link).resolve()
        assert target.exists() or is_made(target), link
    known = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", text, re.MULTILINE)) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_exist(page: Path) -> None:
    context = click.Context(group)
    for name, *more in of_commands(page.read_text()):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group) and more and re.fullmatch(r"[a-z-]+", more[0]):
            known = command.get_command(click.Context(command), more[0])
            assert known is not None or command.invoke_without_command, f"{name} {more[0]}"


def test_the_readme_is_short_and_sends_people_to_the_pages() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 200
    for page in ("tutorial.md", "howto/index.md", "explanations/architecture.md", "reference/settings.md"):
        assert f"(docs/{page})" in text


def test_the_way_of_a_datum_runs_one_direction() -> None:
    """No file that a step begins with imports that of an earlier step outside its own room."""
    text = (ROOT / "docs" / "explanations" / "architecture.md").read_text()
    steps = re.findall(r"^\d+\. [^`]*`([\w/]+)\.py`", text, re.MULTILINE)
    assert len(steps) >= 15
    modules = [step.replace("/", ".") for step in steps]
    graph = grimp.build_graph(
        "underbutler", "workers", "tasks", "beat", exclude_type_checking_imports=True, cache_dir=None
    )
    back = [
        f"{later} imports {earlier}"
        for number, later in enumerate(modules)
        for earlier in modules[:number]
        if graph.direct_import_exists(importer=later, imported=earlier)
        and later.rpartition(".")[0] != earlier.rpartition(".")[0]
    ]
    assert not back, back
