"""Versions of the packages that a job ran with: of every distribution whose modules are imported, and of Python."""

from __future__ import annotations

import functools
import platform
import re
import sys
from collections.abc import Mapping
from importlib import metadata

from underbutler.version import __version__

__all__ = ["common_differences", "package_versions"]


def package_versions() -> dict[str, str]:
    """Return distribution names and versions, sorted; ``python`` is among them.

    Only what is imported counts: a package that is merely installed has no influence on a result.
    """
    owners = _owners_of_packages()
    packages = {name.partition(".")[0] for name in sys.modules}
    versions = {"python": platform.python_version(), "underbutler": __version__}
    for package in packages & owners.keys():
        versions |= owners[package]
    return dict(sorted(versions.items()))


def common_differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the packages that both sides have in another version: name, old and new version."""
    return [(name, old[name], new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]


@functools.cache
def _owners_of_packages() -> Mapping[str, Mapping[str, str]]:
    """Return, of every package that could be imported, the distributions that bring it, and their versions.

    What `importlib.metadata.packages_distributions` finds. That looks whether each file of each distribution exists and
    parses every description, which takes most of a second.
    """
    owners: dict[str, dict[str, str]] = {}
    for one in metadata.distributions():
        text = one.read_text("METADATA") or one.read_text("PKG-INFO") or ""
        head = dict(_NAME_AND_VERSION.findall(text.partition("\n\n")[0]))
        if len(head) < 2:
            continue  # what is left of one that was removed
        declared = (one.read_text("top_level.txt") or "").split()
        for package in declared or _packages_of(one.read_text("RECORD") or ""):
            owners.setdefault(package, {}).setdefault(head["Name"].lower(), head["Version"])
    return owners


_NAME_AND_VERSION = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE)


def _packages_of(record: str) -> set[str]:
    """Return the packages and modules at the top of a RECORD: a line is a path, a digest and a size."""
    paths = (line.rpartition(",")[0].rpartition(",")[0].strip('"') for line in record.splitlines())
    return {path.partition("/")[0].partition(".")[0] for path in paths if path.endswith((".py", ".so"))}
