"""The index of repositories: a YAML mapping of labels to URIs, read by every process and written by few."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from underbutler.errors import UsageError

from .places import place_of

__all__ = ["RepositoryIndex"]


class RepositoryIndex:
    """Labels and URIs of the repositories that this installation knows.

    The Butler's own reader keeps an index for the life of a process; this one reads a local file again when it has
    changed.

    Parameters
    ----------
    uri
        Path or URI of the index. A missing local file is an empty index.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._read: tuple[object, dict[str, str]] | None = None

    def read(self, *, fresh: bool = False) -> dict[str, str]:
        """Return labels and URIs.

        Raises
        ------
        UsageError
            If it cannot be read, or is not a mapping of texts.
        """
        version = self._version()
        if fresh or self._read is None or self._read[0] != version:
            self._read = (version, self._load())
        return dict(self._read[1])

    def add(self, label: str, uri: str) -> None:
        """Add a label, atomically: readers see the old index or the new one.

        Raises
        ------
        UsageError
            If the label exists, or if the index is not a local file.
        """
        path = self._local_path()
        if path is None:
            raise UsageError(f"The index {self.uri} is not a local file: add the line `{label}: {uri}` to it yourself.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            known = self.read(fresh=True)
            if label in known:
                raise self.taken(label, known[label])
            _replace(path, known | {label: uri})
        self._read = None

    def taken(self, label: str, uri: str) -> UsageError:
        """Return the error that a label exists already."""
        return UsageError(
            f"The label {label!r} is taken by {uri}. Choose another one, or remove its line from {self.uri}.",
            label=label,
            uri=uri,
        )

    def _local_path(self) -> Path | None:
        uri = place_of(self.uri)
        return Path(uri.ospath) if uri.isLocal else None

    def _bytes(self) -> bytes:
        """Read it: a file of this machine without the class that reads from anywhere, which takes long to import."""
        if "://" in self.uri:
            content: bytes = place_of(self.uri).read()
            return content
        return Path(self.uri).expanduser().read_bytes()

    def _version(self) -> object:
        try:
            found = Path(self.uri.removeprefix("file://")).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _load(self) -> dict[str, str]:
        import yaml

        try:
            content: Any = yaml.safe_load(self._bytes()) or {}
        except FileNotFoundError:
            return {}
        except Exception as error:  # every transport has errors of its own
            raise UsageError(f"The index of repositories {self.uri} cannot be read: {error}", uri=self.uri) from error
        if not isinstance(content, dict) or not all(isinstance(part, str) for pair in content.items() for part in pair):
            raise UsageError(f"The index {self.uri} should map labels to URIs, `label: uri` per line.", uri=self.uri)
        return content


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl

    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, content: dict[str, str]) -> None:
    import yaml

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        yaml.safe_dump(content, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    Path(name).chmod(mode)
    Path(name).replace(path)
