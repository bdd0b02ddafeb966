"""Which files of runs there are in some folders, looked up again only where something may have changed."""

from __future__ import annotations

import fnmatch
import glob
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .file_forms import FORMS

__all__ = ["RunFolders"]

_SETTLED_NS: Final = 2_000_000_000
"""A folder that has changed so shortly ago may change again and have the same time of change."""

_SUFFIXES: Final = tuple(form.suffix for form in FORMS.values())


class RunFolders:
    """The files of folders and patterns.

    Parameters
    ----------
    patterns
        Folders, with those in them; files; patterns of file names.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns
        self._seen: dict[str, int | None] = {}

    def changed(self) -> bool:
        """Tell whether there may be other files than `files` has said last."""
        return not self._seen or any(stamp is None or _stamp(folder) != stamp for folder, stamp in self._seen.items())

    def files(self) -> set[str]:
        """Return the files that there are now."""
        now = time.time_ns()
        folders: dict[str, int | None] = {}
        found = {path for pattern in self._patterns for path in _files(pattern, folders)}
        self._seen = {
            folder: None if stamp is None or now - stamp < _SETTLED_NS else stamp for folder, stamp in folders.items()
        }
        return found


def _files(pattern: str, folders: dict[str, int | None]) -> Iterator[str]:
    """Yield the files of a pattern, and note when the folders changed in which more may appear; None: not known."""
    if Path(pattern).is_dir():
        for folder, _, names in os.walk(pattern):
            folders[folder] = _stamp(folder)
            yield from (f"{folder}/{name}" for name in names if _is_run(name))
        return
    folder, _, wanted = pattern.rpartition("/")
    if glob.has_magic(folder):
        folders[folder] = None
        yield from (str(path) for path in Path("/").glob(pattern.removeprefix("/")) if _is_run(path.name))
        return
    folders[folder] = _stamp(folder)
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    yield from (f"{folder}/{name}" for name in names if _is_run(name) and fnmatch.fnmatchcase(name, wanted))


def _stamp(folder: str) -> int | None:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return None


def _is_run(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not name.startswith(".")
