"""Folders of runs as files, one file each: opened, searched, read."""

from __future__ import annotations

import gc
import glob
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from underbutler.catalog.query.limits import SEARCH_S, too_slow
from underbutler.catalog.query.matching import predicate
from underbutler.catalog.query.questions import parse
from underbutler.catalog.run_store import RunHeader
from underbutler.catalog.source import RunSource
from underbutler.errors import UnknownNameError, UsageError

from .document_source import FileSource, RunInMemory
from .file_forms import UnreadableRunFileError, form_of, read_documents
from .folders import RunFolders
from .run_index import INDEX_FROM, Ended, RunIndex, Stamp

__all__ = ["RunFiles"]

log = structlog.get_logger(__name__)

_KEPT_RUNS: Final = 4
"""So many runs' documents stay in memory."""

_BATCH: Final = 20_000
"""So many files are looked at while Python's collector of garbage rests."""

_Stamp = tuple[int, int]
"""Time of modification and size."""


class _Seen(NamedTuple):
    """What a file held when it was looked at."""

    stamp: Stamp
    header: RunHeader | None

    @property
    def is_final(self) -> bool:
        return self.header is not None and self.header.stop is not None


class RunFiles:
    """The runs of folders. They are only read.

    A folder is listed again when it has changed, and a file is looked at again as long as its run has not ended.

    Parameters
    ----------
    patterns
        Folders, of which all ``*.jsonl`` and ``*.msgpack`` files are taken, also of folders in them; files; patterns
        such as ``/data/2026-*/*.msgpack``.

    Raises
    ------
    UsageError
        If a folder or file does not exist.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [str(Path(pattern).expanduser().absolute()) for pattern in patterns]
        for pattern in self._patterns:
            kept_in = Path(pattern).parent if glob.has_magic(Path(pattern).name) else Path(pattern)
            if not glob.has_magic(str(kept_in)) and not kept_in.exists():
                raise UsageError(
                    f"There is no folder or file {kept_in}. Write where runs are kept: a folder of .jsonl or .msgpack "
                    "files, the URL of a database, or that of a server.",
                    path=pattern,
                )
        self._folders = RunFolders(self._patterns)
        self._index = RunIndex(self._patterns)
        self._seen: dict[str, _Seen] = {}
        self._open: set[str] = set()
        self._newest: list[RunHeader] = []
        self._path_of: dict[str, str] = {}
        self._runs: OrderedDict[str, tuple[_Stamp, RunInMemory]] = OrderedDict()
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple[Any, ...]:
        return RunFiles, (self._patterns,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._patterns!r})"

    @property
    def place(self) -> str:
        """The folders and patterns."""
        return ", ".join(self._patterns)

    def count(self, query: Mapping[str, Any]) -> int:
        """Return how many runs a query finds.

        Raises
        ------
        QueryError
            If it cannot be asked.
        """
        return sum(1 for _ in self.headers(query))

    def headers(self, query: Mapping[str, Any], *, skip: int = 0, limit: int | None = None) -> Iterator[RunHeader]:
        """Yield the runs that a query finds, newest first.

        Raises
        ------
        QueryError
            If it cannot be asked.
        """
        asked = predicate(parse(query))
        end = time.monotonic() + SEARCH_S
        for header in self._current():
            if time.monotonic() > end:
                raise too_slow()
            if limit is not None and limit <= 0:
                return
            if not asked(header.start, header.stop):
                continue
            if skip > 0:
                skip -= 1
                continue
            limit = None if limit is None else limit - 1
            yield header
            end = time.monotonic() + SEARCH_S  # what its reader does with a run is no part of the search

    def source(self, header: RunHeader) -> RunSource:
        """Return what reads a run that `headers` gave. Its events are loaded when they are first asked for.

        Raises
        ------
        UnknownNameError
            If there is no such run any more (also a `KeyError`).
        """
        if header.uid not in self._path_of:
            self._current()
        if header.uid not in self._path_of:
            raise UnknownNameError(f"There is no run {header.uid!r} in {self.place} any more.", uid=header.uid)
        return FileSource(header, partial(self.load, self._path_of[header.uid]))

    def load(self, path: str) -> RunInMemory:
        """Return the documents of a file, as they are now.

        Raises
        ------
        UnreadableRunFileError
            If it does not hold those of a run.
        UsageError
            If it is gone.
        """
        try:
            stamp = _stamp(path)
            with self._lock:
                known = self._runs.pop(path, None)
                if known is None or known[0] != stamp:
                    known = stamp, RunInMemory(read_documents(path))
                self._runs[path] = known
                if len(self._runs) > _KEPT_RUNS:
                    self._runs.popitem(last=False)
                return known[1]
        except FileNotFoundError as error:
            raise UsageError(f"The file {path} of a run is gone. Look the run up again.", path=path) from error

    def _current(self) -> list[RunHeader]:
        """Return the runs that there are now, newest first."""
        with self._lock:
            if self._refresh():
                self._path_of = {}
                found: list[RunHeader] = []
                for path in sorted(self._seen):
                    header = self._seen[path].header
                    if header is not None and header.uid not in self._path_of:
                        self._path_of[header.uid] = path
                        found.append(header)
                self._newest = sorted(found, key=_age, reverse=True)
            return self._newest

    def _refresh(self) -> bool:
        """Look at files that are new or not final; tell whether anything is other than before."""
        files = self._folders.files() if self._folders.changed() else None
        gone = set() if files is None else self._seen.keys() - files
        for path in gone:
            del self._seen[path]
        unsure = set(self._open) if files is None else (files - self._seen.keys()) | (self._open & files)
        paths = sorted(unsure)
        many = len(paths) >= INDEX_FROM
        if many:
            with _uncollected():
                paths = self._unknown(paths)
        looked = [self._look_at_some(paths[begin : begin + _BATCH]) for begin in range(0, len(paths), _BATCH)]
        if len(paths) >= INDEX_FROM:
            with _uncollected():
                self._index.write(self._ended())
        return many or bool(gone) or any(looked)

    def _unknown(self, paths: Sequence[str]) -> list[str]:
        """Take what the index tells of files, and return those of which it does not."""
        known = self._index.read()
        unknown = []
        for path in paths:
            ended = known.get(path)
            if ended is None or path in self._seen or _full_stamp(path) != ended.stamp:
                unknown.append(path)
            else:
                self._seen[path] = _Seen(ended.stamp, RunHeader(ended.start, ended.stop))
        return unknown

    def _ended(self) -> Iterator[tuple[str, Ended]]:
        for path, (stamp, header) in self._seen.items():
            if header is not None and header.stop is not None:
                yield path, Ended(stamp, header.start, header.stop)

    def _look_at_some(self, paths: Sequence[str]) -> bool:
        """Look at files; tell whether any of them is not as it was."""
        with _uncollected():
            looked = [self._look_at(path) for path in paths]
        return any(looked)

    def _look_at(self, path: str) -> bool:
        """Read the ends of a file, if it is not as it was; tell whether it is not."""
        known = self._seen.get(path)
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            self._open.discard(path)
            return self._seen.pop(path, None) is not None
        except OSError as error:
            log.warning("run_file_skipped", path=path, reason=str(error))
            return False
        try:
            status = os.fstat(file)
            stamp = status.st_mtime_ns, status.st_ctime_ns, status.st_size
            if known is not None and known.stamp == stamp:
                return False
            seen = self._seen[path] = _Seen(stamp, _header(path, file, status.st_size))
        finally:
            os.close(file)
        (self._open.discard if seen.is_final else self._open.add)(path)
        return True


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let the collector of garbage rest: what is read stays, and going through it meanwhile takes half of the time."""
    rests = not gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not rests:
            gc.enable()


def _header(path: str, file: int, size: int) -> RunHeader | None:
    try:
        ends = form_of(path).ends(path, file, size)
    except (UnreadableRunFileError, OSError) as error:
        log.warning("run_file_skipped", path=path, reason=str(error))
        return None
    return None if ends is None else RunHeader(*ends)


def _stamp(path: str) -> _Stamp:
    found = Path(path).stat()
    return found.st_mtime_ns, found.st_size


def _full_stamp(path: str) -> Stamp | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path for each of many files takes longer than this
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _age(header: RunHeader) -> tuple[float, str]:
    time = header.start.get("time", 0.0)
    return (float(time) if isinstance(time, int | float) else 0.0), header.uid
