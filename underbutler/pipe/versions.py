"""Versions of the packages that a job ran with: of every distribution whose modules are imported, and of Python."""

from __future__ import annotations

import functools
import platform
import sys
from collections.abc import Mapping
from importlib import metadata

from underbutler.version import __version__

__all__ = ["common_differences", "package_versions"]


def package_versions() -> dict[str, str]:
    """Return distribution names and versions, sorted; ``python`` is among them.

    Only what is imported counts: a package that is merely installed has no influence on a result.
    """
    owners = _distributions_by_package()
    packages = {name.partition(".")[0] for name in sys.modules}
    names = {name for package in packages for name in owners.get(package, ())}
    versions = {"python": platform.python_version(), "underbutler": __version__}
    for name in names:
        try:
            versions[name.lower()] = metadata.version(name)
        except metadata.PackageNotFoundError:  # uninstalled while this process runs
            continue
    return dict(sorted(versions.items()))


def common_differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the packages that both sides have in another version: name, old and new version."""
    return [(name, old[name], new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]


@functools.cache
def _distributions_by_package() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
