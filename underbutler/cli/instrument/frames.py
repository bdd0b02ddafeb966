"""Frames and maps that a command names: files read without their pixels, maps by file or name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from underbutler.errors import UnknownNameError, UsageError
from underbutler.instruments.header_scan import scan_parts
from underbutler.instruments.instrument_map import (
    InstrumentMap,
    choose_map,
    load_instrument_map,
    shipped_dialects,
    shipped_maps,
    translator_map,
)
from underbutler.instruments.readout import FramePart
from underbutler.instruments.translation import translator_cameras

__all__ = ["frame_parts", "map_of", "named_map"]


def frame_parts(file: Path) -> tuple[FramePart, ...]:
    """Read the headers of a frame's images.

    Raises
    ------
    UsageError
        If the file cannot be read or is not FITS.
    """
    try:
        with file.open("rb") as stream:
            return scan_parts(stream)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.", file=str(file)) from error
    except UsageError as error:
        raise UsageError(f"{file}: {error}", file=str(file)) from error


def named_map(word: str) -> InstrumentMap:
    """Return the map that a file holds, that ships under a name, or that of a translator's camera.

    Raises
    ------
    UsageError
        If it is neither.
    """
    known = {one.name: one for one in (*shipped_maps(), *shipped_dialects())}
    if word in known:
        return known[word]
    if word.endswith(".toml") or "/" in word or Path(word).exists():
        return load_instrument_map(word)
    if word in translator_cameras():
        return translator_map(word)
    raise UnknownNameError.of("shipped map", word, known, "A map of your own is named by its file.")


def map_of(parts: Iterable[FramePart]) -> InstrumentMap:
    """Return the shipped map that is for a frame.

    Raises
    ------
    UsageError
        If there is none.
    """
    first = next(iter(parts), None)
    if first is None:
        raise UsageError("The file holds no two-dimensional image.")
    return choose_map(first.header, [*shipped_maps(), *shipped_dialects()])
