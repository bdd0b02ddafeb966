"""The log of a claim on disk, for the case that its process dies: written by the child, read by its worker's keeper.

Each worker has a folder in its scratch space, locked for as long as anything of it lives; each running claim has a
small file there. A write is one system call, what was written survives ``kill -9`` of the process (not of the machine),
and a crash of the interpreter leaves its Python stack there too. It is a convenience: a disk that is full or missing
costs the record and nothing else.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

__all__ = ["FOLDER", "BlackBox", "find", "make_folder", "stay", "take"]

FOLDER: Final = "UNDERBUTLER_BLACK_BOX"
"""Environment variable by which the children of a worker know its folder."""

LIMIT_BYTES: Final = 256 * 1024
"""A file that has become longer is written anew, with what its claim still remembers."""

_PREFIX: Final = "underbutler-worker-"
_LOCK: Final = ".lock"


class BlackBox:
    """The file of one claim, open in the process that runs it.

    Parameters
    ----------
    path
        The file; it does not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pid = os.getpid()
        self._size = 0
        self._crashes_were_told = faulthandler.is_enabled()
        self._descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        faulthandler.enable(self._descriptor)

    @classmethod
    def of_this_worker(cls, target: uuid.UUID, claim_no: int) -> Self | None:
        """Open the file of a claim; None where there is no folder, or no space."""
        folder = os.environ.get(FOLDER)
        if not folder:
            return None
        try:
            return cls(Path(folder) / _name(target, claim_no))
        except OSError:
            return None

    def write(self, line: str, whole: Callable[[], str]) -> None:
        """Add a line; when the file has become too long it is written anew with the `whole` of what is remembered."""
        if self._descriptor < 0 or os.getpid() != self._pid:  # a process that the science forked shares the file
            return
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with suppress(OSError):
            if self._size + len(data) > LIMIT_BYTES:
                data = whole().encode("utf-8", "backslashreplace")[-LIMIT_BYTES // 2 :] + b"\n"
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                os.write(self._descriptor, data)
                os.ftruncate(self._descriptor, len(data))
                self._size = len(data)
                return
            self._size += os.write(self._descriptor, data)

    def discard(self) -> None:
        """Close and remove the file: its claim has ended in the records."""
        if self._descriptor < 0 or os.getpid() != self._pid:
            return
        if self._crashes_were_told and sys.__stderr__ is not None:
            faulthandler.enable(sys.__stderr__)
        else:
            faulthandler.disable()
        descriptor, self._descriptor = self._descriptor, -1
        with suppress(OSError):
            os.close(descriptor)
            self._path.unlink()


def make_folder(scratch: Path) -> Path | None:
    """Make the folder of a worker that starts, and remove those of workers of which nothing lives any more.

    Parameters
    ----------
    scratch
        Where.

    Returns
    -------
    folder
        None if it cannot be made; then a child that dies takes its log along.
    """
    try:
        for old in scratch.glob(f"{_PREFIX}*"):
            _remove_if_free(old)
        made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=scratch))
        (made / _LOCK).touch(0o600)
        stay(made)
        return made.rename(scratch / made.name.removeprefix("."))  # under its own name it is locked already
    except OSError:
        return None


def stay(folder: Path) -> None:
    """Keep a folder from being removed for as long as this process, or one that it forks, lives."""
    with suppress(OSError):
        descriptor = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # held until the last copy of the descriptor is closed


def take(folder: Path | None, target: uuid.UUID, claim_no: int, *, remove: bool = False) -> str | None:
    """Return what a claim has said until now; None if nothing is there."""
    if folder is None:
        return None
    path = folder / _name(target, claim_no)
    try:
        text = path.read_bytes()[-2 * LIMIT_BYTES :].decode("utf-8", "replace").rstrip("\n\0")
        if remove:
            path.unlink()
    except OSError:
        return None
    return text or None


def find(scratch: Path, target: uuid.UUID, claim_no: int) -> Path | None:
    """Return the file of a claim that runs on this machine, and whose files this user may read."""
    with suppress(OSError):
        return next(scratch.glob(f"{_PREFIX}*/{_name(target, claim_no)}"), None)
    return None


def _name(target: uuid.UUID, claim_no: int) -> str:
    return f"{target}.{claim_no}.log"


def _remove_if_free(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
