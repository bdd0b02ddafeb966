"""Delivery: a Butler artifact goes to S3 in one pass, and what arrived is proven.

Nothing of the object is on disk here and at most `BUFFER_BYTES` of it in memory. While one part is read and hashed,
others are on the wire. Every part carries Content-MD5, which every store checks; a HEAD then compares size, ETag and,
where the store keeps one, the CRC-32 with what was computed on this side.

The SHA-256 of the whole is in the object's metadata when the object is small enough for one request. S3 fixes the
metadata of a multipart object before its first byte is sent, so there the digest of the stream cannot be in it: it is
in the notice and in the records. A copy of the object onto itself would add it: 0.1 s for 256 MiB on Swift, which
copies a manifest, but on AWS a second writing of every byte that ends at 5 GiB, and a new ETag after the verification.
"""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from underbutler.errors import IntegrityError, LostDatasetError, UnderbutlerError
from underbutler.model.naming import check_key, s3_url
from underbutler.s3 import S3Client, translate_s3_errors
from underbutler.telemetry.logs import get_logger

from .parts import MIB, PartDigest, check_end, composite_crc32, multipart_etag, part_size, read_into

__all__ = ["BUFFER_BYTES", "PART_BYTES", "DeliveredObject", "deliver"]

PART_BYTES = 8 * MIB
"""Part size unless asked otherwise."""
BUFFER_BYTES = 48 * MIB
"""What the parts in memory take together, in bytes; an object over 234 GiB has parts over half of it, and takes two."""
_MAX_IN_FLIGHT = 4

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredObject:
    """An object that is in the annex, whole and verified.

    Parameters
    ----------
    bucket, key
        Where it is.
    byte_size
        Size in bytes.
    sha256
        SHA-256 of the whole object, hexadecimal.
    etag
        ETag as the store says it, without quotes.
    url
        ``s3://bucket/key``.
    """

    bucket: str
    key: str
    byte_size: int
    sha256: str
    etag: str
    url: str


def deliver(
    client: S3Client,
    source: BinaryIO,
    *,
    bucket: str,
    key: str,
    size: int,
    mime_type: str,
    metadata: Mapping[str, str],
    part_bytes: int = PART_BYTES,
) -> DeliveredObject:
    """Stream a source into the annex and prove that it arrived.

    Parameters
    ----------
    client
        From `make_client`.
    source
        Readable stream at the first byte to send; read once, to its end, never sought, left open.
    bucket, key
        Where the object goes. The bucket exists.
    size
        Size of the source in bytes.
    mime_type
        Becomes the object's Content-Type.
    metadata
        Becomes the object's metadata (ASCII); ``sha256`` is added when the object fits one part.
    part_bytes
        Size of a part in bytes, at least 5 MiB; grows with objects of more than 10 000 parts.

    Raises
    ------
    IntegrityError
        If the source is shorter or longer than `size`, or the store holds or received other bytes. Nothing is left
        under the key.
    AnnexUnavailableError
        If the store does not answer, refuses the credentials or lacks the bucket.
    UsageError
        If key, metadata or size are outside S3's rules.
    """
    shipment = _Shipment(client, bucket, check_key(key), size, mime_type, dict(metadata))
    part = part_size(size, part_bytes)
    sent = _put_at_once(shipment, source) if size <= part else _put_in_parts(shipment, source, part)
    try:
        etag = _verify(shipment, sent)
    except IntegrityError:
        _discard(shipment)
        raise
    return DeliveredObject(
        bucket=bucket, key=key, byte_size=size, sha256=sent.sha256, etag=etag, url=s3_url(bucket, key)
    )


@dataclass(frozen=True, slots=True)
class _Shipment:
    """What goes where."""

    client: S3Client
    bucket: str
    key: str
    size: int
    mime_type: str
    metadata: dict[str, str]

    @property
    def place(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}

    @property
    def url(self) -> str:
        return s3_url(self.bucket, self.key)

    @property
    def adds_checksums(self) -> bool:
        """Whether the store takes additional checksums (`s3_checksums`)."""
        return bool(self.client.meta.config.request_checksum_calculation == "when_supported")

    def digests(self, part: PartDigest) -> dict[str, str]:
        """Return the headers by which the store refuses other bytes than these."""
        return {"ContentMD5": part.content_md5} | (
            {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": part.checksum_crc32} if self.adds_checksums else {}
        )


@dataclass(frozen=True, slots=True)
class _Sent:
    """What the store should say of the object."""

    sha256: str
    etag: str
    crc32: str


def _put_at_once(shipment: _Shipment, source: BinaryIO) -> _Sent:
    sha256 = hashlib.sha256()
    body = bytearray(shipment.size)
    got = read_into(body, source, shipment.size, sha256)
    check_end(source, got=got, size=shipment.size, name=shipment.url)
    digest = PartDigest.of(body)
    with translate_s3_errors(shipment.client, bucket=shipment.bucket, key=shipment.key):
        shipment.client.put_object(
            **shipment.place,
            Body=body,
            ContentLength=shipment.size,
            ContentType=shipment.mime_type,
            Metadata=shipment.metadata | {"sha256": sha256.hexdigest()},
            **shipment.digests(digest),
        )
    return _Sent(sha256.hexdigest(), digest.etag, digest.checksum_crc32)


def _put_in_parts(shipment: _Shipment, source: BinaryIO, part: int) -> _Sent:
    checksums = {"ChecksumAlgorithm": "CRC32"} if shipment.adds_checksums else {}
    with translate_s3_errors(shipment.client, bucket=shipment.bucket, key=shipment.key):
        created = shipment.client.create_multipart_upload(
            **shipment.place, ContentType=shipment.mime_type, Metadata=shipment.metadata, **checksums
        )
    upload = _PartUpload(shipment, str(created["UploadId"]), part)
    try:
        sha256 = upload.send(source)
        upload.complete()
    except BaseException:  # also Ctrl-C and a time limit: parts of an upload that nobody ends are paid for ever
        upload.abort()
        raise
    return _Sent(sha256, multipart_etag(upload.digests), composite_crc32(upload.digests))


@dataclass(slots=True)
class _PartUpload:
    """One multipart upload: a bounded set of buffers goes round between the reader and the uploading threads."""

    shipment: _Shipment
    upload_id: str
    part: int
    digests: list[PartDigest] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def send(self, source: BinaryIO) -> str:
        """Read the source once, send its parts, return the SHA-256 of the whole."""
        sha256 = hashlib.sha256()
        in_flight = min(_MAX_IN_FLIGHT, max(1, BUFFER_BYTES // self.part - 1))
        free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(in_flight + 1):
            free.put(bytearray(self.part))
        pending: list[Future[tuple[PartDigest, dict[str, Any]]]] = []
        got = 0
        with ThreadPoolExecutor(in_flight, thread_name_prefix="annex-part") as pool:
            try:
                while got < self.shipment.size:
                    buffer = free.get()
                    self._raise_failure()
                    wanted = min(self.part, self.shipment.size - got)
                    del buffer[wanted:]  # only the last part is shorter
                    came = read_into(buffer, source, wanted, sha256)
                    got += came
                    if came < wanted:
                        break
                    pending.append(pool.submit(self._send_part, len(pending) + 1, buffer, free))
                check_end(source, got=got, size=self.shipment.size, name=self.shipment.url)
                wait(pending, return_when=FIRST_EXCEPTION)
                self._raise_failure()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        for future in pending:
            digest, part = future.result()
            self.digests.append(digest)
            self.parts.append(part)
        return sha256.hexdigest()

    def _raise_failure(self) -> None:
        if self.failures:
            raise self.failures[0]

    def _send_part(
        self, number: int, buffer: bytearray, free: queue.SimpleQueue[bytearray]
    ) -> tuple[PartDigest, dict[str, Any]]:
        shipment = self.shipment
        try:
            digest = PartDigest.of(buffer)
            with translate_s3_errors(shipment.client, bucket=shipment.bucket, key=shipment.key):
                answer = shipment.client.upload_part(
                    **shipment.place,
                    UploadId=self.upload_id,
                    PartNumber=number,
                    Body=buffer,
                    ContentLength=len(buffer),
                    **shipment.digests(digest),
                )
        except BaseException as error:
            self.failures.append(error)
            raise
        finally:
            free.put(buffer)
        # A store that keeps checksums says so and wants them again; Swift does not know the element and refuses it.
        checksum = {"ChecksumCRC32": digest.checksum_crc32} if "ChecksumCRC32" in answer else {}
        return digest, {"PartNumber": number, "ETag": answer["ETag"], **checksum}

    def complete(self) -> None:
        """Make one object of the parts."""
        shipment = self.shipment
        with translate_s3_errors(shipment.client, bucket=shipment.bucket, key=shipment.key):
            try:
                shipment.client.complete_multipart_upload(
                    **shipment.place, UploadId=self.upload_id, MultipartUpload={"Parts": self.parts}
                )
            except ClientError as error:
                # botocore repeats a request whose answer was lost; the upload is then complete and gone. HEAD decides.
                if error.response.get("Error", {}).get("Code") != "NoSuchUpload":
                    raise

    def abort(self) -> None:
        """Have the store drop the parts; best effort, because what went wrong is told already."""
        shipment = self.shipment
        try:
            with translate_s3_errors(shipment.client, bucket=shipment.bucket, key=shipment.key):
                shipment.client.abort_multipart_upload(**shipment.place, UploadId=self.upload_id)
        except UnderbutlerError as error:
            _log.warning("multipart_not_aborted", url=shipment.url, upload_id=self.upload_id, reason=str(error))


def _verify(shipment: _Shipment, sent: _Sent) -> str:
    """Compare what the store says of the object with what was sent, and return the store's ETag."""
    with translate_s3_errors(shipment.client, bucket=shipment.bucket, key=shipment.key):
        try:
            head = shipment.client.head_object(**shipment.place, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                raise IntegrityError(f"{shipment.url} is not there although the store took it.") from error
            raise
    etag = str(head["ETag"]).strip('"')
    checks: list[tuple[str, object, object]] = [("size", shipment.size, head["ContentLength"])]
    if _etag_is_md5(head):
        checks.append(("ETag", sent.etag, etag))
    kept = str(head.get("ChecksumCRC32", "")).partition("-")[0]
    whole_of_parts = "-" in sent.etag and head.get("ChecksumType") == "FULL_OBJECT"
    if kept and not whole_of_parts:
        checks.append(("CRC-32", sent.crc32, kept))
    wrong = [f"{name} {theirs!r}, sent was {ours!r}" for name, ours, theirs in checks if ours != theirs]
    if wrong:
        raise IntegrityError(
            f"The annex holds other bytes of {shipment.url}: {'; '.join(wrong)}. The object is removed and the "
            "delivery repeated.",
            bucket=shipment.bucket,
            key=shipment.key,
            wrong=wrong,
        )
    return etag


def _etag_is_md5(head: Mapping[str, Any]) -> bool:
    """Objects under a key of KMS or of the customer have an ETag that is not an MD5: there the CRC-32 decides."""
    return not str(head.get("ServerSideEncryption", "")).startswith("aws:kms") and "SSECustomerAlgorithm" not in head


def _discard(shipment: _Shipment) -> None:
    """Remove an object that is not what was sent; best effort, no notice will name it."""
    try:
        with translate_s3_errors(shipment.client, bucket=shipment.bucket, key=shipment.key):
            shipment.client.delete_object(**shipment.place)
    except LostDatasetError:
        return
    except UnderbutlerError as error:
        _log.warning("wrong_object_not_removed", url=shipment.url, reason=str(error))
