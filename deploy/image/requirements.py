"""Write what pyproject.toml asks for, with some of its extras: the image installs it before it sees the sources.

``python3 requirements.py pyproject.toml EXTRA,EXTRA…``; standard library only. An extra that is not there is left out
and said: an older release builds with the list of a newer one.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the requirements of a project with some of its extras."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    known = project.get("optional-dependencies", {})
    for extra in extras:
        if extra not in known:
            sys.stderr.write(f"There is no extra {extra!r} in {pyproject}: left out.\n")
    return [*project["dependencies"], *(one for extra in extras if extra in known for one in known[extra])]


if __name__ == "__main__":
    _, source, wanted = sys.argv
    sys.stdout.write("\n".join(requirements(Path(source), [extra for extra in wanted.split(",") if extra])) + "\n")
