"""Pixels of PNG pictures."""

from __future__ import annotations

import io
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .resource_file import FileHandler
from .specs import PNG

__all__ = ["PNG_SIGNATURE", "BrokenPictureError", "PngPicture", "decode_png"]

AnyArray: TypeAlias = npt.NDArray[Any]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"


class BrokenPictureError(ValueError):
    """Bytes are no whole PNG picture."""


class PngPicture(FileHandler):
    """Handler of spec ``ANNEX_PNG``: the pixels of a picture, the top row first.

    Parameters
    ----------
    path
        ``s3://bucket/key``, or a path.
    **file_arguments
        What every file handler takes: ``size``, ``sha256``, ``dataset``, ``verify``, ``settings``.
    """

    spec = PNG

    def __init__(self, path: str, **file_arguments: Any) -> None:
        super().__init__(path, **file_arguments)

    def __call__(self, **unknown: Any) -> AnyArray:
        """Return the pixels: shape ``(ny, nx)``, or ``(ny, nx, bands)`` for a picture in colour or with transparency.

        Parameters
        ----------
        **unknown
            What a datum says: this handler knows nothing.

        Raises
        ------
        GoneFileError, AnnexUnavailableError
            If the file is not there, or the store does not answer.
        UnreadableFileError, WrongFileError
            If it is not a whole PNG file, or another one than the resource says.
        """
        with self._reading(unknown):
            content = self.file.content()
        try:
            return decode_png(content)
        except BrokenPictureError as error:
            raise self._unreadable("PNG file", error) from error


def decode_png(content: bytes) -> AnyArray:
    """Return the pixels of a PNG file's content.

    Raises
    ------
    BrokenPictureError
        If it is none, is cut short, or is so large that it can only be an attack.
    """
    from PIL import Image

    if not content.startswith(PNG_SIGNATURE):
        raise BrokenPictureError("it does not begin like one")
    if _PNG_END not in content:
        raise BrokenPictureError(f"it has no end within its {len(content)} bytes")
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            if picture.mode == "P":
                return np.array(picture.convert("RGBA" if "transparency" in picture.info else "RGB"))
            return np.array(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BrokenPictureError(str(error)) from error
