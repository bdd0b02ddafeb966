"""What comes into a folder is ingested once, when it is still and whole; the clock is the test's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from underbutler.butlers import Repositories
from underbutler.errors import UsageError
from underbutler.hot_folder.settling import Settling
from underbutler.hot_folder.watching import HotFolder, only_watcher


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float) -> float:
        self.now += seconds
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def hot(repositories: Repositories, folder: Path, clock: Clock, said: list[str]) -> HotFolder:
    return HotFolder(folder, "tiny", repositories, said.append, still_s=2.0, clock=clock)


def exposures(repositories: Repositories) -> list[int]:
    with repositories.butler("tiny") as butler:
        return sorted(
            record.id for record in butler.query_dimension_records("exposure", explain=False, instrument="CAM")
        )


def test_a_file_is_still_when_size_and_time_stay(folder: Path) -> None:
    path = folder / "a.fits"
    path.write_bytes(b"1")
    settling = Settling(2.0)
    settling.notice([path], 0.0)
    assert settling.still(1.9) == []
    path.write_bytes(b"12")
    assert settling.still(2.0) == []
    assert settling.still(3.9) == []
    assert settling.still(4.0) == [path]
    settling.done(path)
    settling.notice([path], 5.0)
    assert settling.still(9.0) == [], "it is done with as it is"


def test_a_renamed_file_is_the_same(folder: Path) -> None:
    path = folder / "a.fits"
    path.write_bytes(b"1")
    settling = Settling(2.0)
    settling.notice([path], 0.0)
    settling.still(2.0)
    settling.done(path)
    settling.notice([path.rename(folder / "b.fits")], 3.0)
    assert settling.still(9.0) == []


def test_a_frame_written_in_pieces_comes_in_once(
    hot: HotFolder, repositories: Repositories, write_frame: Callable[..., Path], folder: Path, clock: Clock
) -> None:
    whole = write_frame("elsewhere.fits").read_bytes()
    path = folder / "frame.fits"
    for size in (100, 2000, len(whole) - 2880):
        path.write_bytes(whole[:size])
        hot.round({path})
        clock.after(2.0)
        hot.round()
        assert exposures(repositories) == []
    path.write_bytes(whole)
    hot.round({path})
    clock.after(2.0)
    hot.round()
    assert exposures(repositories) == [1]
    hot.round({path.rename(folder / "renamed.fits")})
    clock.after(2.0)
    hot.round()
    assert (hot.tally.ingested, hot.tally.skipped) == (1, 0)


def test_a_watcher_that_starts_again_skips_what_is_there(
    repositories: Repositories, write_frame: Callable[..., Path], folder: Path, clock: Clock
) -> None:
    write_frame("in/night/one.fits", EXPID=1)
    for expected in ((1, 0), (0, 1)):
        hot = HotFolder(folder, "tiny", repositories, print, still_s=2.0, clock=clock)
        hot.round()
        clock.after(2.0)
        hot.round()
        assert (hot.tally.ingested, hot.tally.skipped) == expected
    assert exposures(repositories) == [1]


def test_a_file_that_never_becomes_whole_is_told_once(
    hot: HotFolder, folder: Path, clock: Clock, said: list[str]
) -> None:
    path = folder / "part.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(80))
    for _ in range(50):
        hot.round()
        clock.after(2.0)
    assert said == [f"{path} is not a whole FITS file: header 0 has no end. It is taken when that has changed."]


def test_a_file_that_fails_is_tried_again_and_then_told(
    hot: HotFolder, write_frame: Callable[..., Path], clock: Clock, said: list[str]
) -> None:
    write_frame("in/frame.fits", INSTRUME="NOBODY'S")
    for _ in range(60):
        hot.round()
        clock.after(2.0)
    assert hot.tally.failed == 1
    assert len(said) == 1
    assert said[0].startswith("failed: ")


def test_hidden_files_and_folders_are_left_aside(
    hot: HotFolder, repositories: Repositories, write_frame: Callable[..., Path], clock: Clock
) -> None:
    for name in ("in/.frame.fits.Xy12", "in/.partial/frame.fits", "in/frame.fits.tmp"):
        write_frame(name)
    for _ in range(3):
        hot.round()
        clock.after(2.0)
    assert exposures(repositories) == []


def test_the_repository_is_not_watched(repositories: Repositories, tmp_path: Path) -> None:
    from threading import Event

    hot = HotFolder(tmp_path, "tiny", repositories, print)
    with pytest.raises(UsageError, match="inside the folder that would be watched"):
        hot.watch(Event())


def test_one_process_watches_a_folder(repositories: Repositories, folder: Path) -> None:
    settings = repositories.settings
    with only_watcher(settings, folder, "tiny"):
        with pytest.raises(UsageError, match=r"watches .* already"), only_watcher(settings, folder, "tiny"):
            pass
        with only_watcher(settings, folder, "other"):
            pass
    with only_watcher(settings, folder, "tiny"):
        pass  # it was left
