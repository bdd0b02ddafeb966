"""Which files of a folder do not change any more, and have not been taken."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .whole_files import is_frame_name

__all__ = ["FileState", "Settling", "frame_files"]


class FileState(NamedTuple):
    """What tells a file from another one, and from itself after a change. Its name is not of it: renames are fine."""

    device: int
    inode: int
    size: int
    changed_ns: int


@dataclass(slots=True)
class _Seen:
    state: FileState
    since: float
    asked: bool = False


def frame_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and below that have a frame's name; hidden folders are left aside."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if is_frame_name(name):
                yield Path(parent, name)


class Settling:
    """Files that are looked at until they are still.

    Parameters
    ----------
    still_s
        A file is still when size and time of change have been the same for so many seconds.
    """

    def __init__(self, still_s: float) -> None:
        self._still_s = still_s
        self._seen: dict[Path, _Seen] = {}
        self._done: set[FileState] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def notice(self, paths: Iterable[Path], now: float) -> None:
        """Look at files from now on, unless they were done with as they are."""
        for path in paths:
            if path not in self._seen and (state := _state(path)) is not None and state not in self._done:
                self._seen[path] = _Seen(state, now)

    def still(self, now: float) -> list[Path]:
        """Return the files that are still, in the order in which they became so.

        Parameters
        ----------
        now
            Seconds of a clock that does not jump.
        """
        found = []
        for path, seen in list(self._seen.items()):
            state = _state(path)
            if state is None or state in self._done:  # moved away, or another name of what is done
                del self._seen[path]
            elif state != seen.state:
                self._seen[path] = _Seen(state, now)
            elif not seen.asked and now - seen.since >= self._still_s:
                found.append((seen.since, path))
        return [path for _, path in sorted(found)]

    def unfit(self, path: Path) -> None:
        """Do not return a file again as it is now: it is looked at, and returned when it is still after a change."""
        if path in self._seen:
            self._seen[path].asked = True

    def again(self, path: Path, at: float) -> None:
        """Return a file again at that time, if it is still the same then."""
        if path in self._seen:
            self._seen[path].since = at - self._still_s

    def unfit_since(self, before: float) -> list[Path]:
        """Return the files that are unfit, and were last seen to change before a time."""
        return [path for path, seen in self._seen.items() if seen.asked and seen.since < before]

    def done(self, path: Path) -> None:
        """Forget a file as it is now: it is looked at again only after a change."""
        seen = self._seen.pop(path, None)
        if seen is not None:
            self._done.add(seen.state)


def _state(path: Path) -> FileState | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
