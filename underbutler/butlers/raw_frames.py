"""Raw frames as the camera wrote them: FITS in, `CCDData` in adu with its header out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.nddata import CCDData

from underbutler.instruments.readout import FramePart
from underbutler.settings import load_settings

from .images import without_structure
from .parts_choice import chosen_parts
from .raw_files import opened_raw

__all__ = ["RawFrame", "raw_frame_parts", "read_raw_frame", "write_raw_frame"]


class RawFrame(CCDData):
    """A raw frame: the pixels and the header of its first image, and all its images.

    Parameters
    ----------
    parts
        The images, without their pixels.
    pixels
        Their pixels in adu, each of the shape of its part.
    notes
        What was done otherwise than the file says, a sentence each.
    *args, **kwargs
        What `astropy.nddata.CCDData` takes.
    """

    def __init__(
        self,
        *args: Any,
        parts: Sequence[FramePart] = (),
        pixels: Sequence[npt.NDArray[Any]] = (),
        notes: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.parts = tuple(parts)
        self.pixels = tuple(pixels)
        self.notes = tuple(notes)


def read_raw_frame(source: BinaryIO | str | Path) -> RawFrame:
    """Read a raw frame: its two-dimensional images, in adu.

    Integers of up to 16 bits become float32, which holds them exactly; wider ones float64.

    Raises
    ------
    UsageError
        If the file is not a whole FITS file, holds no image, or a larger one than the settings allow.
    """
    with opened_raw(source, load_settings().max_pixels) as file:
        parts = chosen_parts(file.parts)
        file.refuse_more_than_bound(parts)
        pixels = [file.pixels(part) for part in parts]
        return RawFrame(
            pixels[0], unit="adu", meta=parts[0].header.copy(), parts=parts, pixels=pixels, notes=file.notes
        )


def raw_frame_parts(source: BinaryIO | str | Path) -> tuple[tuple[FramePart, ...], list[str]]:
    """Return the images of a raw file, and what is to be said of it; all its pixels are read, to be sure of them.

    Raises
    ------
    UsageError
        If the file is not a whole FITS file, holds no image, or a larger one than the settings allow.
    """
    with opened_raw(source, load_settings().max_pixels) as file:
        for part in file.parts:
            file.pixels(part)
        return file.parts, file.notes


def write_raw_frame(frame: CCDData, target: BinaryIO | str | Path) -> None:
    """Write a frame as one primary image; whole numbers that fit are written as uint16."""
    values = np.asarray(frame.data)
    whole = np.isfinite(values).all() and (values == np.floor(values)).all()
    if whole and values.size and values.min() >= 0 and values.max() < 2**16:
        values = values.astype(np.uint16)
    fits.PrimaryHDU(values, header=without_structure(fits.Header(frame.header, copy=True))).writeto(target)
