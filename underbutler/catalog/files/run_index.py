"""What the files of ended runs begin and end with, kept from one process to the next.

Of a folder that was opened before, each file's times of change and size are then all that is looked at. It is a cache
in the home folder: it may be removed at any time, and where it cannot be written there is none.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgpack
import structlog

from underbutler.settings import default_home

__all__ = ["INDEX_FROM", "Ended", "RunIndex", "Stamp"]

log = structlog.get_logger(__name__)

INDEX_FROM: Final = 500
"""Fewer new files than this are looked at as quickly without an index, and none is written for them."""

_FORM: Final = "underbutler-run-index-2"
_SETTLED_NS: Final = 2_000_000_000
"""A file that has changed so shortly ago may change again and have the same times."""

Stamp = tuple[int, int, int]
"""Time of modification and of change, in nanoseconds since 1970 UTC, and size in bytes."""


class Ended(NamedTuple):
    """The file of a run that has ended."""

    stamp: Stamp
    start: Mapping[str, Any]
    stop: Mapping[str, Any]


class RunIndex:
    """The index of some folders.

    Parameters
    ----------
    patterns
        Where the files are.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = list(patterns)

    @property
    def path(self) -> Path:
        """The file that it is kept in."""
        name = hashlib.sha256("\n".join(self._patterns).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return default_home() / "cache" / f"runs-{name}.msgpack"

    def read(self) -> dict[str, Ended]:
        """Return what is known of files, by path; nothing where there is no index, or none that can be read."""
        try:
            unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="surrogateescape")
            unpacker.feed(self.path.read_bytes())
            if next(unpacker, None) != [_FORM, *self._patterns]:
                return {}
            return {
                path: Ended((modified, changed, size), *ends)
                for entries in unpacker
                for path, modified, changed, size, *ends in entries
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
            log.warning("run_index_skipped", path=str(self.path), reason=str(error))
            return {}

    def write(self, ended: Iterable[tuple[str, Ended]]) -> None:
        """Keep what is known of files, but of those that have just changed.

        Parameters
        ----------
        ended
            Files, by path.
        """
        before = time.time_ns() - _SETTLED_NS
        packer = msgpack.Packer(strict_types=True, unicode_errors="surrogateescape")
        entries = [[path, *stamp, start, stop] for path, (stamp, start, stop) in ended if max(stamp[:2]) < before]
        parts = [packer.pack([_FORM, *self._patterns]), *_packed(packer, entries)]
        try:
            _replace(self.path, b"".join(parts))
        except OSError as error:
            log.info("run_index_not_kept", path=str(self.path), reason=str(error))


def _packed(packer: msgpack.Packer, entries: Sequence[Any]) -> list[bytes]:
    """Pack entries at once, which is quickest; where that cannot be, those that can.

    Arrays, numbers of more than 64 bits and broken texts cannot: such a file is read every time.
    """
    try:
        return [packer.pack(entries)]
    except (TypeError, ValueError, OverflowError):
        packer.reset()
    middle = len(entries) // 2
    return [*_packed(packer, entries[:middle]), *_packed(packer, entries[middle:])] if middle else []


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step, for its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
