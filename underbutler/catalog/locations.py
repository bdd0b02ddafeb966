"""Which kind of place keeps the runs: told by how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from underbutler.errors import UsageError

from .run_store import RunStore

__all__ = ["Place", "open_shelf"]

Place: TypeAlias = str | PathLike[str] | Sequence[str | PathLike[str]] | RunStore
"""A URL, a folder, patterns of files, or what keeps runs itself."""


_CURE = (
    "Write the URL of a database (sqlite:///…, postgresql+psycopg://…), of a server (https://…/runs), or a folder of "
    ".jsonl and .msgpack files."
)


def open_shelf(place: Place) -> RunStore:
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
    if isinstance(place, str) and not place.strip():
        raise UsageError(f"No place of runs is given. {_CURE}")
    if isinstance(place, str):
        return _open_url(place) if "://" in place else _open_files([place])
    if isinstance(place, Sequence):
        patterns = [fspath(pattern) for pattern in place]
        if not all(pattern.strip() for pattern in patterns) or not patterns:
            raise UsageError(f"No place of runs is given. {_CURE}")
        return _open_files(patterns)
    if not hasattr(place, "headers"):
        raise UsageError(f"No runs can be kept in an object of type {type(place).__name__}. {_CURE}")
    return place


def _open_url(url: str) -> RunStore:
    scheme = url.partition("://")[0].partition("+")[0].lower()
    if scheme in {"http", "https"}:
        from .remote.run_store import RemoteShelf

        return RemoteShelf(url)
    if scheme in {"sqlite", "postgresql", "postgres"}:
        from .database.store import CatalogStore

        return CatalogStore.open(url)
    if scheme == "file":
        return _open_files([url.removeprefix("file://")])
    raise UsageError(f"No catalogue can be read from {scheme}://. {_CURE}", scheme=scheme)


def _open_files(patterns: Sequence[str]) -> RunStore:
    from .files.file_forms import FORMS
    from .files.run_store import RunFiles

    for pattern in patterns:
        path = Path(pattern)
        if path.suffix.removeprefix(".") not in FORMS and path.is_file():
            as_database = f" It is a database: write sqlite:///{path.absolute()}." if _is_sqlite(path) else ""
            raise UsageError(f"{pattern} is not a file of a run.{as_database} {_CURE}", path=pattern)
    return RunFiles(patterns)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
