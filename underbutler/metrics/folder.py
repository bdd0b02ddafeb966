"""The files in which the processes of one worker count: made by its main process, read and tidied by its keeper.

A child is renewed after some hundred targets, and killed now and then. What the dead have counted is added up in one
file per kind; else a week of work would leave thousands.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

from underbutler.telemetry.logs import get_logger

__all__ = ["MetricsFolder"]

log = get_logger(__name__)

NAME: Final = "underbutler-metrics-"
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
"""Files in memory are preferred: to write into one on a full disk would end the process."""
DEAD: Final = "dead"
"""Stands in a file's name where the process id does, for what processes that are gone have counted."""
KINDS: Final = ("counter", "histogram")


class MetricsFolder:
    """A folder of its own for the files of one worker.

    Parameters
    ----------
    path
        Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    @classmethod
    def make(cls) -> Self:
        """Make one, in memory where that can be, and remove those of workers that died with their keepers.

        The folder stays locked while this process or a child that it forks lives.

        Raises
        ------
        OSError
            If there is no place for it.
        """
        places = [place for place in (MEMORY, Path(tempfile.gettempdir())) if os.access(place, os.W_OK | os.X_OK)]
        for place in places:
            _remove_left(place)
        path = Path(tempfile.mkdtemp(prefix=NAME, dir=places[0] if places else None))
        _locked(path)
        return cls(path)

    def tidy(self, lives: Callable[[int], bool]) -> None:
        """Add up what processes that are gone have counted, in one file per kind.

        Parameters
        ----------
        lives
            Tells whether the process of a number lives.
        """
        with self._lock:
            gone = [file for file in self.path.glob("*_*.db") if not _of_living(file, lives)]
            for kind in KINDS:
                _add_up(self.path / f"{kind}_{DEAD}.db", [file for file in gone if file.name.startswith(f"{kind}_")])
            for file in gone:
                file.unlink(missing_ok=True)

    def collect(self) -> Iterator[Any]:
        """Yield what all processes have counted, as Prometheus' client wants it of a collector."""
        from prometheus_client.multiprocess import MultiProcessCollector

        with self._lock:
            found = list(MultiProcessCollector(None, str(self.path)).collect())
        yield from found

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _of_living(file: Path, lives: Callable[[int], bool]) -> bool:
    """Tell whether a file belongs to a process that lives, or to none."""
    owner = file.stem.rpartition("_")[2]
    return not owner.isdigit() or lives(int(owner))


def _add_up(total: Path, files: list[Path]) -> None:
    """Add the values of files to those of another one, which is replaced in one step."""
    from prometheus_client.mmap_dict import MmapedDict

    if not files:
        return
    sums: dict[str, float] = defaultdict(float)
    for file in [total, *files]:
        if file.exists() and file.stat().st_size:
            for key, value, _, _ in MmapedDict.read_all_values_from_file(file):
                sums[key] += value
    draft = total.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    written = MmapedDict(str(draft))
    for key, value in sums.items():
        written.write_value(key, value, 0.0)
    written.close()
    draft.replace(total)


def _locked(path: Path) -> int | None:
    """Lock a folder for as long as this process and its forked children live; None if another one has done so."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_left(place: Path) -> None:
    """Remove the folders of workers that are gone."""
    for path in place.glob(f"{NAME}*"):
        try:
            descriptor = _locked(path)
        except OSError:  # another account's, or gone meanwhile
            continue
        if descriptor is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)
            log.info("metrics_of_a_dead_worker_removed", folder=str(path))
