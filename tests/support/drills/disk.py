"""A small disk that a drill fills, and makes room on again."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CalledProcessError, run

from tests.support.services import missing

__all__ = ["SmallDisk", "small_disk"]

SUDO = () if os.geteuid() == 0 else ("sudo", "-n")


class SmallDisk:
    """A file system of its own in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave not one byte."""
        with self._ballast.open("wb", buffering=0) as file:
            while True:
                free = shutil.disk_usage(self.folder).free
                try:
                    file.write(bytes(min(max(free, 1), 2**20)))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return

    def make_room(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[SmallDisk]:
    """Mount a file system of so many MiB, in memory, at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size_mib}m,mode=0755,uid={os.geteuid()}"
    command = [*SUDO, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        run(command, capture_output=True, text=True, check=True)
    except (OSError, CalledProcessError) as error:
        reason = str(getattr(error, "stderr", "") or error).strip()
        missing(f"a disk that can be filled ({reason})", "run as root, or with sudo, where mounting is allowed")
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: whatever still has a file open there must not keep it.
        run([*SUDO, "umount", "--lazy", str(folder)], check=True)
