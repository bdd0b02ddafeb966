"""Write what pyproject.toml asks for, with some of its extras: the image installs it before it sees the sources.

``python3 requirements.py pyproject.toml EXTRA,EXTRA… [client/pyproject.toml]``; standard library only. An extra that is
not there is left out and said: an older release builds with the list of a newer one.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

BESIDE = ("underbutler-client",)
"""Distributions whose sources are beside those of the project: what they need is read from their own file."""


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the requirements of a project with some of its extras."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    known = project.get("optional-dependencies", {})
    for extra in extras:
        if extra not in known:
            sys.stderr.write(f"There is no extra {extra!r} in {pyproject}: left out.\n")
    own = [one for one in project["dependencies"] if one not in BESIDE]
    return [*own, *(one for extra in extras if extra in known for one in known[extra])]


if __name__ == "__main__":
    _, source, wanted, *others = sys.argv
    found = requirements(Path(source), [extra for extra in wanted.split(",") if extra])
    for other in filter(Path.exists, map(Path, others)):  # an older release has none
        found += requirements(other, [])
    sys.stdout.write("\n".join(found) + "\n")
