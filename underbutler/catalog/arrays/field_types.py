"""What a descriptor says of a field, and what is done when its values say otherwise."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from underbutler.errors import UsageError

__all__ = ["Declared", "FieldError", "Shape", "in_a_stream"]

Shape: TypeAlias = tuple[int, ...]
AnyArray: TypeAlias = npt.NDArray[Any]

_KINDS = {"number": "fiubc", "integer": "iub", "boolean": "b", "string": "UOTSM", "array": "fiubcUOTSMmV"}
"""Kinds of numpy dtypes that a broad dtype of event-model stands for."""

_EMPTY = {"number": "f8", "integer": "i8", "boolean": "?", "string": "U1", "array": "f8"}
"""The dtype of a field of which there are no values yet, or none that was loaded."""

_NUMERIC = "fiubc"


class FieldError(UsageError, ValueError):
    """The values of a field are not what its descriptor says."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What the descriptor says of one field.

    Parameters
    ----------
    key
        The field.
    stream
        The stream that it is in.
    shape
        Its shape, with None for a size that is not fixed; None if even their number is not.
    dtype
        The dtype that it names; None if it only says, broadly, ``number``.
    broad
        ``number``, ``integer``, ``boolean``, ``string`` or ``array``.
    dims
        Names of its dimensions; empty if it has none.
    external
        Whether its values are somewhere else.
    """

    key: str
    stream: str
    shape: tuple[int | None, ...] | None
    dtype: np.dtype[Any] | None
    broad: str
    dims: tuple[str, ...]
    external: bool

    @classmethod
    def of(cls, key: str, data_key: Mapping[str, Any], stream: str, *, dtype: bool = True) -> Declared:
        """Read the data key of a field.

        Parameters
        ----------
        key, data_key, stream
            The field, what the descriptor says of it, and the stream that it is in.
        dtype
            Whether the dtype that it names matters.

        Raises
        ------
        FieldError
            If it names a dtype that numpy does not know.
        """
        named = (data_key.get("dtype_numpy") or data_key.get("dtype_str")) if dtype else None
        try:
            numpy_dtype = _numpy_dtype(named) if named else None
        except TypeError as error:
            raise FieldError(
                f"Field {key!r} of stream {stream!r} names a dtype that numpy does not know: {named!r}. "
                f"Correct it with transforms={{'descriptor': …}}, or read without it: exclude=[{key!r}].",
                field=key,
            ) from error
        broad = data_key.get("dtype") or "array"
        sizes = _as_it_is(data_key.get("shape"), broad)
        shape = None if sizes is None else tuple(n if isinstance(n, int) and n > 0 else None for n in sizes)
        if broad == "array" and shape == ():
            shape = None
        return cls(
            key=key,
            stream=stream,
            shape=shape,
            dtype=numpy_dtype,
            broad=broad,
            dims=tuple(data_key.get("dims") or ()),
            external=bool(data_key.get("external")),
        )

    @property
    def fixed_shape(self) -> Shape | None:
        """The shape, if every size of it is fixed."""
        if self.shape is None or None in self.shape:
            return None
        return tuple(size for size in self.shape if size is not None)

    @property
    def dtype_or_guess(self) -> np.dtype[Any]:
        """The dtype that it names; else one that its broad dtype stands for."""
        return self.dtype if self.dtype is not None else np.dtype(_EMPTY.get(self.broad, "f8"))

    @property
    def value_bytes(self) -> int:
        """Nominal size of one event's value; sizes that are not fixed count as 1."""
        size = 1
        for length in self.shape or ():
            size *= length or 1
        return size * max(1, self.dtype_or_guess.itemsize)

    def nothing(self) -> AnyArray:
        """Return the values of no events."""
        sizes = tuple(size or 0 for size in self.shape or ())
        return np.empty((0, *sizes), self.dtype_or_guess)

    def absent(self, rows: int, shape: Shape) -> AnyArray:
        """Return what stands for values that are not there: NaN, or None where a number cannot be."""
        dtype = self.dtype_or_guess
        if dtype.kind in "iuf":
            return np.full((rows, *shape), np.nan, dtype if dtype.kind == "f" else float)
        return np.full((rows, *shape), None, object)

    def check_shape(self, found: Shape, event: str) -> None:
        """Refuse a value of another shape.

        Raises
        ------
        FieldError
            With the field, the event and both shapes.
        """
        if not self.accepts(found):
            raise self.disagreement(f"has shape {found} in {event}")

    def accepts(self, found: Shape) -> bool:
        """Tell whether a value of this shape is one that was declared."""
        if self.shape is None:
            return True
        if len(found) != len(self.shape):
            return None in self.shape and not self.dims  # an old way to say that even the number of sizes is open
        return all(size is None or size == other for size, other in zip(self.shape, found, strict=True))

    def cast(self, values: AnyArray, event: str, *, guess: bool = False) -> AnyArray:
        """Return values in the dtype that was declared.

        Numbers of another kind than the broad dtype says are taken as they are, with a warning; so are numbers that the
        named dtype cannot hold.

        Parameters
        ----------
        values
            What was found.
        event
            Which event, or events, in the words of an error.
        guess
            Whether they must have `dtype_or_guess`, where no dtype is named: a lazy array has promised it.

        Raises
        ------
        FieldError
            If values and declaration cannot be brought together.
        """
        kind = values.dtype.kind
        if kind == "O" and self.broad == "boolean" and not guess and all(_is_flag(value) for value in values.flat):
            return values
        if kind not in _KINDS.get(self.broad, _KINDS["array"]):
            if kind not in _NUMERIC or self.broad == "string":
                raise self.disagreement(f"holds {_described(values)} in {event}")
            warnings.warn(
                self._text(f"holds {values.dtype} in {event}; the values are taken as they are"), stacklevel=2
            )
        target = self.dtype_or_guess if guess else self.dtype
        if target is None or values.dtype == target or (target.kind in "UOTS" and kind in "UOTS"):
            return values
        if np.can_cast(values.dtype, target, "same_kind"):
            return values.astype(target)
        with np.errstate(all="ignore"):
            try:
                same = values.astype(target)
            except (TypeError, ValueError) as error:
                raise self.disagreement(f"holds {_described(values)} in {event}") from error
        if np.array_equal(same, values):
            return same
        if guess or kind not in _NUMERIC:
            raise self.disagreement(f"holds {_described(values)} in {event}")
        warnings.warn(self._text(f"holds {values.dtype} in {event}; the values are taken as they are"), stacklevel=2)
        return values

    def disagreement(self, found: str) -> FieldError:
        """Return the error that names the field, what was declared and what was found."""
        cure = (
            f"Correct the descriptor with transforms={{'descriptor': …}}, or read without it: exclude=[{self.key!r}]."
        )
        return FieldError(f"{self._text(found)}. {cure}", field=self.key, stream=self.stream)

    def _text(self, found: str) -> str:
        shape = "any shape" if self.shape is None else f"shape {[*self.shape]}"
        dtype = f"dtype {self.broad}" if self.dtype is None else f"dtype {self.dtype.str}"
        return f"Field {self.key!r} of stream {self.stream!r} is declared with {shape} and {dtype}, and {found}"


def _as_it_is(sizes: Sequence[int | None] | None, broad: str) -> Sequence[int | None] | None:
    """Return a shape; that of images as old releases of ophyd said it, ``(x, y, 0)``, in the order of the axes.

    See https://github.com/bluesky/ophyd/pull/746: the number of images, which comes first, is not said.
    """
    if sizes is not None and broad == "array" and len(sizes) == 3 and sizes[2] == 0:
        return None, sizes[1], sizes[0]
    return sizes


def in_a_stream(said: Mapping[str, Any]) -> bool:
    """Tell whether a field is in stream_resource documents, by its data key, and so in no event."""
    return str(said.get("external", "")).startswith("STREAM:")


def _is_flag(value: object) -> bool:
    return value is None or isinstance(value, bool | np.bool_)


def _described(values: AnyArray) -> str:
    if values.dtype.kind in "UO" and values.size:
        return f"values like {reprlib.repr(values.item(0))} (dtype {values.dtype})"
    return f"dtype {values.dtype}"


def _numpy_dtype(named: Any) -> np.dtype[Any]:
    """Return the dtype of a ``dtype_numpy``: a string, or a list of names and strings for a structured one."""
    if isinstance(named, str):
        return np.dtype(named)
    return np.dtype([(str(name), str(kind)) for name, kind in named])
