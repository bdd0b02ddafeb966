"""What the README shows is what stands in the examples, and it runs."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.stack.site import NIGHT_ID, Site

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


def environment_with(project: Path, folder: Path) -> Path:
    """Make a virtual environment with all of this one's packages and one project more; return its Python."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    outer = sysconfig.get_paths()["purelib"]
    (site / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*install, str(project)], check=True, timeout=120)
    return python


def test_the_task_of_the_readme_runs_once_it_is_installed(site: Site, tmp_path: Path) -> None:
    """A second distribution in a temporary environment: nothing of ours is touched."""
    python = environment_with(EXAMPLE, tmp_path / "env")
    program = [str(python), "-c", "from underbutler.cli import main; main()", "--home", str(site.stack.home)]
    listed = subprocess.run([*program, "tasks"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "List the brightest pixels of a raw frame." in listed
    command = ["run", "brightest", "demo", *NIGHT_ID, "-c", "number=3", "-o", "u/tester/brightest"]
    subprocess.run([*program, *command], check=True, timeout=120)
    with site.context.repositories.butler("demo", collections=["u/tester/brightest"]) as butler:
        tables = [butler.get(ref) for ref in butler.query_datasets("brightest")]
    assert [len(table["x"]) for table in tables] == [3, 3]
    assert "brightest" not in site.run("tasks").out, "this environment has it not"


def test_every_command_of_the_readme_has_help_with_examples(site: Site) -> None:
    text = (ROOT / "README.md").read_text()
    names = set(re.findall(r"^ +(?:\.venv/bin/)?underbutler (\w+)", text, re.MULTILINE))
    assert {"up", "repo", "ingest", "tasks", "submit", "run", "status", "watch"} <= names
    for name in names:
        done = site.run(name, "--help")
        assert done.code == 0, name
        assert "Examples" in done.out or name == "repo", name
