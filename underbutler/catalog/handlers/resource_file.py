"""The file that a resource names, here or in S3, and what every handler of it knows."""

from __future__ import annotations

import hashlib
import io
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import unquote, urlsplit

from underbutler.errors import LostDatasetError, UsageError, suggest
from underbutler.model.naming import parse_s3_url
from underbutler.settings import Settings, load_settings

from .s3_file import ReplacedObjectError, S3File

__all__ = [
    "FileHandler",
    "GoneFileError",
    "HandlerArgumentError",
    "ResourceFile",
    "UnreadableFileError",
    "WrongFileError",
]

_CHUNK_BYTES = 2**20
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class HandlerArgumentError(UsageError, TypeError):
    """A resource or datum document says something that its handler does not know."""


class GoneFileError(LostDatasetError, FileNotFoundError):
    """The file of a resource is not there."""


class UnreadableFileError(UsageError, ValueError):
    """The file of a resource is there, and does not hold what its spec says."""


class WrongFileError(UsageError, ValueError):
    """The file of a resource holds other bytes than the resource says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFile:
    """A file, here or in S3.

    Parameters
    ----------
    url
        ``s3://bucket/key``, or a path.
    size
        How many bytes it should have; None if that is not known.
    sha256
        SHA-256 of its content, hexadecimal; None if that is not known.
    etag
        ETag of the object in S3 when it was announced; None if that is not known.
    dataset
        UUID of the dataset that it is a copy of, in the Butler; None if that is not known.
    settings
        Those of the store; the process's if None.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    etag: str | None = None
    dataset: str | None = None
    settings: Settings | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it is in S3."""
        return self.url.startswith("s3://")

    def open(self, *, from_end: bool = False) -> io.BufferedIOBase:
        """Open the file for reading; what is not read of an object in S3 is not fetched.

        Parameters
        ----------
        from_end
            Whether its end is read first.

        Raises
        ------
        GoneFileError
            If it is not there.
        AnnexUnavailableError
            If the store does not answer.
        WrongFileError
            If it has not the size that it should have, or is an object of S3 that was replaced by other bytes.
        """
        with self.being_read():
            if self.is_remote:
                return self._announced_object(from_end)
            file = Path(self.url).open("rb")  # noqa: SIM115 - the caller's
            try:
                self._check_size(os.fstat(file.fileno()).st_size)
            except BaseException:
                file.close()
                raise
            return file

    def content(self) -> bytes:
        """Return all bytes, which are the right ones if it is known which they should be.

        Raises
        ------
        WrongFileError
            If they are others.
        """
        with self.open() as file, self.being_read():
            data = file.read()
        self._check_digest(hashlib.sha256(data))
        return data

    def verify(self) -> None:
        """Read the file once, and compare it with its size and its SHA-256.

        Raises
        ------
        WrongFileError
            If it is another.
        """
        with self.open() as file, self.being_read():
            digest = _digest_of(file)
        self._check_digest(digest)

    @contextmanager
    def being_read(self) -> Iterator[None]:
        """Say of a file that is gone how else it may be read.

        Raises
        ------
        GoneFileError
            In place of the error of the store or the system.
        """
        try:
            yield
        except GoneFileError:
            raise
        except (LostDatasetError, FileNotFoundError) as error:
            butler = (
                f" It is a copy of dataset {self.dataset}, which the Butler may have still." if self.dataset else ""
            )
            reason = str(error) if isinstance(error, LostDatasetError) else f"There is no file {self.url}."
            raise GoneFileError(
                f"{reason}{butler} If the files were moved, map their root with root_map.",
                url=self.url,
                dataset=self.dataset,
            ) from error

    def _announced_object(self, from_end: bool) -> S3File:
        """Open the object that was announced; one of another ETag is it too if all its bytes are the same.

        An object has another ETag after it was copied to another store, or delivered again in parts of another size.
        """
        try:
            return self._object(from_end, self.etag)
        except ReplacedObjectError as error:
            with self._object(False, None) as there:
                self._check_size(there.size)
                if self.sha256 is None:
                    raise WrongFileError(
                        f"{self.url} was replaced after it was announced with the ETag {self.etag}, and nothing says "
                        "whether its bytes are the same. Bring the file back that was recorded.",
                        url=self.url,
                    ) from error
                self._check_digest(_digest_of(there))
            return self._object(from_end, None)

    def _object(self, from_end: bool, etag: str | None) -> S3File:
        from underbutler.s3 import shared_client

        bucket, key = parse_s3_url(self.url)
        client = shared_client(self.settings or load_settings())
        file = S3File(client, bucket, key, from_end=from_end, etag=etag)
        try:
            self._check_size(file.size)
        except BaseException:
            file.close()
            raise
        return file

    def _check_size(self, found: int) -> None:
        if self.size is not None and found != self.size:
            raise WrongFileError(
                f"{self.url} has {found} bytes, and its resource says {self.size}: it was cut short or replaced. "
                "Bring the file back that was recorded.",
                url=self.url,
                size=found,
            )

    def _check_digest(self, digest: Any) -> None:
        if self.sha256 is not None and digest.hexdigest() != self.sha256.lower():
            raise WrongFileError(
                f"{self.url} has the SHA-256 {digest.hexdigest()}, and its resource says {self.sha256}: its bytes have "
                "changed. Bring the file back that was recorded.",
                url=self.url,
                sha256=digest.hexdigest(),
            )


class FileHandler:
    """What every handler of one file does: knows where it is, and refuses what it does not understand.

    Nothing is opened before it is read. It pickles without what it has open.

    Parameters
    ----------
    path
        ``s3://bucket/key``, a path, or a ``file://`` URL; the root is joined to it already.
    size, sha256, etag
        What the file should be. The size is compared whenever the file is opened, an object's ETag at each request, the
        SHA-256 when all of it is read, and when the ETag is another one.
    dataset
        UUID of its dataset in the Butler, told when the file is gone.
    verify
        Whether all of it is read once and compared, before anything is returned.
    settings
        Those of the store; the process's if None. Bind others with `functools.partial`: no document holds them.
    **unknown
        What a resource says that no such handler knows.

    Raises
    ------
    HandlerArgumentError
        If an argument is not known, or not of its kind.
    """

    spec: ClassVar[str]
    resource_arguments: ClassVar[tuple[str, ...]] = ()
    """Arguments of a resource that it knows beside those of every file."""
    datum_arguments: ClassVar[tuple[str, ...]] = ()
    """Arguments of a datum that it knows."""

    def __init__(
        self,
        path: str,
        *,
        size: int | None = None,
        sha256: str | None = None,
        etag: str | None = None,
        dataset: str | None = None,
        verify: bool = False,
        settings: Settings | None = None,
        **unknown: Any,
    ) -> None:
        known = (*self.resource_arguments, "dataset", "etag", "sha256", "size", "verify")
        refuse_unknown(self.spec, "resource_kwargs", unknown, known)
        check_argument(self.spec, "size", size, int, "a number of bytes")
        check_argument(self.spec, "etag", etag, str, "the ETag of an object, without quotes")
        check_argument(self.spec, "verify", verify, bool, "true or false")
        check_argument(self.spec, "settings", settings, Settings, "an object of this process: no document holds it")
        if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
            raise HandlerArgumentError(
                f"Spec {self.spec!r} takes as sha256 64 hexadecimal digits, not {sha256!r}. Correct the resource, for "
                "instance with transforms={'resource': …}.",
                spec=self.spec,
            )
        self.file = ResourceFile(
            url=_place(path), size=size, sha256=sha256, etag=etag, dataset=dataset, settings=settings
        )
        self._unverified = verify
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """``s3://bucket/key``, or a path."""
        return self.file.url

    def get_file_list(self, datum_kwargs: Iterable[Mapping[str, Any]] = ()) -> list[str]:
        """Return the path or URL of its one file, whatever is wanted of it."""
        del datum_kwargs
        return [self.url]

    def verify(self) -> None:
        """Read the file once, and compare it with the size and the SHA-256 that its resource says.

        Raises
        ------
        WrongFileError
            If it is another.
        """
        self.file.verify()
        self._unverified = False

    def close(self) -> None:
        """Close what is open; it is opened again when it is read again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in {"_lock", *self._open_state}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock(), **dict.fromkeys(self._open_state))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    _open_state: ClassVar[tuple[str, ...]] = ()
    """Attributes that hold open files, and are None while none is open."""

    @contextmanager
    def _reading(self, unknown: Mapping[str, Any]) -> Iterator[None]:
        """Guard one read: its arguments, one thread, the file's identity, and what is said when the file is gone."""
        refuse_unknown(self.spec, "datum_kwargs", unknown, self.datum_arguments)
        with self._lock:
            if self._unverified:
                self.verify()
            with self.file.being_read():
                yield

    def _unreadable(self, what: str, reason: object) -> UnreadableFileError:
        return UnreadableFileError(f"{self.url} is not a readable {what}: {reason}", url=self.url, spec=self.spec)


def _digest_of(file: io.BufferedIOBase) -> Any:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest


def refuse_unknown(spec: str, where: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse arguments that a handler does not know.

    Raises
    ------
    HandlerArgumentError
        With the spec, the argument, and those that are known.
    """
    names = sorted(known)
    for name in given:
        raise HandlerArgumentError(
            f"Spec {spec!r} knows no {name!r} in {where}.{suggest(name, names)} Known: {', '.join(names) or 'none'}.",
            spec=spec,
            argument=name,
            known=names,
        )


def check_argument(spec: str, name: str, value: object, kind: Any, meaning: str) -> None:
    """Refuse the value of an argument that is of another kind; None says that it is not given.

    Raises
    ------
    HandlerArgumentError
        With the spec, the argument and its value.
    """
    wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
    if value is not None and wrong:
        raise HandlerArgumentError(f"Spec {spec!r} takes as {name} {meaning}, not {value!r}.", spec=spec, argument=name)


def _place(path: str) -> str:
    """Return an S3 URL or a path of this machine."""
    scheme, separator, _ = path.partition("://")
    if not separator:
        return path
    if scheme == "s3":
        parse_s3_url(path)
        return path
    if scheme == "file":
        return unquote(urlsplit(path).path)
    raise HandlerArgumentError(
        f"{path} is neither in S3 (s3://bucket/key) nor a file of this machine. Map its root to such a place with "
        "root_map.",
        url=path,
    )
