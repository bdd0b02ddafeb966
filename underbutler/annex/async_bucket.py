"""`AsyncS3Bucket`: the asyncio face of one S3 bucket, as the seed documents it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from underbutler.model import naming
from underbutler.s3 import make_resource, translate_s3_errors
from underbutler.settings import Settings, load_settings

from .buckets import ensure_bucket

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["AsyncS3Bucket"]

Callback = Callable[[int], object]


class _Mock(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


class AsyncS3Bucket:
    """Asynchronous interface to one S3 bucket.

    Parameters
    ----------
    name
        Name of the bucket; see `make_bucket_name`.
    domock
        Use moto's in-process S3 in place of a store, for simulation and tests. The mock is process-wide until
        `stop_mock`; the bucket is made in it. The endpoint of the environment is not used.
    create
        Make the bucket if it is not there.
    settings
        Where the store is; default is the environment, then a running ``underbutler up``. ``S3_ENDPOINT_URL`` is
        the endpoint, and an empty string counts as unset.

    Attributes
    ----------
    service_resource : boto3.resources.factory.s3.ServiceResource
        The resource by which the store is reached.
    name : str
        The bucket's name.
    bucket : boto3.resources.factory.s3.Bucket
        The bucket.

    Raises
    ------
    AnnexUnavailableError
        By every coroutine, if the store does not answer. What the store does answer (no such key, access denied)
        comes as `botocore.exceptions.ClientError`, as the seed's callers expect.

    Notes
    -----
    The blocking calls run in the event loop's default thread pool; callbacks are called in such a thread.
    """

    def __init__(
        self, name: str, domock: bool = False, *, create: bool = False, settings: Settings | None = None
    ) -> None:
        self.name = name
        self._mock: _Mock | None = _started_mock() if domock else None
        try:
            chosen = settings or load_settings()
            self.service_resource: Any = make_resource(chosen, mock=domock)
            self.bucket: Any = self.service_resource.Bucket(name)
            if create or domock:
                ensure_bucket(self.service_resource.meta.client, name)
        except BaseException:
            self.stop_mock()
            raise

    async def upload(self, fileobj: BinaryIO, key: str, callback: Callback | None = None) -> None:
        """Upload a file-like object to the bucket.

        Parameters
        ----------
        fileobj
            Readable binary file-like object at the first byte to send. It is left open.
        key
            Name of the object in the bucket.
        callback
            Called with the number of bytes written since the call before; at least once, and the numbers add up to
            the size.
        """
        progress = _Progress(callback)
        source = _LeftOpen(fileobj)
        await self._call(key, lambda: self.bucket.upload_fileobj(source, key, Callback=progress))
        progress.finish()

    async def download(self, key: str, callback: Callback | None = None) -> io.BytesIO:
        """Download an object as a file-like object, at position 0.

        Parameters
        ----------
        key
            Name of the object in the bucket.
        callback
            Called with the number of bytes read since the call before; at least once, and the numbers add up to the
            size.
        """
        progress = _Progress(callback)
        fileobj = io.BytesIO()
        await self._call(key, lambda: self.bucket.download_fileobj(key, fileobj, Callback=progress))
        progress.finish()
        fileobj.seek(0)
        return fileobj

    async def exists(self, key: str) -> bool:
        """Return whether an object exists. Only an answer of 404 means that it does not."""
        try:
            await self.size(key)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return False
            raise
        return True

    async def size(self, key: str) -> int:
        """Return the size in bytes of an object."""
        head = await self._call(key, lambda: self.service_resource.meta.client.head_object(Bucket=self.name, Key=key))
        return int(head["ContentLength"])

    def stop_mock(self) -> None:
        """Stop the mock S3, if this bucket runs one."""
        mock, self._mock = self._mock, None
        if mock is not None:
            mock.stop()

    @staticmethod
    def make_bucket_name(salname: str, salindexname: str | None, s3instance: str, s3category: str = "LFA") -> str:
        """Make the name of a bucket; see `underbutler.model.naming.make_bucket_name`."""
        return naming.make_bucket_name(salname, salindexname, s3instance, s3category)

    @staticmethod
    def make_key(salname: str, generator: str, date: Time) -> str:
        """Make the key of an item of data; see `underbutler.model.naming.make_key`."""
        return naming.make_key(salname, generator, date)

    async def _call(self, key: str, function: Callable[[], Any]) -> Any:
        """Run a blocking call in a thread; a store that is away is told as our error."""
        try:
            return await asyncio.to_thread(function)
        except BotoCoreError:
            with translate_s3_errors(self.service_resource.meta.client, bucket=self.name, key=key):
                raise


class _Progress:
    """Counts what boto3 reports, so that a callback hears of an empty file too."""

    def __init__(self, callback: Callback | None) -> None:
        self._callback = callback
        self._called = False

    def __call__(self, count: int) -> None:
        self._called = True
        if self._callback is not None:
            self._callback(count)

    def finish(self) -> None:
        if not self._called:
            self(0)


class _LeftOpen:
    """A stream as boto3 may see it: boto3 closes what it uploads, the caller's stream stays open."""

    def __init__(self, fileobj: BinaryIO) -> None:
        self._fileobj = fileobj

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fileobj, name)

    def close(self) -> None:
        """Do nothing."""


def _started_mock() -> _Mock:
    import moto  # only for simulation: moto is not a dependency of production

    mock: _Mock = moto.mock_aws()
    mock.start()
    return mock
