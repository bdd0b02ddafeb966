"""Which kind of place keeps the runs: told by how it is written. May import sql."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import TypeAlias

from underbutler.errors import UsageError

from .shelf import Shelf

__all__ = ["Place", "open_shelf"]

Place: TypeAlias = str | PathLike[str] | Sequence[str | PathLike[str]] | Shelf
"""A URL, a folder, patterns of files, or what keeps runs itself."""


def open_shelf(place: Place) -> Shelf:
    """Return what keeps the runs of a place.

    Parameters
    ----------
    place
        ``sqlite:///…`` and ``postgresql…://…`` are databases, ``http://…`` and ``https://…`` servers; everything else
        is a folder, a file, or a pattern of files.

    Raises
    ------
    UsageError
        If there is no such place.
    """
    if isinstance(place, PathLike):
        place = fspath(place)
    if isinstance(place, str):
        return _open_url(place) if "://" in place else _open_files([place])
    if isinstance(place, Sequence):
        return _open_files([fspath(pattern) for pattern in place])
    return place


def _open_url(url: str) -> Shelf:
    scheme = url.partition("://")[0].partition("+")[0].lower()
    if scheme in {"http", "https"}:
        from .remote_shelf import RemoteShelf

        return RemoteShelf(url)
    if scheme in {"sqlite", "postgresql", "postgres"}:
        from .store import CatalogStore

        return CatalogStore.open(url)
    if scheme == "file":
        return _open_files([url.removeprefix("file://")])
    raise UsageError(
        f"No catalogue can be read from {scheme}://. Write the URL of a database (sqlite:///…, "
        "postgresql+psycopg://…), of a server (https://…/runs), or a folder of .jsonl and .msgpack files.",
        scheme=scheme,
    )


def _open_files(patterns: Sequence[str]) -> Shelf:
    from .files import RunFiles

    return RunFiles(patterns)
