"""How the Butler's file datastore reads and writes our storage classes. Named in a repository's ``butler.yaml``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from lsst.daf.butler import FormatterV2
from lsst.resources import ResourcePath

from underbutler.errors import UsageError

from .images import CcdImage
from .raw_frames import read_raw_frame, write_raw_frame

__all__ = ["CcdImageFormatter", "PngFormatter", "RawFrameFormatter"]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class CcdImageFormatter(FormatterV2):
    """Multi-extension FITS of a `CcdImage`. A component is read without the other planes, from any store."""

    default_extension = ".fits"
    can_read_from_stream = True
    can_read_from_local_file = True

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:  # noqa: ARG002
        """Read an image or a component from a file."""
        return CcdImage.read(path) if component is None else CcdImage.read_component(path, component)

    def read_from_stream(self, stream: Any, component: str | None = None, expected_size: int = -1) -> Any:  # noqa: ARG002
        """Read a component from where it is; a whole image is fetched first, which the datastore may cache."""
        return NotImplemented if component is None else CcdImage.read_component(stream, component)

    def to_bytes(self, in_memory_dataset: Any) -> bytes:
        """Return the file's content, for a store that takes bytes."""
        content: bytes = in_memory_dataset.to_bytes()
        return content

    def write_local_file(self, in_memory_dataset: Any, uri: ResourcePath) -> None:
        """Write the file."""
        with open(uri.ospath, "wb") as file:  # noqa: PTH123 - the datastore made the file
            in_memory_dataset.write(file)


class RawFrameFormatter(FormatterV2):
    """A camera's own FITS file as `CCDData` in adu."""

    default_extension = ".fits"
    can_read_from_local_file = True

    @classmethod
    def validate_extension(cls, location: Any) -> None:
        """Take a file of any name: what it holds says whether it is a frame, and an ingest has looked."""

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:  # noqa: ARG002
        """Read the frame from a file."""
        return read_raw_frame(path)

    def to_bytes(self, in_memory_dataset: Any) -> bytes:
        """Return the file's content."""
        stream = io.BytesIO()
        write_raw_frame(in_memory_dataset, stream)
        return stream.getvalue()


class PngFormatter(FormatterV2):
    """A picture as the bytes of its PNG file."""

    default_extension = ".png"
    can_read_from_local_file = True

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:  # noqa: ARG002
        """Read the bytes of the picture."""
        return Path(path).read_bytes()

    def to_bytes(self, in_memory_dataset: Any) -> bytes:
        """Return the bytes of the picture.

        Raises
        ------
        UsageError
            If they are not a PNG file's.
        """
        content = bytes(in_memory_dataset)
        if not content.startswith(_PNG_SIGNATURE):
            raise UsageError(
                f"The picture of {self.dataset_ref.datasetType.name} is not a PNG: put the bytes of a PNG file."
            )
        return content
