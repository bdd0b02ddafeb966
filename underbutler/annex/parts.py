"""One pass over a stream, in parts of bounded size: who is cut how, and what the store should say of it.

The ETag of a multipart object is the MD5 of the parts' MD5s, with ``-N``; its composite CRC-32 is the CRC-32 of the
parts' CRC-32s.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from underbutler.errors import IntegrityError, UsageError

__all__ = [
    "MAX_PARTS",
    "MIB",
    "MIN_PART_BYTES",
    "Digest",
    "PartDigest",
    "check_end",
    "composite_crc32",
    "multipart_etag",
    "part_size",
    "read_into",
]

MIB = 2**20
MIN_PART_BYTES = 5 * MIB
"""Smallest part that S3 takes, but for the last."""
MAX_PARTS = 10_000
"""Most parts that one S3 object may have."""
_MAX_PART_BYTES = 5 * 2**30
_READ_BYTES = MIB


class Digest(Protocol):
    """What `read_into` tells the bytes to: the running SHA-256 of the whole."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""


@dataclass(frozen=True, slots=True)
class PartDigest:
    """What is known of one part on our side.

    Parameters
    ----------
    md5
        MD5 of the part, 16 bytes.
    crc32
        CRC-32 of the part, 4 bytes, most significant first.
    """

    md5: bytes
    crc32: bytes

    @classmethod
    def of(cls, data: bytes | bytearray) -> PartDigest:
        """Digest the bytes of one part."""
        return cls(hashlib.md5(data, usedforsecurity=False).digest(), zlib.crc32(data).to_bytes(4, "big"))

    @property
    def content_md5(self) -> str:
        """Value of the header ``Content-MD5``."""
        return base64.b64encode(self.md5).decode()

    @property
    def checksum_crc32(self) -> str:
        """Value of the header ``x-amz-checksum-crc32``."""
        return base64.b64encode(self.crc32).decode()

    @property
    def etag(self) -> str:
        """The ETag of an object that is this one part, put at once."""
        return self.md5.hex()


def multipart_etag(parts: Sequence[PartDigest]) -> str:
    """Return the ETag of an object made of parts."""
    whole = hashlib.md5(b"".join(part.md5 for part in parts), usedforsecurity=False).hexdigest()
    return f"{whole}-{len(parts)}"


def composite_crc32(parts: Sequence[PartDigest]) -> str:
    """Return the base64 CRC-32 of the parts' CRC-32s, without the ``-N`` that AWS adds."""
    return base64.b64encode(zlib.crc32(b"".join(part.crc32 for part in parts)).to_bytes(4, "big")).decode()


def part_size(size: int, wished: int) -> int:
    """Return the part size for an object: the wished one, or larger so that 10 000 parts suffice.

    Parameters
    ----------
    size
        Size of the object in bytes.
    wished
        Part size in bytes that is used when it is at least 5 MiB and gives at most 10 000 parts.

    Raises
    ------
    UsageError
        If the size is negative, or over what 10 000 parts of 5 GiB hold.
    """
    if size < 0:
        raise UsageError(f"An object cannot have {size} bytes.", size=size)
    needed = -(-size // MAX_PARTS)
    if needed > _MAX_PART_BYTES:
        raise UsageError(f"{size} bytes are more than S3 holds in one object. Divide the dataset.", size=size)
    whole_mib = -(-needed // MIB) * MIB
    return max(wished, MIN_PART_BYTES, whole_mib)


def read_into(buffer: bytearray, source: BinaryIO, count: int, digest: Digest) -> int:
    """Fill a buffer from a stream that may give less than it is asked for.

    Parameters
    ----------
    buffer
        At least `count` bytes long.
    source
        Read until `count` bytes came or it ended.
    count
        Bytes wanted.
    digest
        Told of each byte, in order.

    Returns
    -------
    int
        Bytes that came; fewer than `count` only when the stream ended.
    """
    filled = 0
    while filled < count:
        data = source.read(min(_READ_BYTES, count - filled))
        if not data:
            break
        digest.update(data)
        buffer[filled : filled + len(data)] = data
        filled += len(data)
    return filled


def check_end(source: BinaryIO, *, got: int, size: int, name: str) -> None:
    """Raise `IntegrityError` if a stream gave fewer bytes than its size, or would give more."""
    if got < size:
        raise IntegrityError(
            f"The source of {name} ended after {got} of {size} bytes: it is being written, or was cut.", got=got
        )
    if source.read(1):
        raise IntegrityError(f"The source of {name} holds more than the {size} bytes it was said to have.", got=got)
