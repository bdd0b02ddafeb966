"""Retrieval: an object comes out of the annex and is proven to be the announced one."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from underbutler.errors import IntegrityError, UsageError
from underbutler.model.naming import parse_s3_url
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.s3 import S3Client, translate_s3_errors

from .parts import MIB

__all__ = ["fetch"]


def fetch(
    client: S3Client,
    what: LargeFileObjectAvailable | str,
    fileobj: BinaryIO,
    *,
    size: int | None = None,
    sha256: str | None = None,
) -> int:
    """Stream an object into a file and prove it, size and SHA-256.

    Parameters
    ----------
    client
        From `make_client`.
    what
        The notice that announced the object, or its ``s3://bucket/key`` URL together with `size` and `sha256`.
    fileobj
        Writable; after an error it is cut back to where it was, if it can be.
    size
        Expected size in bytes; from the notice when there is one.
    sha256
        Expected SHA-256, hexadecimal; from the notice when there is one.

    Returns
    -------
    int
        Size in bytes.

    Raises
    ------
    IntegrityError
        If size or SHA-256 differ.
    LostDatasetError
        If there is no such object.
    AnnexUnavailableError
        If the store does not answer.
    UsageError
        If only a URL is given: there is nothing to compare with.
    """
    if isinstance(what, LargeFileObjectAvailable):
        url, size, sha256 = what.url, what.byteSize, what.checkSum
    else:
        url = what
    if size is None or sha256 is None:
        raise UsageError(f"Nothing says what {url} should be. Pass its notice, or size= and sha256=.", url=url)
    begin = fileobj.tell() if fileobj.seekable() else None
    try:
        _copy(client, url, fileobj, size, sha256.lower())
    except BaseException:
        if begin is not None:
            fileobj.seek(begin)
            fileobj.truncate()
        raise
    return size


def _copy(client: S3Client, url: str, fileobj: BinaryIO, size: int, sha256: str) -> None:
    bucket, key = parse_s3_url(url)
    digest = hashlib.sha256()
    got = 0
    with translate_s3_errors(client, bucket=bucket, key=key):
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
    while True:
        with translate_s3_errors(client, bucket=bucket, key=key):
            data = body.read(MIB)
        if not data:
            break
        digest.update(data)
        got += len(data)
        fileobj.write(data)
    body.close()
    wrong = []
    if got != size:
        wrong.append(f"it has {got} bytes, announced were {size}")
    if digest.hexdigest() != sha256:
        wrong.append(f"its SHA-256 is {digest.hexdigest()}, announced was {sha256}")
    if wrong:
        raise IntegrityError(
            f"{url} is not what its notice says: {'; '.join(wrong)}. Ask for the delivery to be repeated.",
            bucket=bucket,
            key=key,
        )
