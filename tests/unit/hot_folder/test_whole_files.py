"""A file is whole when all that its headers promise is there."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from underbutler.hot_folder.whole_files import is_frame_name, what_is_missing


@pytest.fixture
def two_images(tmp_path: Path) -> Path:
    """A file of two headers of 2880 bytes, the second with 40 x 50 pixels of 2 bytes: 4000, filled up to 5760."""
    path = tmp_path / "two.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((40, 50), dtype=np.int16))]).writeto(path)
    assert path.stat().st_size == 2880 + 2880 + 2 * 2880
    return path


def cut(path: Path, size: int) -> Path:
    path.write_bytes(path.read_bytes()[:size])
    return path


def test_a_file_as_it_was_written_is_whole(two_images: Path) -> None:
    assert what_is_missing(two_images) == ""


@pytest.mark.parametrize(
    ("size", "lacking"),
    [
        (0, "it is empty"),
        (80, "header 0 has no end"),
        (1000, "it holds no image"),
        (2880, "it holds no image"),
        (2960, "header 1 has no end"),
        (5760, "image 1 has 0 of 4000 bytes"),
        (5760 + 3999, "image 1 has 3999 of 4000 bytes"),
        (5760 + 4000, ""),  # only the fill bytes are missing
    ],
)
def test_what_is_missing_is_counted(two_images: Path, size: int, lacking: str) -> None:
    assert what_is_missing(cut(two_images, size)) == lacking


def test_a_compressed_file_is_looked_into(two_images: Path, tmp_path: Path) -> None:
    packed = tmp_path / "two.fits.gz"
    packed.write_bytes(gzip.compress(two_images.read_bytes()))
    assert what_is_missing(packed) == ""
    size = packed.stat().st_size
    assert "end too early" in what_is_missing(cut(packed, size - 4))
    packed.write_bytes(gzip.compress(two_images.read_bytes()[:6000]))
    assert what_is_missing(packed) == "image 1 has 240 of 4000 bytes"


def test_an_archive_is_whole_when_its_list_is_there(two_images: Path, tmp_path: Path) -> None:
    packed = tmp_path / "two.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(two_images, "two.fits")
    assert what_is_missing(packed) == ""
    assert "zip archive that cannot be read" in what_is_missing(cut(packed, packed.stat().st_size - 4))


def test_a_tile_compressed_file_counts_its_heap(tmp_path: Path) -> None:
    path = tmp_path / "packed.fits.fz"
    noise = np.random.default_rng(1).normal(1000, 30, (64, 64)).astype(np.int16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(noise)]).writeto(path)
    assert what_is_missing(path) == ""
    assert "image 1 has" in what_is_missing(cut(path, path.stat().st_size - 2880))


def test_another_kind_of_file_is_no_frame(tmp_path: Path) -> None:
    path = tmp_path / "notes.fits"
    path.write_text("seeing 1.2\n" * 400)
    assert what_is_missing(path) == "it does not begin as a FITS file"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a.fits", True), ("A.FIT", True), ("a.fits.gz", True), ("a.fits.fz", True), (".a.fits", False),
     ("a.fits.part", False), ("a.txt", False)],
)  # fmt: skip
def test_frames_are_known_by_their_names(name: str, is_one: bool) -> None:
    assert is_frame_name(name) is is_one
