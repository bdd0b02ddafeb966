"""Names of a package that load at their first use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

__all__ = ["lazy_names"]


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package whose names live in modules that are imported on demand.

    A module may not have the name of one that it holds: once imported it would stand in its place.

    Parameters
    ----------
    package
        The package's ``__name__``.
    homes
        Module of each name; one that begins with a dot is relative to the package.
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name], package), name)

    def names() -> list[str]:
        return sorted(homes)

    return load, names
