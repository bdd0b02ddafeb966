"""The packages that CI installs fit what pyproject.toml asks for, and each is named by its version and its files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CLIENT = tomllib.loads((ROOT / "client/pyproject.toml").read_text(encoding="utf-8"))["project"]
FILES = {path.stem: path for path in sorted((ROOT / "constraints").glob("*.txt"))}
CURE = "Run `.venv/bin/python constraints/compile.py --keep`."


def requirements() -> Iterator[Requirement]:
    for words in [
        *PROJECT["dependencies"],
        *CLIENT["dependencies"],
        *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
    ]:
        requirement = Requirement(words)
        if requirement.name not in {PROJECT["name"], CLIENT["name"]}:
            yield requirement


def pinned(name: str) -> dict[str, Version]:
    found = re.findall(r"^([^\s#]+)==(\S+)", FILES[name].read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(package): Version(version) for package, version in found}


def test_each_python_that_pyproject_names_has_its_file() -> None:
    named = re.findall(r"Python :: (\d\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert sorted(FILES) == sorted(["lowest", *(f"py{python.replace('.', '')}" for python in named)])


@pytest.mark.parametrize("name", FILES)
def test_what_is_pinned_is_what_pyproject_asks_for(name: str) -> None:
    versions = pinned(name)
    wrong = [
        f"{one} (pinned: {versions.get(canonicalize_name(one.name))})"
        for one in requirements()
        if not one.specifier.contains(versions.get(canonicalize_name(one.name), Version("0a0")), prereleases=False)
    ]
    assert not wrong, f"constraints/{name}.txt does not fit: {'; '.join(wrong)}. {CURE}"


@pytest.mark.parametrize("name", FILES)
def test_every_package_has_hashes_and_no_place_of_its_own(name: str) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    for package in re.split(r"\n(?=\S)", text.partition("\n")[2].rstrip()):
        first, *others = package.splitlines()
        assert re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.+]+ \\", first)
        assert any(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in others), first
        assert all(line.startswith(("    --hash=sha256:", "    # via ")) for line in others), first


def test_the_lowest_dependencies_are_lower_than_others() -> None:
    lowest, usual = pinned("lowest"), pinned("py311")
    direct = {canonicalize_name(one.name) for one in requirements()}
    assert all(lowest[name] <= usual[name] for name in direct)
    assert sum(lowest[name] < usual[name] for name in direct) > len(direct) / 2
