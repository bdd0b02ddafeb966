"""An object of S3 as a file that can be sought and of which only what is read is fetched."""

from __future__ import annotations

import io
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underbutler.errors import AnnexUnavailableError, LostDatasetError, TransientError, UsageError

if TYPE_CHECKING:
    from underbutler.s3 import S3Client

__all__ = ["BLOCK_BYTES", "ReplacedObjectError", "S3File"]

BLOCK_BYTES = 16 * 2**10
"""Least that one request fetches: a FITS header, or the footer of a table, and its neighbours."""

_MOST_AHEAD = 2**20
_KEPT_BYTES = 4 * 2**20
_CHUNK_BYTES = 2**18
_BREAKS = 2
"""Bodies that may break off before their first chunk, one after the other."""
_RANGE = re.compile(r"bytes (?P<begin>\d+)-\d+/(?P<size>\d+)")


class ReplacedObjectError(TransientError):
    """An object is not the one any more that was announced, or of which bytes were read before."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Bytes of the object that are kept."""

    begin: int
    data: bytes

    @property
    def end(self) -> int:
        return self.begin + len(self.data)


class S3File(io.BufferedIOBase):
    """A readable file over ranged GETs.

    What is read in small pieces comes in blocks, which are kept; they grow while the pieces follow each other. What is
    read in one piece larger than a block is fetched exactly, in one request. A body that breaks off is continued where
    it broke. Not for two threads at once.

    Parameters
    ----------
    client
        The S3 client.
    bucket, key
        Where the object is.
    from_end
        Whether the first request fetches the object's end, where the footer of a table is, and not its begin.
    block_bytes
        Least that one request fetches.
    etag
        ETag that the object should have; whichever it has if None. Each request asks for no other (``If-Match``).

    Raises
    ------
    LostDatasetError
        By every method that reads, if there is no such object.
    AnnexUnavailableError
        By them, if the store does not answer.
    ReplacedObjectError
        By them, if the object is not the one any more of which bytes were read before.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        key: str,
        *,
        from_end: bool = False,
        block_bytes: int = BLOCK_BYTES,
        etag: str | None = None,
    ) -> None:
        self.name = f"s3://{bucket}/{key}"
        self._client = client
        self._place = {"Bucket": bucket, "Key": key}
        self._from_end = from_end
        self._block_bytes = self._ahead = block_bytes
        self._position = 0
        self._size: int | None = None
        self._etag = f'"{etag}"' if etag else ""
        self._blocks: deque[_Block] = deque()
        self._last_end = 0

    @property
    def size(self) -> int:
        """Size of the object in bytes."""
        if self._size is None:
            self._size = self._first_contact()
        return self._size

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position, and return it. Nothing is fetched, but for the size when it is counted from the end."""
        self._check_open()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        if base is None:
            base = self.size
        if base + offset < 0:
            raise ValueError(f"Position {base + offset} is before the begin of {self.name}.")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return so many bytes, fewer only at the end; all that are left when `size` is negative or None."""
        self._check_open()
        end = self.size if size is None or size < 0 else min(self._position + size, self.size)
        pieces: list[bytes] = []
        while self._position < end:
            pieces.append(self._piece(self._position, end))
            self._position += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer, and return how many bytes there were."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    read1 = read
    readinto1 = readinto

    def close(self) -> None:
        """Forget what is kept."""
        self._blocks.clear()
        super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(f"{self.name} is closed.")

    def _piece(self, begin: int, end: int) -> bytes:
        """Return bytes from `begin` on, up to `end` at most."""
        for block in self._blocks:
            if block.begin <= begin < block.end:
                return block.data[begin - block.begin : end - block.begin]
        end = min([end, *(block.begin for block in self._blocks if block.begin > begin)])
        follows = begin == self._last_end
        self._ahead = min(2 * self._ahead, _MOST_AHEAD) if follows else self._block_bytes
        if end - begin >= self._ahead:
            self._last_end = end
            return self._fetched(begin, end)
        block = _Block(begin, self._fetched(begin, min(begin + self._ahead, self.size)))
        self._keep(block)
        return block.data[: end - begin]

    def _keep(self, block: _Block) -> None:
        self._last_end = block.end
        self._blocks.append(block)
        while len(self._blocks) > 1 and sum(len(one.data) for one in self._blocks) > _KEPT_BYTES:
            self._blocks.popleft()

    def _first_contact(self) -> int:
        """Fetch the first block (or the last one), and return the size of the object."""
        wanted = f"bytes=-{self._block_bytes}" if self._from_end else f"bytes=0-{self._block_bytes - 1}"
        answer = self._get(wanted)
        if answer is None:
            return 0
        begin, size = self._range(answer)
        if self._etag and answer.get("ETag", self._etag) != self._etag:  # a store that does not look at If-Match
            answer["Body"].close()
            raise self._replaced()
        self._etag = answer.get("ETag", "")
        end = size if self._from_end else min(self._block_bytes, size)
        data, _ = self._received(answer["Body"], end - begin)
        if begin + len(data) < end:
            self._size = size
            data += self._fetched(begin + len(data), end)
        self._keep(_Block(begin, data))
        return size

    def _fetched(self, begin: int, end: int) -> bytes:
        """Return exactly these bytes of the object."""
        pieces: list[bytes] = []
        breaks = 0
        while begin < end:
            answer = self._get(f"bytes={begin}-{end - 1}")
            if answer is None or (answer.get("ETag", ""), self._range(answer)) != (self._etag, (begin, self._size)):
                raise self._replaced()
            data, error = self._received(answer["Body"], end - begin)
            breaks = 0 if data else breaks + 1
            if breaks == _BREAKS:
                raise AnnexUnavailableError(
                    f"The store breaks off {self.name} at byte {begin} ({error}). Try again later.", url=self.name
                ) from error
            pieces.append(data)
            begin += len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _replaced(self) -> ReplacedObjectError:
        when = "after it was announced" if self._size is None else "while it was read. Read it again"
        return ReplacedObjectError(f"{self.name} was replaced {when}.", url=self.name)

    def _get(self, wanted: str) -> dict[str, Any] | None:
        """Return the store's answer to a request for a range, or None if the object has no such bytes."""
        from botocore.exceptions import ClientError

        from underbutler.s3 import error_code, translate_s3_errors

        bucket, key = self._place["Bucket"], self._place["Key"]
        same = {"IfMatch": self._etag} if self._etag else {}
        with translate_s3_errors(self._client, bucket=bucket, key=key):
            try:
                answer: dict[str, Any] = self._client.get_object(**self._place, **same, Range=wanted)
            except ClientError as error:
                if error_code(error) in {"InvalidRange", "416"}:
                    return None
                if error_code(error) in {"PreconditionFailed", "412"}:
                    raise self._replaced() from error
                if error_code(error) == "NoSuchBucket":
                    raise LostDatasetError(
                        f"There is no bucket {bucket!r} at {self._client.meta.endpoint_url}.", bucket=bucket
                    ) from error
                raise
        return answer

    def _range(self, answer: dict[str, Any]) -> tuple[int, int]:
        """Return at which byte an answer begins, and the size of the object."""
        found = _RANGE.fullmatch(answer.get("ContentRange", ""))
        if found is None and answer.get("ContentLength") == 0:  # the whole of an empty object is every part of it
            return 0, 0
        if found is None:
            answer["Body"].close()
            raise UsageError(
                f"The store sends the whole of {self.name} where a part was asked for. Have whatever stands before "
                f"{self._client.meta.endpoint_url} pass on the header Range.",
                url=self.name,
            )
        return int(found["begin"]), int(found["size"])

    def _received(self, body: Any, length: int) -> tuple[bytes, AnnexUnavailableError | None]:
        """Return the bytes of a body, and why they are fewer, if it breaks off."""
        from underbutler.s3 import translate_s3_errors

        chunks: list[bytes] = []
        got, broken = 0, None
        try:
            with translate_s3_errors(self._client, bucket=self._place["Bucket"], key=self._place["Key"]):
                while got < length and (chunk := body.read(min(_CHUNK_BYTES, length - got))):
                    chunks.append(chunk)
                    got += len(chunk)
        except AnnexUnavailableError as error:
            broken = error
        finally:
            body.close()
        return b"".join(chunks), broken
