"""Values that are in the events, as arrays."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from .field_types import AnyArray, Declared

__all__ = ["inline_array"]

_WASTE = 8
"""Strings become an array of fixed width unless it is this many times larger than they are."""


def inline_array(declared: Declared, values: Any, seq_num: Sequence[int], *, guess: bool = False) -> AnyArray:
    """Return one field's values of all events as an array of shape ``(events, …)``.

    Values of a shape that is not fixed, and not the same in all events, become an array of arrays (dtype object).

    Parameters
    ----------
    declared
        What the descriptor says of the field.
    values
        One value per event: a list or an array.
    seq_num
        Of the events, for errors.
    guess
        Whether the array must have the dtype that a lazy one has promised.

    Raises
    ------
    FieldError
        If values and declaration cannot be brought together.
    """
    if len(values) == 0:
        return declared.nothing()
    array = _long_strings(declared, values, seq_num)
    if array is None:
        array = _array(values)
    if array is None and declared.fixed_shape is not None and any(value is None for value in values):
        nothing = declared.absent(1, declared.fixed_shape)[0]
        array = _array([nothing if value is None else value for value in values])
    if array is None:
        return _ragged(declared, values, seq_num)
    if not declared.accepts(array.shape[1:]):
        declared.check_shape(array.shape[1:], f"event {seq_num[0]}")
    if array.dtype.kind == "O":
        array = _of_objects(declared, array)
    elif array.dtype.kind == "U" and array.ndim == 1:
        _refuse_mixture(declared, values, seq_num)
    return declared.cast(array, _events(seq_num), guess=guess)


def _long_strings(declared: Declared, values: Any, seq_num: Sequence[int]) -> AnyArray | None:
    """Return strings as objects where few are long: of fixed width they might not fit into memory. None if they do."""
    if not isinstance(values, list) or not isinstance(values[0], str):
        return None
    lengths = [len(value) for value in values if isinstance(value, str)]
    if len(values) * max(lengths) <= _WASTE * (sum(lengths) + 16384):
        return None
    if None not in values:
        _refuse_mixture(declared, values, seq_num)
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _array(values: Any) -> AnyArray | None:
    """Return values as one array; None if their shapes differ."""
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return values
    try:
        return np.asarray(values if isinstance(values, list) else list(values))
    except ValueError:
        return None


def _ragged(declared: Declared, values: Sequence[Any], seq_num: Sequence[int]) -> AnyArray:
    column = np.empty(len(values), object)
    first: tuple[int, ...] | None = None
    for row, value in enumerate(values):
        try:
            column[row] = np.asarray(value)
        except ValueError as error:
            raise declared.disagreement(f"has rows of different lengths in event {seq_num[row]}") from error
        shape = column[row].shape
        declared.check_shape(shape, f"event {seq_num[row]}")
        if declared.shape is None and first is not None and len(shape) != len(first):
            raise declared.disagreement(f"has shape {first} in event {seq_num[0]} and {shape} in event {seq_num[row]}")
        first = shape if first is None else first
    return column


def _of_objects(declared: Declared, array: AnyArray) -> AnyArray:
    """Return numbers of which some are missing (None) as NaN; other objects as they are."""
    if declared.broad in {"string", "boolean"}:
        return array
    try:
        return array.astype(float)
    except (TypeError, ValueError):
        return array


def _refuse_mixture(declared: Declared, values: Any, seq_num: Sequence[int]) -> None:
    """Refuse what numpy makes strings of for being among strings."""
    if isinstance(values, np.ndarray) or declared.broad == "array":
        return
    text = declared.broad == "string"
    for row, value in enumerate(values):
        if isinstance(value, str) != text:
            raise declared.disagreement(f"holds {reprlib.repr(value)} in event {seq_num[row]}")


def _events(seq_num: Sequence[int]) -> str:
    return f"event {seq_num[0]}" if len(seq_num) == 1 else f"events {seq_num[0]} to {seq_num[-1]}"
