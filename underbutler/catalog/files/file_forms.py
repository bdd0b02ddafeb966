"""Files of documents, as ``suitcase-jsonl`` and ``suitcase-msgpack`` write them.

Each file is one run: JSON lines ``["start", {…}]``, or such pairs in msgpack one after the other. A file that is still
being written may end in the middle of a document, which then is not there yet.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgpack
import numpy as np
from pydantic_core import from_json

from underbutler.catalog.arrays.msgpack_arrays import array_form, number_form, of_form
from underbutler.errors import UnknownNameError, UsageError

__all__ = ["FORMS", "FileForm", "UnreadableRunFileError", "form_of", "read_documents"]

_CHUNK: Final = 64 * 1024
"""So much is read of a file's beginning and end when a catalogue is opened; more, if a document is longer."""

_LONGEST: Final = 2**31 - 1


class UnreadableRunFileError(UsageError, ValueError):
    """A file does not hold the documents of a run."""


class FileForm:
    """How documents are written to a file."""

    suffix: str

    @abstractmethod
    def encode(self, name: str, document: Mapping[str, Any]) -> bytes:
        """Return a document as it is written."""

    @abstractmethod
    def documents(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the names and documents of a file.

        Raises
        ------
        UnreadableRunFileError
            If there is something else in it.
        """

    @abstractmethod
    def first(self, head: bytes) -> Any:
        """Return the first document of a file that begins like this; None if more of it is needed."""

    @abstractmethod
    def last(self, tail: bytes, is_whole: bool) -> Any:
        """Return the stop at the end of a file that ends like this; None if there is none, or more of it is needed."""

    @abstractmethod
    def may_be_longer(self, tail: bytes) -> bool:
        """Tell whether a stop may be at the end of a file of which `last` found none in this end."""

    def ends(self, path: str, file: int, size: int) -> tuple[dict[str, Any], dict[str, Any] | None] | None:
        """Return start and stop of a file, read from its two ends; None if there is no whole document in it yet.

        Parameters
        ----------
        path
            What the file is called.
        file
            Its descriptor.
        size
            How long it is, in bytes.

        Raises
        ------
        UnreadableRunFileError
            If it does not begin with a start document.
        """
        head = _read(file, 0, min(_CHUNK, size))
        found = self._first(path, head)
        while found is None and len(head) < size:
            head = _read(file, 0, min(4 * len(head), size))
            found = self._first(path, head)
        if found is None:
            return None
        if not _is_pair(found) or found[0] != "start" or not isinstance(found[1].get("uid"), str):
            raise _unreadable(path, "its first document is not a start with a uid")
        start = found[1]
        tail = head if len(head) == size else _read(file, size - _CHUNK, _CHUNK)
        found = self.last(tail, len(tail) == size)
        while found is None and len(tail) < size and self.may_be_longer(tail):
            tail = _read(file, max(0, size - 4 * len(tail)), min(4 * len(tail), size))
            found = self.last(tail, len(tail) == size)
        if _is_pair(found) and found[0] == "stop" and found[1].get("run_start") == start["uid"]:
            return start, found[1]
        return start, None

    def _first(self, path: str, head: bytes) -> Any:
        try:
            return self.first(head)
        except (ValueError, TypeError, RecursionError) as error:
            raise _unreadable(path, f"it does not begin with one: {error}") from error


class _JsonLines(FileForm):
    suffix = ".jsonl"

    def encode(self, name: str, document: Mapping[str, Any]) -> bytes:
        return json.dumps([name, document], default=_json_of_numpy).encode() + b"\n"

    def documents(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    pair = _of_json(line)
                except ValueError as error:
                    if not line.endswith(b"\n"):
                        return
                    if not line.strip():
                        continue
                    raise _unreadable(path, f"line {number} is not JSON: {error}") from error
                if not _is_pair(pair):
                    raise _unreadable(path, f"line {number} is not a name and document")
                yield pair[0], pair[1]

    def first(self, head: bytes) -> Any:
        line, newline, _ = head.partition(b"\n")
        return _of_json(line) if newline else None

    def last(self, tail: bytes, is_whole: bool) -> Any:
        _, newline, line = tail.rstrip(b"\n").rpartition(b"\n")
        if (not newline and not is_whole) or not line.lstrip().startswith(b'["stop"'):
            return None
        try:
            return _of_json(line)
        except ValueError:
            return None

    def may_be_longer(self, tail: bytes) -> bool:
        return b"\n" not in tail.rstrip(b"\n")


class _Msgpack(FileForm):
    suffix = ".msgpack"

    def encode(self, name: str, document: Mapping[str, Any]) -> bytes:
        return bytes(msgpack.packb((name, document), default=_msgpack_of_numpy, use_bin_type=True))

    def documents(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        with path.open("rb") as file:
            unpacker = msgpack.Unpacker(file, object_hook=of_form, raw=False, max_buffer_size=_LONGEST)
            while True:
                try:
                    pair = next(unpacker)
                except StopIteration:
                    return
                except (ValueError, TypeError) as error:
                    raise _unreadable(path, f"byte {unpacker.tell()} does not continue it: {error}") from error
                if not _is_pair(pair):
                    raise _unreadable(path, f"what ends at byte {unpacker.tell()} is not a name and document")
                yield pair[0], pair[1]

    def first(self, head: bytes) -> Any:
        return _unpacked(head)

    def last(self, tail: bytes, is_whole: bool) -> Any:  # noqa: ARG002 - it is found wherever it begins
        place = tail.rfind(self._STOP)
        while place >= 0:
            unpacker = msgpack.Unpacker(object_hook=of_form, raw=False, max_buffer_size=_LONGEST)
            unpacker.feed(tail[place:])
            try:
                found = unpacker.unpack()
            except (ValueError, TypeError, msgpack.exceptions.UnpackException):
                found = None
            if _is_pair(found) and unpacker.tell() == len(tail) - place:
                return found
            place = tail.rfind(self._STOP, 0, place)
        return None

    def may_be_longer(self, tail: bytes) -> bool:  # noqa: ARG002 - what begins before is not told by the end
        return True

    _STOP: Final = b"\x92\xa4stop"
    """How a pair of ``stop`` and a document begins."""


FORMS: Final[Mapping[str, FileForm]] = {"jsonl": _JsonLines(), "msgpack": _Msgpack()}
"""Forms of files by name."""


def form_of(path: str) -> FileForm:
    """Return the form of a file, by its suffix.

    Raises
    ------
    UnknownNameError
        If it is none of ours.
    """
    name = path.rpartition(".")[2]
    if name not in FORMS:
        raise UnknownNameError.of("form of run files", name, FORMS)
    return FORMS[name]


def read_documents(path: str | os.PathLike[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the names and documents of a ``.jsonl`` or ``.msgpack`` file.

    Raises
    ------
    UnknownNameError
        If its suffix is another.
    UnreadableRunFileError
        If it holds something else.
    """
    return form_of(os.fspath(path)).documents(Path(path))


def _read(file: int, begin: int, length: int) -> bytes:
    data = os.pread(file, length, begin)
    while len(data) < length and (more := os.pread(file, length - len(data), begin + len(data))):
        data += more
    return data


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def _unreadable(path: str | Path, reason: str) -> UnreadableRunFileError:
    return UnreadableRunFileError(
        f"{path} does not hold the documents of a run: {reason}. Expected is what suitcase-jsonl or suitcase-msgpack "
        "writes.",
        path=str(path),
    )


def _unpacked(head: bytes) -> Any:
    """Return the first object of some bytes; None if they are only the beginning of one."""
    unpacker = msgpack.Unpacker(object_hook=of_form, raw=False, max_buffer_size=_LONGEST)
    unpacker.feed(head)
    try:
        return unpacker.unpack()
    except msgpack.OutOfData:
        return None


def _of_json(line: bytes) -> Any:
    """Return what a line says: read by pydantic, which is quick, and what that refuses by Python."""
    try:
        return from_json(line, cache_strings="keys")
    except ValueError:
        return json.loads(line)


def _json_of_numpy(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be written to a file of documents")


def _msgpack_of_numpy(value: Any) -> Any:
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return array_form(value)
    return number_form(value) if isinstance(value, np.generic) else _json_of_numpy(value)
