"""Names of tests are sentences that fit in one line of a report."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
MOST_CHARACTERS = 59


def names() -> list[tuple[str, str]]:
    return [
        (str(path.relative_to(TESTS)), node.name)
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]


def test_a_test_has_a_short_name() -> None:
    assert [found for found in names() if len(found[1]) > MOST_CHARACTERS] == []


def test_no_test_hides_another_of_its_module() -> None:
    assert [found for found, count in Counter(names()).items() if count > 1] == []
