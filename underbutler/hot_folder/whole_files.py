"""Whether a FITS file is whole: all that its headers promise is there, also inside a compressed file."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from underbutler.errors import UsageError
from underbutler.instruments.packings import INFLATING_ERRORS, unpacked

if TYPE_CHECKING:
    from astropy.io.fits import Header

__all__ = ["SUFFIXES", "is_frame_name", "what_is_missing"]

SUFFIXES: Final = (
    *(f".{form}{packing}" for form in ("fits", "fit", "fts") for packing in ("", ".gz", ".fz", ".bz2", ".xz", ".zip")),
    ".fz",
)
"""Ends of the names that are taken for frames, in small letters."""

_BLOCK: Final = 2880
"""FITS is written in blocks of so many bytes."""


def is_frame_name(name: str) -> bool:
    """Tell whether a file's name is one of a frame; hidden files are not, because copying programs write those."""
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def what_is_missing(path: Path) -> str:
    """Return what a file lacks to be a whole FITS file with an image; empty if it is whole.

    Every header is read, and what it promises is counted; pixels are not looked at. The fill bytes after the last of
    them may be missing: some cameras never write them.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as plain:
        try:
            inner = unpacked(plain)
        except UsageError as error:  # an archive's list of members comes last
            return str(error).rstrip(".")
        if inner is None:
            return _missing(plain)
        try:
            with inner:
                lacking = _missing(inner)
                if not lacking:
                    _skip(inner, None)  # to its end, where the check sum is
                return lacking
        except EOFError:
            return "its compressed data end too early"
        except INFLATING_ERRORS as error:
            return f"its compressed data are damaged ({error})"


def _missing(stream: BinaryIO) -> str:
    from astropy.io.fits import Header

    number, images = 0, 0
    while True:
        first = stream.read(_BLOCK)
        if not first.strip(b"\0 "):
            return "" if images else "it holds no image" if number else "it is empty"
        if number == 0 and not first.startswith(b"SIMPLE"):
            return "it does not begin as a FITS file"
        if number and not first.startswith(b"XTENSION"):
            return "" if images else "it holds no image"  # after the last image anything may follow
        blocks = [first]
        while not _ends(blocks[-1]):
            block = stream.read(_BLOCK)
            if len(block) < _BLOCK:
                return f"header {number} has no end"
            blocks.append(block)
        header = Header.fromstring(b"".join(blocks).decode("latin-1"))
        size = _data_size(header)
        there = _skip(stream, size)
        if there < size:
            return f"image {number} has {there} of {size} bytes"
        _skip(stream, -size % _BLOCK)
        number += 1
        images += size > 0


def _ends(block: bytes) -> bool:
    return any(block[place : place + 80].rstrip() == b"END" for place in range(0, len(block), 80))


def _data_size(header: Header) -> int:
    """Return the bytes after a header, as the FITS standard 4.0 counts them (section 4.4.1)."""
    axes = [_integer(header, f"NAXIS{axis}") for axis in range(1, _integer(header, "NAXIS") + 1)]
    if not axes:
        return 0
    if axes[0] == 0 and header.get("GROUPS") is True:
        axes = axes[1:]
    per_group = _integer(header, "PCOUNT") + prod(axes)
    return abs(_integer(header, "BITPIX")) // 8 * _integer(header, "GCOUNT", 1) * per_group


def _integer(header: Any, keyword: str, default: int = 0) -> int:
    from astropy.io.fits import VerifyError

    try:
        value = header.get(keyword, default)
    except VerifyError:  # whether such a card can be repaired is the ingest's to say
        return default
    return value if isinstance(value, int) else default


def _skip(stream: BinaryIO, size: int | None) -> int:
    """Read over so many bytes, or over all; return how many there were."""
    there = 0
    while size is None or there < size:
        chunk = stream.read(2**20 if size is None else min(2**20, size - there))
        if not chunk:
            break
        there += len(chunk)
    return there
