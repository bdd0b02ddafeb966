"""Columns as bytes: how events of a closed run are kept.

A pack is a msgpack map of field → ``[kind, shape, compressed, bytes]``. Columns of floats or of integers, or of lists
of them that all have one shape, are kept as arrays; everything else as JSON. What comes out equals what went in, types
too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgpack
import numpy as np

__all__ = ["pack", "unpack"]

_JSON: Final = "json"
_COMPRESS_FROM: Final = 64
"""Columns of fewer bytes are kept as they are."""

_WORTH: Final = 0.8
"""Columns that do not become smaller than this part of themselves are kept as they are."""


def pack(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return columns as bytes.

    Parameters
    ----------
    columns
        Values of each field: what JSON can hold, NaN and infinities too.
    """
    return bytes(msgpack.packb({key: _packed(list(column)) for key, column in columns.items()}))


def unpack(packed: bytes, keys: Collection[str] | None = None) -> dict[str, Any]:
    """Return columns: arrays where they were kept as such, else lists.

    Parameters
    ----------
    packed
        What `pack` returned.
    keys
        Which fields; all when None. Those that there are not are left out.
    """
    columns = msgpack.unpackb(packed, raw=False, strict_map_key=False)
    return {key: _unpacked(*columns[key]) for key in columns if keys is None or key in keys}


def _packed(column: list[Any]) -> list[Any]:
    array = _as_array(column)
    if array is None:
        kind, shape, content = _JSON, (len(column),), json.dumps(column, separators=(",", ":")).encode()
    else:
        kind, shape, content = array.dtype.str, array.shape, array.tobytes()
    smaller = zlib.compress(content, 1) if len(content) >= _COMPRESS_FROM else content
    compressed = len(smaller) < _WORTH * len(content)
    return [kind, shape, compressed, smaller if compressed else content]


def _unpacked(kind: str, shape: list[int], compressed: bool, content: bytes) -> Any:
    if compressed:
        content = zlib.decompress(content)
    if kind == _JSON:
        return json.loads(content)
    return np.frombuffer(content, dtype=kind).reshape(shape)


def _as_array(column: list[Any]) -> np.ndarray[Any, Any] | None:
    """Return a column as an array of 8-byte numbers; None where that would lose anything."""
    shape = [len(column)]
    values: list[Any] = column
    kinds = set(map(type, values))
    while kinds == {list}:
        lengths = set(map(len, values))
        if len(lengths) != 1:
            return None
        shape.append(lengths.pop())
        values = list(chain.from_iterable(values))
        kinds = set(map(type, values))
    try:
        if kinds == {float}:
            return np.array(values, dtype="<f8").reshape(shape)
        if kinds == {int}:
            return np.array(values, dtype="<i8").reshape(shape)
    except OverflowError:
        pass
    return None
