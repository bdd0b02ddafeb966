"""Write the constraints: every package that an installation for development has, with the hashes of its files.

``.venv/bin/python constraints/compile.py`` resolves pyproject.toml with all its extras for each Python that CI knows,
and once with the lowest releases of the direct dependencies. ``--keep`` changes only what pyproject.toml does not allow
any more; otherwise everything becomes as new as it can be. No interpreter but this one has to be installed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHONS = ("3.11", "3.12", "3.13")
"""Each has a file of its own: what the newest one allows, the oldest does not."""
LOWEST_FOR = "3.11"
"""Where the lowest direct dependencies are tried: for newer ones, many of these releases have no files."""
BUILD = ("hatchling", "editables")
"""What builds our editable installation. pip does not fetch it by itself, because it would not compare its hashes."""


def compiled(target: Path, python: str, *words: str, keep: bool = False) -> None:
    """Write one file of constraints."""
    # --no-config and the public index: what is known to this machine alone is in no other one's reach.
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--python-version", python]
    command += ["--generate-hashes", "--no-header", "--annotation-style", "line", *words]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "constraints.txt"
        if keep and target.exists():
            shutil.copy(target, made)
        # Ours is beside us, and has no file with a hash.
        command += ["--all-extras", "--no-emit-package", "underbutler-client", "--output-file", str(made)]
        command += ["pyproject.toml", "client/pyproject.toml", "-"]
        subprocess.run(command, cwd=HERE.parent, check=True, input="\n".join(BUILD), text=True)
        lines = [line for line in made.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    target.write_text("\n".join(["# Made by constraints/compile.py.", *lines]) + "\n", encoding="utf-8")
    sys.stdout.write(f"{target.relative_to(HERE.parent)}\n")


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="change only what pyproject.toml does not allow any more")
    keep = parser.parse_args().keep
    for python in PYTHONS:
        compiled(HERE / f"py{python.replace('.', '')}.txt", python, keep=keep)
    compiled(HERE / "lowest.txt", LOWEST_FOR, "--resolution", "lowest-direct", keep=keep)


if __name__ == "__main__":
    main()
