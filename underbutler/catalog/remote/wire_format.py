"""Documents and arrays as they travel over HTTP: MessagePack, and JSON.

An array is said as in the files of runs. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

import msgpack
import numpy as np

from underbutler.catalog.arrays.msgpack_arrays import array_form, of_form
from underbutler.catalog.schema import without_numpy
from underbutler.errors import MessageError, UsageError

__all__ = ["JSON_LINES", "MSGPACK", "VERSION", "VERSION_HEADER", "compact", "json_line", "pack", "unpack", "unpacked"]

VERSION: Final = 1
"""Of what is said over HTTP: raised when an older client or server would misunderstand."""

VERSION_HEADER: Final = "Underbutler-Catalog-Version"

MSGPACK: Final = "application/msgpack"
JSON_LINES: Final = "application/x-ndjson"

_LONG: Final = 1
"""Type code of an integer of more than 64 bits, as decimal digits."""

_DTYPES: Final = {float: np.float64, int: np.int64, bool: np.bool_}

_MOST_BYTES: Final = 2**32 - 1
"""Of one array: what MessagePack can count."""


def pack(value: Any) -> bytes:
    """Return a value as MessagePack.

    Raises
    ------
    UsageError
        If it holds what has no form there: an array of more than 4 GiB, or no value of a document at all.
    """
    return bytes(msgpack.packb(value, default=_wire, unicode_errors="surrogatepass"))


def unpack(content: bytes) -> Any:
    """Return what `pack` packed.

    Raises
    ------
    MessageError
        If the bytes are not that (also a `ValueError`).
    """
    try:
        return msgpack.unpackb(content, **_UNPACKING)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise _no_message(error) from error


def unpacked(chunks: Iterable[bytes]) -> Iterator[Any]:
    """Yield the values that were packed one after the other, as their bytes come in.

    Raises
    ------
    MessageError
        If the bytes are not that, or end in the middle (also a `ValueError`).
    """
    unpacker = msgpack.Unpacker(max_buffer_size=0, **_UNPACKING)
    fed = read = 0
    for chunk in chunks:
        unpacker.feed(chunk)
        fed += len(chunk)
        try:
            for value in unpacker:
                read = unpacker.tell()
                yield value
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise _no_message(error) from error
    if read != fed:
        raise _no_message(EOFError("it ends in the middle of a value"))


def json_line(value: Any) -> bytes:
    """Return a value as one line of JSON. What is not finite is null: JSON has no word for it.

    Raises
    ------
    UsageError
        If it holds what JSON cannot, e.g. bytes or complex numbers.
    """
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def compact(column: Any) -> Any:
    """Return a column as an array if it is one of floats, integers or booleans alone; else as a list."""
    if isinstance(column, np.ndarray):
        return column if not column.dtype.hasobject else column.tolist()
    values: list[Any] = list(column)
    shape = [len(values)]
    kinds = set(map(type, values))
    while kinds == {list}:
        lengths = set(map(len, values))
        if len(lengths) != 1:
            return list(column)
        shape.append(lengths.pop())
        values = list(chain.from_iterable(values))
        kinds = set(map(type, values))
    if kinds == {np.ndarray} and len({(value.shape, value.dtype) for value in values}) == 1:
        return compact(np.stack(values).reshape(*shape, *values[0].shape))
    if len(kinds) == 1 and (dtype := _DTYPES.get(kinds.pop())) is not None:
        try:
            return np.array(values, dtype).reshape(shape)
        except OverflowError:
            pass
    return list(column)


def _wire(value: Any) -> Any:
    """Return what MessagePack knows, of what it does not."""
    if isinstance(value, int):
        return msgpack.ExtType(_LONG, str(value).encode())
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return list(value) if value.ndim else value.item()
        if value.nbytes > _MOST_BYTES:
            raise UsageError(
                f"An array of {value.nbytes} bytes (shape {value.shape}) is too large for one message of 4 GiB. "
                "Leave its field out with exclude=…, or read it where it is.",
                shape=list(value.shape),
            )
        return array_form(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    """Return what JSON knows, of what it does not."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    try:
        return without_numpy(value)
    except TypeError as error:
        raise UsageError(
            f"A {type(value).__name__} cannot be sent in a document. Documents hold numbers, texts, booleans, null, "
            f"lists, mappings and arrays; bytes are sent only as {MSGPACK}.",
            type=type(value).__name__,
        ) from error


def _finite(value: Any) -> Any:
    """Return a value with null for every number that is not finite."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    return _finite(_plain(value))


def _as_integer(code: int, content: bytes) -> Any:
    if code == _LONG:
        return int(content)
    return msgpack.ExtType(code, content)


def _no_message(error: BaseException) -> MessageError:
    return MessageError(f"no MessagePack of runs: {error}")


_UNPACKING: Final[dict[str, Any]] = {
    "raw": False,
    "strict_map_key": False,
    "object_hook": of_form,
    "ext_hook": _as_integer,
    "unicode_errors": "surrogatepass",
}
