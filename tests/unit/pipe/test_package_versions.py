"""The versions that a job is recorded with."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import sqlalchemy

from underbutler.pipe import versions
from underbutler.pipe.versions import package_versions


def test_they_are_those_that_importlib_finds() -> None:
    owners = metadata.packages_distributions()
    imported = {name.partition(".")[0] for name in sys.modules}
    names = {owner for package in imported & owners.keys() for owner in owners[package]}
    found = package_versions()
    assert {name.lower(): metadata.version(name) for name in names}.items() <= found.items()
    assert found["python"] == platform.python_version()
    assert found["sqlalchemy"] == sqlalchemy.__version__


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    versions._owners_of_packages.cache_clear()
    yield tmp_path
    versions._owners_of_packages.cache_clear()


def test_each_way_of_saying_what_a_distribution_brings_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version, says in (
        ("Declares-It", "1.0", {"top_level.txt": "declared\n"}),
        ("records", "2.0+local", {"RECORD": 'recorded/__init__.py,sha256=x,1\n"single,odd.py",,\n'}),
        ("compiled", "3.1", {"RECORD": "fast.cpython-311-x86_64-linux-gnu.so,sha256=x,1\n"}),
        ("installed-only", "4.0", {"top_level.txt": "never_imported\n"}),
    ):
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: other\n")
        for file, text in says.items():
            (info / file).write_text(text)
    (folder / "removed-1.0.dist-info").mkdir()
    for module in ("declared", "recorded", "fast"):
        monkeypatch.setitem(sys.modules, module, sys)
    found = package_versions()
    assert {name: found.get(name) for name in ("declares-it", "records", "compiled", "installed-only")} == {
        "declares-it": "1.0",
        "records": "2.0+local",
        "compiled": "3.1",
        "installed-only": None,
    }
