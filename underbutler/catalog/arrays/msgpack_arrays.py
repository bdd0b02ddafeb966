"""Arrays and numbers of numpy in MessagePack, as msgpack-numpy writes them, and so does suitcase-msgpack.

An array is a mapping of ``nd``, ``type``, ``kind``, ``shape`` and its raw bytes in ``data``. Nothing is ever unpickled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["ArrayForm", "array_form", "number_form", "of_form"]

ArrayForm: TypeAlias = dict[bytes, Any]


def array_form(array: npt.NDArray[Any]) -> ArrayForm:
    """Return how an array is said. It holds no Python objects."""
    plain = array.dtype.names is None
    return {
        b"nd": True,
        b"type": array.dtype.str if plain else array.dtype.descr,
        b"kind": b"" if plain else b"V",
        b"shape": array.shape,
        b"data": array.tobytes(),
    }


def number_form(number: np.generic[Any]) -> ArrayForm:
    """Return how a number of numpy is said."""
    return {b"nd": False, b"type": number.dtype.str, b"data": number.tobytes()}


def of_form(mapping: dict[Any, Any]) -> Any:
    """Return the array or number that a mapping stands for; other mappings as they are.

    Raises
    ------
    ValueError
        If it is not described in full, or is an array of Python objects, which are pickled.
    """
    if b"nd" not in mapping:
        return complex(mapping[b"data"]) if b"complex" in mapping and b"data" in mapping else mapping
    if mapping.get(b"kind") == b"O":
        raise ValueError("it holds a pickled array, which is never loaded")
    try:
        return _array(mapping) if mapping[b"nd"] else np.frombuffer(mapping[b"data"], _dtype(mapping[b"type"]))[0]
    except (LookupError, AttributeError, TypeError) as error:
        raise ValueError(f"it holds an array that is not described in full: {error}") from error


def _array(mapping: ArrayForm) -> npt.NDArray[Any]:
    dtype, shape, data = _dtype(mapping[b"type"]), tuple(mapping[b"shape"]), bytearray(mapping[b"data"])
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"it holds an array of shape {shape} and dtype {dtype} in {len(data)} bytes")
    return np.ndarray(shape, dtype, buffer=data)


def _dtype(said: str | Sequence[Any]) -> np.dtype[Any]:
    dtype = np.dtype(said if isinstance(said, str) else [_member(one) for one in said])
    if dtype.hasobject:
        raise ValueError("it holds an array of Python objects, which are never loaded")
    return dtype


def _member(described: Sequence[Any]) -> tuple[Any, ...]:
    """Return one member of a structured dtype as numpy takes it."""
    name, kind, *shape = described
    inner = kind if isinstance(kind, str) else [_member(one) for one in kind]
    return (name, inner, *(tuple(size) for size in shape))
