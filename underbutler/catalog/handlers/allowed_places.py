"""Which files a server of runs opens: a run may have been imported, and its documents may name any file of the machine.

What is asked for elsewhere is refused alike, whether it is there or not, and without looking.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from underbutler.errors import TransientError, UsageError
from underbutler.model.naming import make_bucket_name, parse_s3_url
from underbutler.settings import Settings

from .registry import Handler
from .specs import BUTLER

__all__ = ["AllowedPlaces", "PlaceRefusedError", "ReadingTimeoutError", "guarded"]

READING_S: Final = 60.0
"""Longest time of reading one value, in seconds."""

_AT_ONCE: Final = 16
"""Values that are read at once, those among them that nobody waits for any more."""


class PlaceRefusedError(UsageError, PermissionError):
    """A document names a file that is none of those which this server opens."""

    def __init__(self, message: str | None = None, **fields: object) -> None:
        super().__init__(
            message
            or "it is none of the places that this server opens. Its operator may add one: runs serve --root DIR, "
            "--bucket NAME",
            **fields,
        )


class ReadingTimeoutError(TransientError, TimeoutError):
    """A file was not read in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedPlaces:
    """Roots and buckets whose files are opened; datasets of the Butler always are.

    Parameters
    ----------
    roots
        Folders, by their absolute names: as they are called, and without symbolic links.
    buckets
        Names of S3 buckets.
    bucket_prefixes
        What other buckets' names begin with.
    """

    roots: tuple[str, ...] = ()
    buckets: frozenset[str] = frozenset()
    bucket_prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings, roots: Iterable[str | Path] = (), buckets: Iterable[str] = ()) -> AllowedPlaces:
        """Return the annex's buckets, and those places that are given.

        Raises
        ------
        UsageError
            If a root is something else.
        """
        given = [Path(root).expanduser() for root in roots]
        for root in given:
            if not root.is_dir():
                raise UsageError(f"There is no folder {root}, of which files could be served. Write --root DIR.")
        site = make_bucket_name("x", None, settings.s3_instance, settings.s3_category)[: -len("-x")]
        return cls(
            roots=tuple(name for root in given for name in {str(root.absolute()), os.path.realpath(root)}),
            buckets=frozenset([*buckets, site]),
            bucket_prefixes=(f"{site}-",),
        )

    def check(self, spec: str, place: str) -> None:
        """Refuse a place that is none of them, or no regular file.

        Raises
        ------
        PlaceRefusedError
            Always the same one.
        """
        scheme, separator, _ = place.partition("://")
        if spec == BUTLER and (not separator or scheme == "butler"):
            return
        if scheme == "s3" and separator:
            bucket, _ = parse_s3_url(place)
            if bucket in self.buckets or bucket.startswith(self.bucket_prefixes):
                return
        elif self._has_file(unquote(urlsplit(place).path) if scheme == "file" and separator else place):
            return
        raise PlaceRefusedError(spec=spec)

    def _has_file(self, path: str) -> bool:
        """Tell whether a path is under a root, first by its words alone: elsewhere nothing is looked at."""
        if "\0" in path or not self._holds(os.path.normpath(path)):
            return False
        real = os.path.realpath(path)
        if not self._holds(real):
            return False
        try:
            mode = os.stat(real).st_mode  # noqa: PTH116 - of the very path that was compared
        except OSError:
            return True  # it is gone, which its handler says
        return stat.S_ISREG(mode)

    def _holds(self, path: str) -> bool:
        return any(path.startswith(root.rstrip("/") + "/") for root in self.roots)


def guarded(handlers: Mapping[str, Handler], allowed: AllowedPlaces, also: Iterable[str] = ()) -> dict[str, Handler]:
    """Return the handlers of a server: they open allowed places, and are given up after `READING_S`.

    Parameters
    ----------
    handlers
        By spec.
    allowed
        What may be opened.
    also
        Specs whose handlers other packages bring. They may make other paths of the one that was looked at, so they are
        left out unless they are named here.

    Raises
    ------
    UsageError
        If one of these has no handler.
    """
    wanted = set(also)
    if unknown := sorted(wanted - set(handlers)):
        raise UsageError(f"No handler of spec {unknown[0]!r} is installed. Known: {', '.join(sorted(handlers))}.")
    return {
        spec: _Guarded(spec, handler, allowed)
        for spec, handler in handlers.items()
        if spec in wanted or str(getattr(handler, "__module__", "")).startswith("underbutler.")
    }


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A handler class that looks at the place first."""

    spec: str
    handler_class: Handler
    allowed: AllowedPlaces

    def __call__(self, path: str, **resource_kwargs: Any) -> _Reader:
        self.allowed.check(self.spec, str(path))
        return _Reader(_in_time(lambda: self.handler_class(path, **resource_kwargs), self.spec), self.spec)


@dataclass(frozen=True, slots=True)
class _Reader:
    """A handler that is given up when it takes too long."""

    handler: Any
    spec: str

    def __call__(self, **datum_kwargs: Any) -> Any:
        return _in_time(lambda: self.handler(**datum_kwargs), self.spec)

    def close(self) -> None:
        """Close what is open."""
        close = getattr(self.handler, "close", None)
        if close is not None:
            close()


_places = threading.BoundedSemaphore(_AT_ONCE)


def _in_time(read: Callable[[], Any], spec: str) -> Any:
    """Return what a function returns, which runs in a thread that nobody waits for at the end of the process."""
    if not _places.acquire(timeout=READING_S):
        raise ReadingTimeoutError("as many files are being read as are at once", spec=spec)
    result: list[Any] = []
    errors: list[BaseException] = []

    def reading() -> None:
        try:
            result.append(read())
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that asked
            errors.append(error)
        finally:
            _places.release()

    thread = threading.Thread(target=reading, name="reading", daemon=True)
    thread.start()
    thread.join(READING_S)
    if errors:
        raise errors[0]
    if not result:
        raise ReadingTimeoutError(f"it was not read within {READING_S:g} s", spec=spec)
    return result[0]
