"""Columns that stay where they are until they are read: what lazy arrays are made of.

Each is what dask asks of an array that it wraps: ``shape``, ``dtype``, ``ndim`` and slices of it. They pickle as far as
the run's source and handlers do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import numpy as np

from underbutler.catalog.source import EventSource

from .columns import read_columns
from .external import ExternalData, Place
from .field_types import AnyArray, Declared, Shape
from .inline import inline_array

__all__ = ["ExternalColumn", "InlineColumn", "StoredColumn"]

READERS = 8
"""How many external values are fetched at a time: most of the time is waiting for a store."""

CHUNK_BYTES = 16 * 2**20
"""Nominal size of what one task of a lazy inline column reads."""


class StoredColumn:
    """A field of all events of one descriptor.

    Parameters
    ----------
    declared
        What the descriptor says of the field.
    rows
        How many events there are.
    """

    def __init__(self, declared: Declared, rows: int) -> None:
        self.declared = declared
        self.rows = rows
        self.shape: Shape = (rows,)
        self.dtype = declared.dtype_or_guess

    @property
    def ndim(self) -> int:
        """Number of dimensions, that of events among them."""
        return len(self.shape)

    def promise(self, shape: Shape, dtype: np.dtype[Any]) -> None:
        """Say what slices will be: ``shape`` is that of one event's value."""
        self.shape, self.dtype = (self.rows, *shape), dtype

    def __getitem__(self, index: Any) -> AnyArray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, slice):
            begin, end, step = first.indices(self.rows)
            return self.read(range(begin, end, step))[(slice(None), *rest)]
        row = range(self.rows)[first]
        value: AnyArray = self.read(range(row, row + 1))[(0, *rest)]
        return value

    def read(self, rows: range) -> AnyArray:
        """Return the values of some events, as they were promised."""
        raise NotImplementedError

    def lazy(self, rows_per_chunk: int, token: tuple[Any, ...]) -> Any:
        """Return a dask array that reads when it is computed.

        Parameters
        ----------
        rows_per_chunk
            How many events one task reads.
        token
            What tells the column from all others: equal tokens are one array to dask.
        """
        import dask.array
        from dask.tokenize import tokenize

        full, rest = divmod(self.rows, rows_per_chunk)
        chunks = ((rows_per_chunk,) * full + ((rest,) if rest else ()), *((size,) for size in self.shape[1:]))
        return dask.array.from_array(
            self,
            chunks=chunks if self.rows else self.shape,
            name=f"{self.declared.key}-{tokenize(*token, self.shape, self.dtype)}",
            meta=np.empty((0,) * self.ndim, self.dtype),
        )


class ExternalColumn(StoredColumn):
    """A field whose values are in external files, one task per event.

    Parameters
    ----------
    declared
        What the descriptor says of the field.
    external
        Loads values.
    descriptor
        The descriptor.
    values
        Datum ids; values where ``filled`` says so.
    filled
        False for a datum id; None if the events do not say it.
    uid, seq_num
        Of the events.
    """

    def __init__(
        self,
        declared: Declared,
        external: ExternalData,
        descriptor: Mapping[str, Any],
        values: Sequence[Any],
        filled: Sequence[Any] | None,
        uid: Sequence[str],
        seq_num: Sequence[int],
    ) -> None:
        super().__init__(declared, len(values))
        self._external, self._descriptor = external, descriptor
        self._values, self._filled = values, filled
        self._uid, self._seq_num = uid, seq_num

    def read(self, rows: range) -> AnyArray:
        """Return the values of some events, as they were promised."""
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for place, row in enumerate(rows):
            value = self._value(row)
            if self._values[row] is not None:
                value = self.declared.cast(value, self._event(row), guess=True)
            if value.shape != self.shape[1:]:
                raise self.declared.disagreement(
                    f"has shape {value.shape} in {self._event(row)} and {self.shape[1:]} in others"
                )
            out[place] = value
        return out

    def read_all(self) -> AnyArray:
        """Return all values, several fetched at a time; those of shapes that differ as an array of arrays."""
        if not self.rows:
            return self.declared.nothing()
        saying = repeat(None) if self._filled is None else self._filled
        pairs = zip(self._values, saying, strict=False)
        self._external.prepare(value for value, said in pairs if is_external(self.declared, value, said))
        with ThreadPoolExecutor(min(READERS, self.rows)) as pool:
            values = pool.map(self._cast, range(self.rows))
            first = next(values)
            out = np.empty((self.rows, *first.shape), first.dtype)
            out[0] = first
            shape: Shape | None = first.shape
            for row, value in enumerate(values, 1):
                if shape is not None and value.shape != shape:
                    out, shape = _of_arrays(out, row), None
                elif shape is not None and value.dtype != out.dtype:
                    out = out.astype(np.result_type(out, value))
                out[row] = value
        return out

    def lazy_by_event(self) -> Any:
        """Return a dask array that fetches an event's value when it is computed, and no other.

        Where the descriptor does not say the shape, the first value is loaded to learn it.
        """
        if not self.rows:
            return self.declared.nothing()
        shape, dtype = self.declared.fixed_shape, self.declared.dtype_or_guess
        if shape is None:
            first = self._cast(0)
            shape, dtype = first.shape, first.dtype
        if any(value is None for value in self._values):
            dtype = np.result_type(dtype, self.declared.absent(0, ()))
        self.promise(shape, dtype)
        return self.lazy(1, ("external", self._descriptor["uid"], self.declared.key, self._uid, self._values))

    def _cast(self, row: int) -> AnyArray:
        value = self._value(row)
        return value if self._values[row] is None else self.declared.cast(value, self._event(row))

    def _value(self, row: int) -> AnyArray:
        value = self._values[row]
        if value is None and self.declared.fixed_shape is not None:
            return self.declared.absent(1, self.declared.fixed_shape).reshape(self.declared.fixed_shape)
        if is_external(self.declared, value, None if self._filled is None else self._filled[row]):
            place = Place(self.declared.key, self.declared.stream, int(self._seq_num[row]), self._uid[row])
            value = self._external.load(value, self._descriptor, place)
        array = np.asarray(value)
        self.declared.check_shape(array.shape, self._event(row))
        return array

    def _event(self, row: int) -> str:
        return f"event {self._seq_num[row]}"


def _of_arrays(array: AnyArray, rows: int) -> AnyArray:
    """Return an array of arrays, of which the first rows are there."""
    out = np.empty(len(array), object)
    for row in range(rows):
        out[row] = array[row]
    return out


def is_external(declared: Declared, value: Any, said: Any) -> bool:
    """Tell whether a value in an event is a datum id, by what ``filled`` says of it: None if it says nothing.

    No value (None) stands for itself.
    """
    if value is None:
        return False
    return declared.external if said is None else said is False


class InlineColumn(StoredColumn):
    """A large field whose values are in the events, read some events at a time.

    Parameters
    ----------
    declared
        What the descriptor says of the field; its shape is fixed.
    source
        Where events come from.
    descriptor
        The descriptor.
    rows
        How many events there are.
    """

    def __init__(self, declared: Declared, source: EventSource, descriptor: Mapping[str, Any], rows: int) -> None:
        super().__init__(declared, rows)
        self._source, self._descriptor = source, descriptor
        self.promise(declared.fixed_shape or (), declared.dtype_or_guess)

    def read(self, rows: range) -> AnyArray:
        """Return the values of some events, as they were promised."""
        if not rows:
            return np.empty((0, *self.shape[1:]), self.dtype)
        begin, end = min(rows[0], rows[-1]), max(rows[0], rows[-1]) + 1
        key = self.declared.key
        columns = read_columns(self._source, self._descriptor, [key], skip=begin, limit=end - begin)
        if len(columns) != end - begin:
            raise self.declared.disagreement(f"has {len(columns)} values where there were {end - begin} before")
        array = inline_array(self.declared, columns.values[key], columns.seq_num, guess=True)
        return array[[row - begin for row in rows]] if rows.step != 1 else array

    def lazy_by_chunk(self) -> Any:
        """Return a dask array that reads about 16 MiB of events at a time."""
        rows = max(1, min(self.rows, CHUNK_BYTES // self.declared.value_bytes))
        return self.lazy(rows, ("inline", self._descriptor["uid"], self.declared.key, self.rows))
