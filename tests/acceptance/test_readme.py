"""What the README shows is what stands in the examples, and it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from site_stack import NIGHT_ID, Site

pytestmark = pytest.mark.xdist_group("site")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "brightest"


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_task_of_the_readme_is_the_one_in_the_examples() -> None:
    (code,) = blocks("python")
    assert code == (EXAMPLE / "brightest.py").read_text()
    (entry,) = blocks("toml")
    assert entry in (EXAMPLE / "pyproject.toml").read_text()
    lines = [line for line in code.splitlines() if line and not line.startswith(('"""', "import", "from"))]
    assert len(lines) <= 20


def test_the_task_of_the_readme_installs_and_runs(site: Site, tmp_path: Path) -> None:
    """Its distribution is installed into a folder of its own; `underbutler tasks` and `run` find it there."""
    packages = tmp_path / "packages"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*install, str(packages), str(EXAMPLE)], check=True, timeout=120)
    path = {"PYTHONPATH": os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")])}
    assert "brightest" in site.run("tasks", env=path).out
    done = site.run("run", "brightest", "demo", *NIGHT_ID, "-c", "number=3", "-o", "u/tester/brightest", env=path)
    assert done.code == 0, done.err
    with site.context.repositories.butler("demo", collections=["u/tester/brightest"]) as butler:
        tables = [butler.get(ref) for ref in butler.query_datasets("brightest")]
    assert [len(table["x"]) for table in tables] == [3, 3]


def test_every_command_that_the_readme_names_has_help_with_examples(site: Site) -> None:
    text = (ROOT / "README.md").read_text()
    names = set(re.findall(r"^ +(?:\.venv/bin/)?underbutler (\w+)", text, re.MULTILINE))
    assert {"up", "repo", "ingest", "tasks", "submit", "run", "status", "watch"} <= names
    for name in names:
        done = site.run(name, "--help")
        assert done.code == 0, name
        assert "Examples" in done.out or name == "repo", name
