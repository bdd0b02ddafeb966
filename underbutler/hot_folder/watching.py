"""The watch itself: what comes into the folder is ingested when it is whole, and submitted."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from underbutler.errors import TransientError, UsageError
from underbutler.telemetry.logs import get_logger
from underbutler.wording import counted

from .noticing import changed_paths, is_on_a_network
from .settling import Settling, frame_files
from .submitting import Submitting
from .whole_files import is_frame_name, what_is_missing

if TYPE_CHECKING:
    from threading import Event

    from underbutler.butlers import InstrumentMap, Repositories
    from underbutler.butlers.ingest import FileOutcome
    from underbutler.settings import Settings

__all__ = ["HotFolder", "Tally", "only_watcher"]

log = get_logger(__name__)

BATCH: Final = 50
"""So many files are ingested before frames are submitted."""
RESCAN_S: Final = 30.0
"""The whole folder is looked through so often: what was not told is found."""
PATIENCE_S: Final = 60.0
"""A file that has been still for so long, and is not whole, is told of."""
AGAIN_S: Final = 5.0
"""What a service's absence stopped is tried again after so many seconds."""
TRIES: Final = 3
"""How often a file that fails is tried, as long as it does not change."""


@dataclass
class Tally:
    """What a watch has done.

    Parameters
    ----------
    ingested, skipped, failed
        Files.
    submitted
        Targets of jobs.
    jobs
        How many.
    """

    ingested: int = 0
    skipped: int = 0
    failed: int = 0
    submitted: int = 0
    jobs: int = 0

    def __str__(self) -> str:
        words = f"{counted(self.ingested, 'frame')} ingested, {self.skipped} skipped, {self.failed} failed"
        if self.jobs:
            words += f"; {counted(self.submitted, 'target')} submitted in {counted(self.jobs, 'job')}"
        return words


@dataclass
class HotFolder:
    """A folder that is watched.

    Parameters
    ----------
    folder
        The folder, with its subfolders.
    label
        Label of the repository into which frames are ingested.
    repositories
        Where labels lead to.
    say
        Told each thing that people should know, as one sentence.
    submitting
        Submits the frames; None: they are only ingested.
    instrument_map
        Map of the frames' instrument, if the header does not tell.
    still_s
        A file is taken when it has not changed for so many seconds.
    polling
        Whether to look through the folder instead of being told; None: on file systems of a network.
    clock
        Seconds of a clock that does not jump.
    """

    folder: Path
    label: str
    repositories: Repositories
    say: Callable[[str], None]
    submitting: Submitting | None = None
    instrument_map: InstrumentMap | None = None
    still_s: float = 2.0
    polling: bool | None = None
    clock: Callable[[], float] = time.monotonic
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._settling = Settling(self.still_s)
        self._tries: dict[Path, int] = {}
        self._lacking: dict[Path, str] = {}
        self._not_before = 0.0
        self._scanned_at = -RESCAN_S

    def watch(self, stop: Event) -> None:
        """Watch until `stop` is set.

        Raises
        ------
        UsageError
            If the folder cannot be watched, or the repository is in it.
        """
        self._refuse_the_repository()
        polling = is_on_a_network(self.folder) if self.polling is None else self.polling
        how = " by looking through it" if polling else ""
        self.say(f"Watching {self.folder} for {self.label!r}{how}. Ctrl-C ends it.")
        for paths in changed_paths(self.folder, stop, polling=polling):
            self.round(paths)

    def round(self, changed: Sequence[Path] | set[Path] = ()) -> None:
        """Do what can be done now.

        Parameters
        ----------
        changed
            Files that may have changed.
        """
        now = self.clock()
        self._notice(changed, now)
        if now < self._not_before:
            return
        try:
            for batch in _batches(self._settling.still(now)):
                self._take([path for path in batch if self._is_whole(path)])
                self._submit()
            self._submit()
            self._tell_unfit(now)
        except TransientError as error:
            self._not_before = now + AGAIN_S
            self.say(f"{error} Tried again in {AGAIN_S:.0f} s.")

    def _notice(self, changed: Sequence[Path] | set[Path], now: float) -> None:
        if now - self._scanned_at >= RESCAN_S:
            self._scanned_at = now
            self._settling.notice(frame_files(self.folder), now)
            return
        self._settling.notice((path for path in changed if is_frame_name(path.name) and path.is_file()), now)
        if any(path.is_dir() for path in changed):  # a folder that was moved in tells nothing of its files
            self._scanned_at = -RESCAN_S

    def _is_whole(self, path: Path) -> bool:
        try:
            lacking = what_is_missing(path)
        except OSError as error:
            lacking = f"it cannot be read ({error.strerror or error})"
        if lacking:
            self._lacking[path] = lacking
            self._settling.unfit(path)
        return not lacking

    def _tell_unfit(self, now: float) -> None:
        """Tell once of each file that has not changed for long, and is not whole."""
        for path in self._settling.unfit_since(now - PATIENCE_S):
            if (lacking := self._lacking.pop(path, None)) is not None:
                self.say(f"{path} is not a whole FITS file: {lacking}. It is taken when that has changed.")

    def _take(self, paths: Sequence[Path]) -> None:
        if not paths:
            return
        from underbutler.butlers import ingest_files

        report = ingest_files(self.repositories, self.label, paths, instrument_map=self.instrument_map)
        failed = {Path(one.file): one for one in report.failed}
        for path in paths:
            if path in failed and self._is_tried_again(path):
                continue
            self._settling.done(path)
            self._tries.pop(path, None)
            if path in failed:
                self.tally.failed += 1
                self.say(f"failed: {path}: {failed[path].note}")
        for one in report.outcomes:
            self._taken(one)

    def _is_tried_again(self, path: Path) -> bool:
        self._tries[path] = self._tries.get(path, 0) + 1
        if self._tries[path] >= TRIES:
            return False
        self._settling.again(path, self.clock() + AGAIN_S * self._tries[path])
        return True

    def _taken(self, one: FileOutcome) -> None:
        if one.status == "ingested":
            self.tally.ingested += 1
            if one.note:
                self.say(f"{one.file}: {one.note}")
        elif one.status == "skipped":
            self.tally.skipped += 1
        if self.submitting is not None and one.status != "failed" and one.data_id is not None:
            self.submitting.offer(one.data_id, is_new=one.status == "ingested")

    def _submit(self) -> None:
        while self.submitting is not None and len(self.submitting):
            try:
                done = self.submitting.submit()
            except UsageError as error:
                self.say(f"Not submitted: {error}")
                continue
            if done is None:
                return
            for note in done.notes:
                self.say(note)
            if done.job is not None:
                self.tally.jobs += 1
                self.tally.submitted += done.job.n_targets

    def _refuse_the_repository(self) -> None:
        root = self.repositories.uri(self.label)
        path = Path(root.removeprefix("file://"))
        if "://" not in root.removeprefix("file://") and path.resolve().is_relative_to(self.folder.resolve()):
            raise UsageError(
                f"The repository {self.label!r} is in {path}, inside the folder that would be watched: its own files "
                "would come in again. Watch another folder.",
                folder=str(self.folder),
            )


@contextmanager
def only_watcher(settings: Settings, folder: Path, label: str) -> Iterator[None]:
    """Be the only process of this home that watches a folder for a repository; whoever dies leaves it.

    Raises
    ------
    UsageError
        If another process does.
    """
    name = hashlib.sha256(f"{folder}\0{label}".encode()).hexdigest()[:16]
    path = settings.home / "hot_folder" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"Another process watches {folder} for {label!r} already. Stop that one first.", folder=str(folder)
            ) from error
        yield
    finally:
        os.close(handle)


def _batches(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for begin in range(0, len(paths), BATCH):
        yield paths[begin : begin + BATCH]
