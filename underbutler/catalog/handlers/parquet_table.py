"""Columns of parquet tables: of a file in S3 only the wanted columns are fetched."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from underbutler.errors import UsageError, suggest

from .lazy_image import Layout, LazyImage
from .resource_file import FileHandler, HandlerArgumentError
from .specs import PARQUET

if TYPE_CHECKING:
    import dask.array
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["ParquetTable", "UnknownColumnError", "arrow_to_array", "chosen_columns", "single_column", "with_gaps"]

AnyArray: TypeAlias = npt.NDArray[Any]

_EXACT = 2**53
"""Integers up to this one are floats without loss."""


class UnknownColumnError(HandlerArgumentError, KeyError):
    """A table has no such column."""


class ParquetTable(FileHandler):
    """Handler of spec ``ANNEX_PARQUET``.

    Parameters
    ----------
    path
        ``s3://bucket/key``, or a path.
    columns
        Names of the columns that are read, unless a datum says others; all of them, if nobody says.
    **file_arguments
        What every file handler takes: ``size``, ``sha256``, ``dataset``, ``verify``, ``settings``.

    Notes
    -----
    A table is a structured array with a field for each column. Texts have the width of their longest one, or the width
    that the Butler's formatter has noted; columns of arrays have their shape. Where a value is missing there is NaN,
    NaT or an empty text; integers and booleans with missing values become floats.
    """

    spec = PARQUET
    resource_arguments = ("columns",)
    datum_arguments = ("column", "columns")

    def __init__(self, path: str, *, columns: Sequence[str] | None = None, **file_arguments: Any) -> None:
        super().__init__(path, **file_arguments)
        self._columns = chosen_columns(self.spec, columns)

    def __call__(self, *, column: str | None = None, columns: Sequence[str] | None = None, **unknown: Any) -> AnyArray:
        """Return a table, or one column.

        Parameters
        ----------
        column
            Name of the one column that is wanted as a plain array, of shape ``(rows, …)``.
        columns
            Names of the columns of a structured array, of shape ``(rows,)``.
        **unknown
            What a datum says that this handler does not know.

        Raises
        ------
        UnknownColumnError
            If the table has no such column.
        GoneFileError, AnnexUnavailableError
            If the file is not there, or the store does not answer.
        UnreadableFileError, WrongFileError
            If it is not a whole parquet file, or another one than the resource says.
        """
        single = single_column(self.spec, column, columns)
        wanted = [single] if single is not None else chosen_columns(self.spec, columns) or self._columns
        with self._reading(unknown), self._table(whole=wanted is None) as parquet:
            self._check_names(parquet, wanted)
            array = arrow_to_array(parquet.read(columns=wanted), self.url)
        return array if single is None else array[single]

    def delayed(
        self, *, column: str | None = None, columns: Sequence[str] | None = None, **unknown: Any
    ) -> dask.array.Array:
        """Return a table, or one column, as a dask array: of a column of numbers only the footer is read now.

        What cannot be told from the footer is read at once: tables, texts, and numbers some of which are missing.

        Parameters
        ----------
        column, columns
            Which, as when it is read.
        **unknown
            What a datum says that this handler does not know.
        """
        import dask.array
        from dask.base import tokenize

        single = single_column(self.spec, column, columns)
        layout = None if single is None else self._layout(single, unknown)
        if single is None or layout is None:
            return dask.array.from_array(self(column=column, columns=columns, **unknown))
        version = self.file.sha256 or uuid4().hex  # without a digest nobody knows whether it is still the same file
        return dask.array.from_array(
            LazyImage(partial(self._rows, single), layout),
            chunks=layout.shape,
            name=f"{self.spec}-{tokenize(self.url, version, single)}",
            meta=np.empty(0, layout.dtype),
        )

    def _rows(self, column: str, key: tuple[int | slice, ...]) -> AnyArray:
        return np.asarray(self(column=column)[key])

    def _layout(self, column: str, unknown: Mapping[str, Any]) -> Layout | None:
        """Return shape and dtype of a column, by the footer alone; None if that does not tell them."""
        import pyarrow as pa

        with self._reading(unknown), self._table(whole=False) as parquet:
            self._check_names(parquet, [column])
            kind = parquet.schema_arrow.field(column).type
            counted = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
            if not pa.types.is_floating(kind) and not (counted and _has_no_gaps(parquet.metadata, column)):
                return None
            return Layout((parquet.metadata.num_rows,), np.dtype(kind.to_pandas_dtype()))

    def column_names(self) -> list[str]:
        """Return the names of the columns; none of their values is read."""
        with self._reading({}), self._table(whole=False) as parquet:
            return list(parquet.schema_arrow.names)

    @contextmanager
    def _table(self, *, whole: bool) -> Iterator[pq.ParquetFile]:
        """Give the open table; what is read as a whole is compared with the digest that the resource says."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with io.BytesIO(self.file.content()) if whole else self.file.open(from_end=True) as file:
            try:
                with pq.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=True) as parquet:
                    yield parquet
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, EOFError) as error:
                raise self._unreadable("parquet file", error) from error

    def _check_names(self, parquet: pq.ParquetFile, wanted: Sequence[str] | None) -> None:
        known = list(parquet.schema_arrow.names)
        for name in wanted or ():
            if name not in known:
                raise UnknownColumnError(
                    f"{self.url} has no column {name!r}.{suggest(name, known)} It has {', '.join(known)}.",
                    url=self.url,
                    column=name,
                    known=known,
                )


def _has_no_gaps(footer: Any, column: str) -> bool:
    """Tell whether the footer of a table says that no value of a column is missing."""
    for group in map(footer.row_group, range(footer.num_row_groups)):
        chunk = next(one for one in map(group.column, range(group.num_columns)) if one.path_in_schema == column)
        if chunk.statistics is None or not chunk.statistics.has_null_count or chunk.statistics.null_count:
            return False
    return True


def chosen_columns(spec: str, columns: object) -> list[str] | None:
    """Return the names of columns that a document holds.

    Raises
    ------
    HandlerArgumentError
        If they are not a list of names.
    """
    if columns is None:
        return None
    if isinstance(columns, str) or not isinstance(columns, Sequence) or not columns:
        raise HandlerArgumentError(f"Spec {spec!r} takes as columns a list of names, not {columns!r}.", columns=columns)
    return [str(name) for name in columns]


def single_column(spec: str, column: object, columns: object) -> str | None:
    """Return the name of the one column that is wanted, or None.

    Raises
    ------
    HandlerArgumentError
        If it is not a name, or more are wanted.
    """
    if column is None:
        return None
    if not isinstance(column, str) or columns is not None:
        raise HandlerArgumentError(
            f"Spec {spec!r} takes as column the name of one, and no columns beside it; not {column!r} and {columns!r}.",
            column=column,
        )
    return column


def arrow_to_array(table: pa.Table, name: str) -> AnyArray:
    """Return a structured array of a table.

    Parameters
    ----------
    table
        The table.
    name
        Whose it is, for errors.

    Raises
    ------
    UsageError
        If a column holds what no array holds, or integers that are no floats beside missing ones.
    """
    metadata = table.schema.metadata or {}
    columns = {one: _column(table[one].combine_chunks(), one, metadata, name) for one in table.column_names}
    array = np.empty(table.num_rows, [(one, values.dtype, values.shape[1:]) for one, values in columns.items()])
    for one, values in columns.items():
        array[one] = values
    return array


def _column(values: Any, column: str, metadata: Mapping[bytes, bytes], name: str) -> AnyArray:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return _column(values.dictionary_decode(), column, metadata, name)
    if pa.types.is_fixed_size_list(kind):
        flat = _column(values.flatten(), column, {}, name)
        return flat.reshape(len(values), *_shape_of_value(kind.list_size, column, metadata))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _fixed_width(values.fill_null("").to_pylist(), "U", column, metadata)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _fixed_width(values.fill_null(b"").to_pylist(), "S", column, metadata)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        array: AnyArray = values.fill_null(False if pa.types.is_boolean(kind) else 0).to_numpy(zero_copy_only=False)
        return with_gaps(array, values.is_null().to_numpy(zero_copy_only=False), column, name)
    if pa.types.is_floating(kind) or pa.types.is_temporal(kind):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    raise UsageError(
        f"Column {column!r} of {name} is of type {kind}, which no array holds. Read the others with columns=[…].",
        column=column,
    )


def with_gaps(values: AnyArray, missing: npt.NDArray[np.bool_], column: str, name: str) -> AnyArray:
    """Return integers or booleans as floats with NaN where they are missing; as they are if none is.

    Raises
    ------
    UsageError
        If one is too large to be a float.
    """
    if not missing.any():
        return values
    if values.dtype.kind in "iu" and max(int(values.max()), -int(values.min())) > _EXACT:
        raise UsageError(
            f"Column {column!r} of {name} has missing values beside integers that are too large for a float. Read the "
            "others with columns=[…].",
            column=column,
        )
    return np.where(missing, np.nan, values.astype(np.float64))


def _fixed_width(values: list[Any], kind: str, column: str, metadata: Mapping[bytes, bytes]) -> AnyArray:
    """Return texts in the width that the Butler's formatter has noted, or in that of the longest one."""
    noted = metadata.get(f"lsst::arrow::len::{column}".encode(), b"0")
    width = max([int(noted), 1, *map(len, values)])
    return np.array(values, dtype=f"{kind}{width}")


def _shape_of_value(size: int, column: str, metadata: Mapping[bytes, bytes]) -> tuple[int, ...]:
    """Return the shape that the Butler's formatter has noted for the arrays of a column, ``(2, 3)``."""
    noted = metadata.get(f"lsst::arrow::shape::{column}".encode(), b"").decode()
    shape = tuple(int(one) for one in noted.strip("()[] ").split(",") if one.strip())
    return shape or (size,)
