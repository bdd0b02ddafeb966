"""Events of a stream as an `xarray.Dataset`."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray

from underbutler.catalog.documents import Descriptor
from underbutler.catalog.source import EventSource, SubDict
from underbutler.errors import UnknownNameError
from underbutler.model.identity import short_id

from .columns import Columns, event_order, read_columns
from .dimensions import TIME, Dimensions
from .external import ExternalData
from .field_types import Declared, FieldError, in_a_stream
from .inline import inline_array
from .lazy_columns import ExternalColumn, InlineColumn, is_external

__all__ = ["LAZY_BYTES", "Selection", "to_dataset"]

LAZY_BYTES = 2**20
"""Nominal size from which on a column of arrays that are in the events is read lazily by ``to_dask``."""


@dataclass(frozen=True)
class Selection:
    """What of a stream is read.

    Parameters
    ----------
    stream, run
        Its name, and the run's uid.
    include, exclude
        Fields that are read, or not; at most one is given.
    sub_dict
        Values, or their timestamps.
    configuration_for
        The object whose configuration is read, instead of fields.
    """

    stream: str
    run: str
    include: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    sub_dict: SubDict = "data"
    configuration_for: str | None = None

    def __str__(self) -> str:
        return f"Stream {self.stream!r} of run {short_id(self.run)}"

    def takes(self, key: str) -> bool:
        """Tell whether a field is read."""
        return key not in self.exclude and (self.include is None or key in self.include)


@dataclass
class _Part:
    """The events of one descriptor."""

    descriptor: Descriptor
    fields: dict[str, Declared]
    columns: Columns
    lazy: frozenset[str] = frozenset()


def to_dataset(
    source: EventSource,
    external: ExternalData,
    descriptors: Sequence[Descriptor],
    selection: Selection,
    *,
    lazy: bool,
) -> xarray.Dataset:
    """Return what is selected, event by event along ``time``.

    Parameters
    ----------
    source
        Where events come from.
    external
        Where external values come from.
    descriptors
        Of the stream.
    selection
        What is read.
    lazy
        Whether external values, and large ones in events, are read when they are computed.

    Raises
    ------
    FieldError
        If values are not what the descriptor says.
    UnknownNameError
        If the object whose configuration is read is in no descriptor.
    """
    _check_configured(descriptors, selection)
    _warn_of_streams(descriptors, selection)
    parts = []
    for descriptor in descriptors:
        held = _held(descriptor, selection)
        fields = {key: Declared.of(key, held[key], selection.stream, dtype=selection.takes(key)) for key in held}
        parts.append(_read(source, descriptor, fields, selection, lazy))
    order = event_order([part.columns for part in parts], str(selection))
    times = _joined_times(parts, order)
    dimensions = Dimensions(_first_of_each(parts).values())
    variables: dict[str, Any] = {}
    for key, declared in _first_of_each(parts).items():
        if not selection.takes(key):
            continue
        array = _join(key, declared, [_values(part, key, source, external, selection, lazy) for part in parts], parts)
        if order is not None:
            array = array[order]
        names = dimensions.names(declared, array.shape[1:])
        variables[_name(key)] = _variable((TIME, *names), array, _attributes(key, descriptors, selection))
    return xarray.Dataset(variables, coords={TIME: (TIME, times)})


def _check_configured(descriptors: Iterable[Descriptor], selection: Selection) -> None:
    """Refuse the name of an object that no descriptor has."""
    if selection.configuration_for is None:
        return
    known = {name: None for descriptor in descriptors for name in descriptor.get("configuration", {})}
    if selection.configuration_for not in known:
        raise UnknownNameError.of("configured object", selection.configuration_for, known)


def _held(descriptor: Descriptor, selection: Selection) -> dict[str, Mapping[str, Any]]:
    """Return the data keys of what a descriptor can give: its fields, or one object's configuration."""
    if selection.configuration_for is None:
        return {key: said for key, said in descriptor["data_keys"].items() if not in_a_stream(said)}
    configuration = descriptor.get("configuration", {}).get(selection.configuration_for, {})
    said = configuration.get("data_keys", {})
    return {key: said.get(key, {}) for key in configuration.get(selection.sub_dict, {})}


def _warn_of_streams(descriptors: Iterable[Descriptor], selection: Selection) -> None:
    left_out = {
        key
        for descriptor in descriptors
        for key, said in descriptor["data_keys"].items()
        if in_a_stream(said) and selection.takes(key) and selection.configuration_for is None
    }
    if left_out:
        warnings.warn(
            f"{selection}: {', '.join(sorted(left_out))} is left out: its values are in stream_resource documents, "
            "which are not read here. Use exclude=[…] to have no warning.",
            stacklevel=2,
        )


def _read(
    source: EventSource, descriptor: Descriptor, fields: dict[str, Declared], selection: Selection, lazy: bool
) -> _Part:
    if selection.configuration_for is not None:
        return _Part(descriptor, fields, read_columns(source, descriptor, []))
    wanted = [key for key in fields if selection.takes(key)]
    later: frozenset[str] = frozenset()
    if lazy and selection.sub_dict == "data":
        later = frozenset(_large(source, descriptor, [fields[key] for key in wanted]))
    now = [key for key in wanted if key not in later]
    return _Part(descriptor, fields, read_columns(source, descriptor, now, selection.sub_dict), later)


def _large(source: EventSource, descriptor: Descriptor, fields: Iterable[Declared]) -> list[str]:
    """Return the fields whose values are in the events and are too large to be read before they are needed."""
    able = [field for field in fields if not field.external and field.fixed_shape is not None]
    able = [field for field in able if field.broad in {"array", "number", "integer"}]
    if not able:
        return []
    rows = source.get_event_count(descriptor["uid"])
    large = [field for field in able if rows * field.value_bytes >= LAZY_BYTES]
    if not large:
        return []
    one = read_columns(source, descriptor, [field.key for field in large], limit=1)
    return [field.key for field in large if _is_numeric(one, field)]


def _is_numeric(one: Columns, field: Declared) -> bool:
    """Tell whether the first event holds numbers of a field, and holds them itself."""
    if not len(one) or is_external(field, one.values[field.key][0], one.filled.get(field.key, [None])[0]):
        return False
    try:
        return np.asarray(one.values[field.key][0]).dtype.kind in "fiub"
    except ValueError:
        return False


def _values(
    part: _Part, key: str, source: EventSource, external: ExternalData, selection: Selection, lazy: bool
) -> Any | None:
    """Return one field's values of one descriptor's events; None if the descriptor does not have the field."""
    declared = part.fields.get(key)
    if declared is None:
        return None
    rows = len(part.columns)
    if selection.configuration_for is not None:
        return _configured(part, declared, selection, selection.configuration_for)
    if key in part.lazy:
        return InlineColumn(declared, source, part.descriptor, rows).lazy_by_chunk()
    values, filled = part.columns.values[key], part.columns.filled.get(key)
    if selection.sub_dict == "timestamps":
        return np.asarray(values, float)
    if not (declared.external or filled) or not _any_external(declared, values, filled):
        return inline_array(declared, values, part.columns.seq_num)
    column = ExternalColumn(declared, external, part.descriptor, values, filled, part.columns.uid, part.columns.seq_num)
    return column.lazy_by_event() if lazy else column.read_all()


def _any_external(declared: Declared, values: Sequence[Any], filled: Sequence[Any] | None) -> bool:
    saying = itertools.repeat(None) if filled is None else filled
    return any(is_external(declared, value, said) for value, said in zip(values, saying, strict=False))


def _configured(part: _Part, declared: Declared, selection: Selection, name: str) -> npt.NDArray[Any]:
    """Return one value of an object's configuration, once for every event."""
    rows, held = len(part.columns), part.descriptor["configuration"][name][selection.sub_dict][declared.key]
    if selection.sub_dict == "timestamps":
        return np.full(rows, held, float)
    value = inline_array(declared, [held], [0])
    return np.broadcast_to(value, (rows, *value.shape[1:])) if value.ndim > 1 else np.repeat(value, rows)


def _join(key: str, declared: Declared, arrays: Sequence[Any | None], parts: Sequence[_Part]) -> Any:
    """Return the values of all descriptors, one after the other."""
    there = [array for array in arrays if array is not None and len(array)]
    if not there:
        rows = sum(len(part.columns) for part in parts)
        return declared.absent(rows, tuple(size or 0 for size in declared.shape or ())) if rows else declared.nothing()
    for array in there:
        if array.shape[1:] != there[0].shape[1:]:
            raise FieldError(
                f"Field {key!r} of stream {declared.stream!r} has shape {there[0].shape[1:]} under one descriptor and "
                f"{array.shape[1:]} under another: one array cannot hold both. Read without it: exclude=[{key!r}].",
                field=key,
            )
    pieces = []
    for array, part in zip(arrays, parts, strict=True):
        if array is not None and len(array):
            pieces.append(array)
        elif len(part.columns):
            pieces.append(declared.absent(len(part.columns), there[0].shape[1:]))
    if len(pieces) == 1:
        return pieces[0]
    if any(not isinstance(piece, np.ndarray) for piece in pieces):
        import dask.array

        return dask.array.concatenate(pieces)
    return np.concatenate(pieces)


def _first_of_each(parts: Iterable[_Part]) -> dict[str, Declared]:
    """Return every field of the stream, as the first descriptor that has it says."""
    fields: dict[str, Declared] = {}
    for part in parts:
        for key, declared in part.fields.items():
            fields.setdefault(key, declared)
    return fields


def _joined_times(parts: Sequence[_Part], order: npt.NDArray[np.intp] | None) -> npt.NDArray[np.float64]:
    times = np.concatenate([np.asarray(part.columns.time, float) for part in parts]) if parts else np.empty(0)
    return times if order is None else times[order]


def _variable(dims: tuple[str, ...], array: Any, attributes: dict[str, Any]) -> xarray.Variable:
    """Return a variable; objects stay what they are: xarray would make NaN of None among words."""
    return xarray.Variable(dims, array, attributes, fastpath=array.dtype == object)


def _name(key: str) -> str:
    """Return the name of a field's variable: that of the coordinate is taken."""
    return f"{key}_" if key == TIME else key


def _attributes(key: str, descriptors: Iterable[Descriptor], selection: Selection) -> dict[str, Any]:
    """Return what a variable's attributes say: whose it is, and its units."""
    attributes: dict[str, Any] = {}
    for descriptor in descriptors:
        if selection.configuration_for is not None:
            attributes["object"] = selection.configuration_for
        for name, keys in descriptor.get("object_keys", {}).items():
            if selection.configuration_for is None and key in keys:
                attributes.setdefault("object", name)
        said = _held(descriptor, selection).get(key, {})
        if selection.sub_dict == "data" and said.get("units"):
            attributes.setdefault("units", said["units"])
    return attributes
