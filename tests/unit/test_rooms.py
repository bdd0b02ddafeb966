"""Rooms stay small enough to be looked through, and each says what it holds."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("underbutler", "workers", "tasks", "beat")

MOST_MODULES = 25
MOST_TEST_MODULES = 50
MOST_LINES = 400


def modules(*folders: str) -> list[Path]:
    return [path.relative_to(ROOT) for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def crowded(paths: list[Path], most: int) -> dict[Path, int]:
    counts = Counter(path.parent for path in paths if path.name != "__init__.py")
    return {folder: count for folder, count in counts.items() if count > most}


def test_no_room_holds_more_modules_than_can_be_overlooked() -> None:
    assert crowded(modules(*PRODUCT), MOST_MODULES) == {}
    assert crowded(modules("tests"), MOST_TEST_MODULES) == {}


def test_each_room_says_in_one_sentence_what_it_holds() -> None:
    silent = []
    for path in modules(*PRODUCT):
        if path.name == "__init__.py" and "versions" not in path.parts:
            said = ast.get_docstring(ast.parse((ROOT / path).read_text())) or ""
            if not said.partition("\n")[0].endswith("."):
                silent.append(path)
    assert silent == []


def test_every_folder_of_modules_is_a_room() -> None:
    folders = {path.parent for path in modules(*PRODUCT)} - {Path("underbutler/migrations/versions")}
    assert {folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()} == set()


def test_no_module_is_too_long_to_be_read_at_once() -> None:
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in modules(*PRODUCT)}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}
