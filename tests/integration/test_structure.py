"""How the project is built is counted, and no module imports itself round a corner."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "structure.py"

TWICE = "\n".join(f"    number_{n} = {n}" for n in range(6)) + "\n"
SETTINGS = """\
class Settings:
    queue: str = "q"
    home: str = _alias("HOME", "OTHER_HOME")
    told: int
"""
STORE = """\
from .base import Base


class Store(Base):
    def two(self): ...
    def three(self): ...
    @property
    def size(self): ...


def there():
    other = 1
"""
FILES = {
    "underbutler/__init__.py": "",
    "underbutler/settings.py": SETTINGS,
    "underbutler/room/__init__.py": "",
    "underbutler/room/first.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from .second import two\n",
    "underbutler/room/second.py": "def two():\n    from underbutler.room import third\n",
    "underbutler/room/third.py": '"""Words."""\n\nfrom underbutler.room.first import one  # a comment\n',
    "underbutler/room/alone.py": "from .first import one\n\n\ndef here():\n" + TWICE,
    "workers/base.py": "class Base:\n    def one(self): ...\n    def two(self): ...\n    def _own(self): ...\n",
    "workers/store.py": STORE + TWICE,
    "README.md": "Set `UNDERBUTLER_QUEUE`.",
    "docs/page.md": "Or `OTHER_HOME`.",
}


def figures_of(root: Path) -> list[str]:
    done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "line",
    [
        "product: 9 modules, 45 lines",
        "4 underbutler/room",
        "3 workers.store.Store",
        "3 underbutler.room.first, underbutler.room.second, underbutler.room.third",
        "modules in circles: 3 in 1 circles",
        "pairs of 6 or more equal lines of code, product: 1, 6 lines",
        "lines with a comment, product: 1 (2.22%)",
        "settings: 3, in a page of docs or README: 2",
        "settings that no page names: told",
    ],
)
def test_a_small_project_is_counted_as_by_hand(small: list[str], line: str) -> None:
    assert line in small


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("small")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return figures_of(root)


def test_no_module_imports_itself_round_a_corner() -> None:
    """Neither at the top, nor for types only, nor in a function."""
    figures = figures_of(ROOT)
    assert "modules in circles: 0 in 0 circles" in figures, "\n".join(figures)
