"""Raw files as cameras write them: what is read, what is repaired, and what is refused before it takes memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.support.camera_frames import cards, counts, write, write_amplifiers
from underbutler.butlers.raw_frames import raw_frame_parts, read_raw_frame
from underbutler.errors import UsageError
from underbutler.instruments.header_scan import scan_parts


def changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


def zipped(content: bytes, *beside: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("night/frame.fits", content)
        for name in beside:
            archive.writestr(name, b"x")
    return stream.getvalue()


@pytest.mark.parametrize("form", [".fits", ".fits.gz", ".fits.bz2", ".fits.xz", ".fits.fz", ".zip"])
def test_a_frame_is_the_same_whatever_holds_it(tmp_path: Path, form: str) -> None:
    plain = write(tmp_path / "frame.fits")
    path = tmp_path / f"held{form}"
    if form == ".fits.fz":
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(counts(), cards())]).writeto(path)
    else:
        packs: dict[str, Any] = {".fits": bytes, ".fits.gz": gzip.compress, ".fits.bz2": bz2.compress}
        pack = (packs | {".fits.xz": lzma.compress, ".zip": lambda content: zipped(content, "__MACOSX/._x")})[form]
        path.write_bytes(pack(plain.read_bytes()))
    frame = read_raw_frame(path)
    np.testing.assert_array_equal(frame.data, counts())
    assert (frame.header["GAIN"], frame.notes) == (2.0, ())
    with path.open("rb") as stream:
        (part,) = scan_parts(stream)
    assert (part.shape, part.header["GAIN"], part.header["DATE-OBS"]) == ((20, 30), 2.0, "2026-11-20T20:00:00")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\x1f\x9d\x90" + bytes(100), r"packed by compress \(\.Z\).*gzip"),
        (zipped(b"SIMPLE", "other.fits"), r"archive of 2 files \(night/frame.fits, other.fits\)"),
        (b"PK\x03\x04" + bytes(100), "zip archive that cannot be read"),
    ],
    ids=["compress", "two files", "broken zip"],  # bytes of an archive hold the time: each process would name it anew
)
def test_a_packing_that_is_not_read_says_what_to_do(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "held.fits"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=f"held.fits is not a readable FITS file: it is .*{problem}"):
        read_raw_frame(path)
    with path.open("rb") as stream, pytest.raises(UsageError, match=problem):
        scan_parts(stream)


@pytest.mark.parametrize("axes", [(1, 1, 20, 30), (20, 30, 1), (20, 1, 30)])
def test_a_cube_of_one_plane_is_its_plane_and_said(tmp_path: Path, axes: tuple[int, ...]) -> None:
    path = write(tmp_path / "cube.fits", counts().reshape(axes))
    frame = read_raw_frame(path)
    np.testing.assert_array_equal(frame.data, counts())
    assert "its one plane is taken" in frame.notes[0]
    with path.open("rb") as stream:
        assert [part.shape for part in scan_parts(stream)] == [(20, 30)]


def test_a_cube_of_several_planes_is_refused_with_its_size(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no two-dimensional image \(but of 30 x 20 x 3\)"):
        read_raw_frame(write(tmp_path / "cube.fits", np.stack([counts()] * 3)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_missing_fill_at_the_end_is_said_and_no_more(tmp_path: Path, pack: Any) -> None:
    fill = -counts().nbytes % 2880
    path = changed(write(tmp_path / "short.fits"), lambda content: pack(content[:-fill]))
    frame = read_raw_frame(path)
    np.testing.assert_array_equal(frame.data, counts())
    assert frame.notes == ("the file's last block is not filled up",)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_missing_pixel_is_refused(tmp_path: Path, pack: Any) -> None:
    fill = -counts().nbytes % 2880
    path = changed(write(tmp_path / "cut.fits"), lambda content: pack(content[: -fill - 2]))
    with pytest.raises(UsageError, match=r"cut\.fits is not a readable FITS file: it is cut short"):
        read_raw_frame(path)


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"\x1f\x8b\x08",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abc",
        b"BZh9",
        b"SIMPLE",
        b"PK\x03\x04",
        b"\x1f\x9d",
    ],
)
def test_what_is_not_a_file_of_frames_is_refused(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "strange.fits"
    path.write_bytes(begin)
    with pytest.raises(UsageError, match=r"strange\.fits is not a readable FITS file"):
        read_raw_frame(path)


@pytest.mark.parametrize(
    ("old", "new", "name", "kept"),
    [
        (b"'ZZZZZZ  '", b"'ZZ\tZZZ  '", "OBSERVER", "ZZ ZZZ"),
        (b"'ZZZZZZ  '", b"'ZZ\x00\x00\x00\x00  '", "OBSERVER", "ZZ"),
        (b"'ZZZZZZ  '", b" ZZZZZZ   ", "OBSERVER", "ZZZZZZ"),
        (b"                 2.5", b"                 NaN", "AIRMASS", "NaN"),
        (b"OBSERVER=", b"observer=", "OBSERVER", "ZZZZZZ"),
    ],
)
def test_a_forbidden_card_is_repaired_or_left_out_by_name(
    tmp_path: Path, old: bytes, new: bytes, name: str, kept: str | None
) -> None:
    path = write(tmp_path / "odd.fits", header=cards(OBSERVER="ZZZZZZ", AIRMASS=2.5))
    frame = read_raw_frame(changed(path, lambda content: content.replace(old, new, 1)))
    (note,) = frame.notes
    assert name in note
    assert frame.header.get(name, None) == kept
    assert frame.header["GAIN"] == 2.0
    fits.PrimaryHDU(header=frame.header).writeto(io.BytesIO(), output_verify="exception")


def test_letters_that_are_not_ascii_become_question_marks(tmp_path: Path) -> None:
    path = write(tmp_path / "accent.fits", header=cards(OBSERVER="ZZZZZZ"))
    frame = read_raw_frame(changed(path, lambda content: content.replace(b"ZZZZZZ", b"Ren\xe9e ")))
    assert frame.header["OBSERVER"] == "Ren?e"


@pytest.mark.parametrize("compressed", [False, True])
def test_blank_unsigned_pixels_have_no_value(tmp_path: Path, compressed: bool) -> None:
    """A stored -32768 stands for 0 (BZERO is 32768)."""
    data = counts()
    data[3, 4] = 0
    header = cards(BLANK=-32768)
    path = tmp_path / "blank.fits"
    if compressed:
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, header)]).writeto(path, output_verify="ignore")
    else:
        write(path, data, header)
    frame = read_raw_frame(path)
    assert np.argwhere(np.isnan(frame.data)).tolist() == [[3, 4]]
    assert "BLANK" not in frame.header


def promise(path: Path, columns: int, rows: int) -> Path:
    """Write a header that promises more pixels than the file holds."""
    values = {"SIMPLE": "T", "BITPIX": 16, "NAXIS": 2, "NAXIS1": columns, "NAXIS2": rows}
    header = "".join(f"{f'{key:8}= {value:>20}':80}" for key, value in values.items()) + "END"
    path.write_bytes(header.ljust(2880).encode() + bytes(2880))
    return path


def test_a_promise_of_too_many_pixels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="promises 10000000000 pixels, and 268435456 are allowed"):
        read_raw_frame(promise(tmp_path / "huge.fits", 100_000, 100_000))


def test_the_bound_of_pixels_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "frame.fits")
    monkeypatch.setenv("UNDERBUTLER_MAX_PIXELS", "599")
    with pytest.raises(UsageError, match=r"promises 600 pixels, and 599 are allowed\. UNDERBUTLER_MAX_PIXELS"):
        read_raw_frame(path)
    monkeypatch.setenv("UNDERBUTLER_MAX_PIXELS", "600")
    assert read_raw_frame(path).data.size == 600


def test_a_file_that_inflates_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """17 MB of zeros behind a small frame, in 17 kB."""
    monkeypatch.setenv("UNDERBUTLER_MAX_PIXELS", "1000")
    path = changed(write(tmp_path / "bomb.fits.gz"), lambda content: gzip.compress(content + bytes(17_000_000), 1))
    with pytest.raises(UsageError, match="inflates to more than 16785216 bytes"):
        read_raw_frame(path)


def test_a_header_without_an_end_is_refused_soon(tmp_path: Path) -> None:
    path = tmp_path / "endless.fits.gz"
    path.write_bytes(gzip.compress("SIMPLE  =                    T".ljust(80).encode() + b" " * 8_000_000, 1))
    with pytest.raises(UsageError, match="its first header does not end within 5760000 bytes"):
        read_raw_frame(path)


def test_all_images_of_a_file_are_there_with_their_headers(tmp_path: Path) -> None:
    parts, notes = raw_frame_parts(write_amplifiers(tmp_path / "amps.fits"))
    assert [(part.number, part.name, part.shape) for part in parts] == [(1, "AMP1", (20, 18)), (2, "AMP2", (20, 18))]
    assert [part.header["GAIN"] for part in parts] == [2.0, 4.0]
    assert {part.header["INSTRUME"] for part in parts} == {"CAM"}
    assert notes == []
