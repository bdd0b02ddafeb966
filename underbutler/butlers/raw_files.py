"""Raw files as cameras write them: their images, found and checked before a pixel is in memory.

A file is refused whose images promise, or whose compressed stream holds, more than a bound: its header is a stranger's
word, and memory is taken for what it says.
"""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from underbutler.errors import UsageError
from underbutler.instruments.cards import standard_cards
from underbutler.instruments.packings import INFLATING_ERRORS, unpacked
from underbutler.instruments.readout import FramePart, plane_of

from .images import FITS_ERRORS, native, without_structure

__all__ = ["RawFile", "opened_raw"]

Source: TypeAlias = BinaryIO | str | Path
Pixels: TypeAlias = npt.NDArray[Any]

BLOCK = 2880
"""Length of a FITS block in bytes."""

_SLACK_BYTES = 2**24
_LONGEST_PIXEL = 8
_LONGEST_HEADER = 2000 * BLOCK
_BOUND = "UNDERBUTLER_MAX_PIXELS sets the bound, which keeps a broken header from taking all memory."


class _UntakenError(UsageError):
    """A file that may be whole, and is not taken: its text says why, and what to do."""


class RawFile:
    """An open raw file.

    Parameters
    ----------
    hdus
        What astropy makes of it.
    size
        Its length in bytes, inflated.
    max_pixels
        An image of more is refused.

    Raises
    ------
    UsageError
        If it holds no image of two axes, or one that is larger than the bound.
    ValueError
        If one is cut short.
    """

    def __init__(self, hdus: fits.HDUList, size: int, max_pixels: int) -> None:
        self.notes: list[str] = []
        """What was done otherwise than the file says, a sentence each."""
        self._hdus = hdus
        self._max_pixels = max_pixels
        self._primary = self._cards(hdus[0].header)
        self.parts = tuple(self._found(size))
        if not self.parts:
            raise _UntakenError(_what_else(hdus))

    def pixels(self, part: FramePart) -> Pixels:
        """Return the pixels of an image as floats: integers of up to 16 bits as float32, which holds them exactly.

        Blank integers (FITS standard 4.0, section 4.4.2.5) become NaN, unsigned ones too.
        """
        hdu = self._hdus[part.number]
        header = hdu.header
        blank = header.get("BLANK")
        scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            stored = hdu.data
        if stored is None:
            raise ValueError("its image is empty.")
        stored = native(stored).reshape(part.shape)
        values = _as_float(stored)
        if stored.dtype.kind in "iu" and isinstance(blank, int):
            values[stored == blank * scale + zero] = np.nan
        return values

    def refuse_more_than_bound(self, parts: Sequence[FramePart]) -> None:
        """Refuse images that are too large together.

        Raises
        ------
        UsageError
            If they are.
        """
        self._refuse_large(sum(math.prod(part.shape) for part in parts), "its images promise")

    def _found(self, size: int) -> Iterator[FramePart]:
        """Yield the images of two axes, and of one plane of them."""
        for number, hdu in enumerate(self._hdus):
            if not hdu.is_image or not hdu.shape or 0 in hdu.shape:
                continue
            shape = tuple(int(length) for length in hdu.shape)
            self._refuse_large(math.prod(shape), f"its image {number} of {' x '.join(map(str, shape[::-1]))} promises")
            self._refuse_cut(hdu, number, size)
            plane = plane_of(shape)
            if plane is None:
                continue
            if len(shape) > 2:
                self.notes.append(f"image {number} has {len(shape)} axes: its one plane is taken")
            header = self._primary if number == 0 else self._merged(hdu.header)
            name = str(hdu.header.get("EXTNAME") or "").strip()
            yield FramePart(number=number, name=name, shape=plane, header=header)

    def _merged(self, header: fits.Header) -> fits.Header:
        merged = self._primary.copy()
        merged.update(self._cards(header))
        return merged

    def _cards(self, header: fits.Header) -> fits.Header:
        cards, notes = standard_cards(without_structure(header))
        cards.remove("BLANK", ignore_missing=True)  # it is of stored integers: the pixels are floats now
        self.notes += [note for note in notes if note not in self.notes]
        return cards

    def _refuse_large(self, pixels: int, words: str) -> None:
        if pixels > self._max_pixels:
            raise _UntakenError(f"{words} {pixels} pixels, and {self._max_pixels} are allowed. {_BOUND}")

    def _refuse_cut(self, hdu: Any, number: int, size: int) -> None:
        """Refuse an image that the file does not hold whole; only what fills the last block may be missing."""
        where = hdu.fileinfo()
        end = int(where["datLoc"] + where["datSpan"])
        if not hasattr(hdu, "compression_type"):
            end = int(where["datLoc"] + math.prod(hdu.shape) * abs(int(hdu.header["BITPIX"])) // 8)
        elif end - size < BLOCK:
            end = min(end, size)
        if end > size:
            raise ValueError(f"it is cut short: its image {number} ends at byte {end}, and the file at byte {size}.")
        if -(-end // BLOCK) * BLOCK > size:
            self.notes.append("the file's last block is not filled up")


@contextlib.contextmanager
def opened_raw(source: Source, max_pixels: int) -> Iterator[RawFile]:
    """Open a raw file, compressed as a whole or not.

    Parameters
    ----------
    source
        File or stream.
    max_pixels
        An image of more is refused; a compressed file that inflates to more bytes than such an image has, too.

    Raises
    ------
    UsageError
        If it is not a FITS file, is cut short, holds no image, or is larger than the bound: the text names it.
    """
    name = getattr(source, "name", source) if not isinstance(source, str | Path) else source
    try:
        with contextlib.ExitStack() as stack, warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # each card and each image is looked at here
            plain, size = _inflated(source, max_pixels, stack)
            hdus = stack.enter_context(fits.open(plain, memmap=False, lazy_load_hdus=True))
            yield RawFile(hdus, size, max_pixels)
    except FileNotFoundError:
        raise
    except _UntakenError as error:
        raise UsageError(f"{name} is not a readable FITS file: {error}") from error
    except FITS_ERRORS as error:
        detail = str(error.args[0] if error.args else error)
        raise UsageError(f"{name} is not a readable FITS file: {detail} Replace it with a whole one.") from error


def _inflated(source: Source, max_pixels: int, stack: contextlib.ExitStack) -> tuple[Any, int]:
    """Return a file that is not compressed as a whole, and its length."""
    file: Any = stack.enter_context(Path(source).open("rb")) if isinstance(source, str | Path) else source  # noqa: SIM115
    try:
        inner = unpacked(file)
    except UsageError as error:
        raise _UntakenError(f"{str(error)[:1].lower()}{str(error)[1:]}") from error
    if inner is None:
        size = file.seek(0, io.SEEK_END)
        _refuse_endless(file)
        return (source if isinstance(source, str | Path) else file), size
    copy = stack.enter_context(tempfile.NamedTemporaryFile(prefix="raw-", suffix=".fits"))  # noqa: SIM115
    left = limit = max_pixels * _LONGEST_PIXEL + _SLACK_BYTES
    with inner as stream:
        while block := _inflated_block(stream):
            left -= len(block)
            if left < 0:
                raise _UntakenError(f"it inflates to more than {limit} bytes. {_BOUND}")
            copy.write(block)
    copy.flush()
    size = copy.tell()
    _refuse_endless(copy)
    return copy.name, size


def _inflated_block(stream: BinaryIO) -> bytes:
    try:
        return stream.read(2**20)
    except INFLATING_ERRORS as error:
        raise ValueError(f"its compressed data are damaged: {error}.") from error


def _refuse_endless(file: Any) -> None:
    """Refuse a file whose first header does not end: it would be looked for through the whole file."""
    file.seek(0)
    for _ in range(_LONGEST_HEADER // BLOCK):
        block = file.read(BLOCK)
        cards = [block[begin : begin + 80].rstrip() for begin in range(0, len(block), 80)]
        if b"END" in cards or len(block) < BLOCK:
            break
    else:
        raise ValueError(f"its first header does not end within {_LONGEST_HEADER} bytes.")
    file.seek(0)


def _as_float(values: Pixels) -> Pixels:
    exact_in_float32 = values.dtype == np.float32 or (values.dtype.kind in "iu" and values.dtype.itemsize <= 2)
    return values.astype(np.float32 if exact_in_float32 else np.float64)


def _what_else(hdus: fits.HDUList) -> str:
    """Return that a file has no image that is taken, what it has instead, and what to do."""
    shapes = [" x ".join(str(n) for n in hdu.shape[::-1]) for hdu in hdus if hdu.is_image and hdu.shape]
    if not shapes:
        return "it holds no two-dimensional image. Give the camera's own frame: a file with the pixels of a CCD."
    return (
        f"it holds no two-dimensional image (but of {', '.join(shapes)}). Write each plane into a file of its own, "
        "with the begin of its exposure, and ingest those."
    )
