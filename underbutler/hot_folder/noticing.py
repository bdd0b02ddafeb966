"""When something happens in a folder: told by the file system, or found by looking where that tells nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from underbutler.errors import UsageError

if TYPE_CHECKING:
    from threading import Event

__all__ = ["changed_paths", "is_on_a_network"]

TICK_MS: Final = 500
POLL_MS: Final = 2000
"""How often a network's folder is looked through."""

_NETWORK: Final = (
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse", "gluster", "gpfs", "lustre", "nfs", "smb", "vboxsf", "virtiofs",
)  # fmt: skip
"""How the names of such file systems begin."""


def is_on_a_network(folder: Path) -> bool:
    """Tell whether a folder is on a file system whose changes by other machines the kernel does not tell."""
    import psutil

    inside = [part for part in psutil.disk_partitions(all=True) if folder.is_relative_to(part.mountpoint)]
    if not inside:
        return False
    # The latest of several mounts on one place hides the others.
    nearest = max(enumerate(inside), key=lambda item: (len(Path(item[1].mountpoint).parts), item[0]))[1]
    return nearest.fstype.lower().startswith(_NETWORK)


def changed_paths(folder: Path, stop: Event, *, polling: bool) -> Iterator[set[Path]]:
    """Yield what has changed in a folder, again and again; nothing after half a second without a change.

    Parameters
    ----------
    folder
        It is watched with its subfolders.
    stop
        Ends the iteration when it is set.
    polling
        Whether to look through the folder instead of being told.

    Raises
    ------
    UsageError
        If the package that watches is not installed, or the folder cannot be watched.
    """
    try:
        from watchfiles import watch
    except ImportError as error:
        raise UsageError(
            "A folder is watched with the package watchfiles, which is not installed here: pip install "
            "'underbutler[watch]'."
        ) from error
    try:
        for changes in watch(
            folder,
            watch_filter=None,
            debounce=TICK_MS,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
            force_polling=polling,
            poll_delay_ms=POLL_MS,
            ignore_permission_denied=True,
        ):
            yield {Path(path) for _, path in changes}
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be watched: {error}", folder=str(folder)) from error
