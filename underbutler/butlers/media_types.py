"""Media types (MIME) of the files that the Butler writes, by file name extension."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

__all__ = ["MEDIA_TYPES", "media_type", "suffix_of"]

MEDIA_TYPES: Final = {
    ".ecsv": "text/csv",
    ".fits": "application/fits",  # RFC 4047: the primary part may be without an image
    ".fits.fz": "application/fits",
    ".fits.gz": "application/gzip",
    ".json": "application/json",
    ".parq": "application/vnd.apache.parquet",
    ".pickle": "application/octet-stream",
    ".png": "image/png",
    ".py": "text/x-python",
    ".yaml": "application/yaml",  # RFC 9512
}
"""The extension of each formatter that Underbutler's dataset types use, and what it holds."""

UNKNOWN = "application/octet-stream"


def suffix_of(name: str) -> str:
    """Return the extension of a file name, of two parts if the table knows them: ``.fits``, ``.fits.gz``."""
    suffixes = PurePosixPath(name.lower()).suffixes
    double = "".join(suffixes[-2:])
    return double if double in MEDIA_TYPES else (suffixes[-1] if suffixes else "")


def media_type(name: str) -> str:
    """Return the media type of a file name, path or URI."""
    return MEDIA_TYPES.get(suffix_of(name), UNKNOWN)
