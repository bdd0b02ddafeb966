"""Files that are compressed as a whole: told by how they begin, and read as if they were not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final, cast

from underbutler.errors import UsageError

__all__ = ["INFLATING_ERRORS", "stem_of", "unpacked"]

INFLATING_ERRORS: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What reading a damaged compressed file raises."""

_INFLATERS: Final[tuple[tuple[bytes, Any], ...]] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ", lzma.open),
)
_ZIP: Final = b"PK\x03\x04"
_COMPRESS: Final = b"\x1f\x9d"
_BESIDE: Final = ("__MACOSX", ".DS_Store", "Thumbs.db")
"""What programs that pack folders put beside the files."""


_SUFFIXES = re.compile(r"\.(fits|fit|fts)?(\.?(fz|gz|bz2|xz|zip|Z))?$", re.IGNORECASE)


def stem_of(name: str) -> str:
    """Return the name of a file without the extensions of FITS files and of compressed ones."""
    return _SUFFIXES.sub("", name) or "frame"


def unpacked(file: BinaryIO) -> BinaryIO | None:
    """Return the content of a compressed file, or None if a file is not compressed as a whole.

    Parameters
    ----------
    file
        The file, which can be searched; it is read from its beginning.

    Raises
    ------
    UsageError
        If it is compressed in a way that is not read, or is an archive of several files: the text says what to do.
    """
    begin = file.read(6)
    file.seek(0)
    if begin.startswith(_COMPRESS):
        raise UsageError("It is packed by compress (.Z), which is not read. Unpack it, or pack it with gzip.")
    if begin.startswith(_ZIP):
        return _only_member(file)
    opener = next((opener for magic, opener in _INFLATERS if begin.startswith(magic)), None)
    return None if opener is None else cast("BinaryIO", opener(file, "rb"))


def _only_member(file: BinaryIO) -> BinaryIO:
    """Return the only file of a zip archive."""
    try:
        archive = zipfile.ZipFile(file)
        members = [one for one in archive.namelist() if not one.endswith("/") and not _is_beside(one)]
        if len(members) != 1:
            listed = ", ".join(members[:5]) or "none"
            raise UsageError(f"It is a zip archive of {len(members)} files ({listed}). Unpack it, and give its files.")
        return cast("BinaryIO", archive.open(members[0]))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # damaged, packed oddly, with a password
        raise UsageError(f"It is a zip archive that cannot be read: {error}. Unpack it, and give its files.") from error


def _is_beside(name: str) -> bool:
    return bool(set(PurePosixPath(name).parts) & set(_BESIDE))
