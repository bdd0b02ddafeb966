"""What of a run is plotted: a field, what it stands against, and which events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import event_model
import numpy as np
import numpy.typing as npt

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.identity import short_id

if TYPE_CHECKING:
    import xarray

    from underbutler.catalog import BlueskyEventStream, BlueskyRun

__all__ = ["Column", "Frame", "Points", "chosen_stream", "read_frame", "read_points"]

TIME: Final = "time"
IDENTITY: Final[tuple[str, ...]] = ("exposure", "visit", "detector", "physical_filter", "band", "instrument")
"""Dimensions of data IDs that name an event, in the order in which they are plotted against."""


@dataclass(frozen=True)
class Column:
    """Values of one field, event by event.

    Parameters
    ----------
    name
        The field.
    units
        As the descriptor says; empty if it does not.
    values
        One for each event, shape ``(n_events,)``; or arrays of one dimension, shape ``(n_events, n)``.
    """

    name: str
    units: str
    values: npt.NDArray[Any]

    @property
    def is_of_words(self) -> bool:
        """Whether values are texts, or numbers that name something: exposures, detectors."""
        return self.values.dtype.kind in "UOTS" or self.name in IDENTITY


@dataclass(frozen=True)
class Points:
    """A field against another one.

    Parameters
    ----------
    y, x
        The field, and what it stands against.
    data_ids
        Data ID of each event, by dimension: what tells events apart.
    n_left_out
        Events that have no finite value.
    """

    y: Column
    x: Column
    data_ids: Mapping[str, npt.NDArray[Any]]
    n_left_out: int


@dataclass(frozen=True)
class Frame:
    """One event's value of a field that is an image, or a picture in colour.

    Parameters
    ----------
    name, units
        As those of a `Column`.
    image
        Shape ``(ny, nx)``, or ``(ny, nx, bands)``.
    data_id
        Of the event.
    time
        Of the event, seconds since 1970 UTC.
    is_picture
        Whether its top row comes first, as in a PNG file; in a FITS image it is the bottom one.
    """

    name: str
    units: str
    image: npt.NDArray[Any]
    data_id: Mapping[str, Any]
    time: float
    is_picture: bool


def chosen_stream(run: BlueskyRun, name: str | None) -> BlueskyEventStream:
    """Return a stream by its name; by default ``primary``, or the only one.

    Raises
    ------
    UnknownNameError
        If there is none of this name.
    UsageError
        If it has no events.
    """
    names = list(run)
    if not names:
        raise UsageError(f"Run {short_id(run.uid)} has no streams: there is nothing to plot.", uid=run.uid)
    stream = run[name or ("primary" if "primary" in names or len(names) > 1 else names[0])]
    if stream.event_count() == 0:
        raise UsageError(f"Stream {stream.stream_name!r} of run {short_id(run.uid)} has no events yet.", uid=run.uid)
    return stream


def read_points(stream: BlueskyEventStream, field: str, against: str | None, index: int | None = None) -> Points:
    """Return a field against another: by default against the data ID, or time where there is none.

    Parameters
    ----------
    stream, field, against
        What is plotted, and against what.
    index
        Only this event's, of a field whose values are arrays.

    Raises
    ------
    UnknownNameError
        If the stream has no such field.
    UsageError
        If there is nothing in it that can be plotted.
    """
    keys = _keys(stream)
    for name in {field, against} - {None, TIME}:
        _check_field(keys, str(name), stream)
    identity = [name for name in IDENTITY if name in keys]
    wanted = {field, *identity, *([] if against in {None, TIME} else [str(against)])} - {TIME}
    data = stream.configure_new(include=sorted(wanted)).read()
    data_ids = {name: data[name].values for name in identity if data[name].ndim == 1}
    y = Column(field, _units(keys, field), data[field].values)
    x_name = against or _usual(field, data_ids)
    x = Column(x_name, _units(keys, x_name), data[x_name].values)
    _check_numbers(y, keys)
    if x.values.ndim != 1:
        raise UsageError(f"Field {x_name!r} is an array: plot against a scalar, such as {_numbers_of(keys)}.")
    if y.values.ndim > 1:
        rows = slice(None) if index is None else _row(stream, index, len(y.values))
        kept = {name: values[rows] for name, values in data_ids.items()}
        return Points(Column(field, y.units, y.values[rows]), Column(x_name, x.units, x.values[rows]), kept, 0)
    if index is not None:
        raise UsageError(f"Field {field!r} has one number for each event, and all are plotted: leave --index out.")
    good = np.isfinite(y.values.astype(float))
    if x.values.dtype.kind == "f":
        good &= np.isfinite(x.values)
    if not good.any():
        raise UsageError(f"No event has a finite value of {field!r}: there is nothing to plot.", field=field)
    kept = {name: values[good] for name, values in data_ids.items()}
    return Points(
        Column(field, y.units, y.values[good]), Column(x_name, x.units, x.values[good]), kept, int((~good).sum())
    )


def read_frame(
    stream: BlueskyEventStream,
    field: str,
    index: int,
    instead: Callable[[UsageError], npt.NDArray[Any]] | None = None,
) -> Frame | None:
    """Return one event's image; None if the field has no images. Only that image is fetched.

    Parameters
    ----------
    stream, field, index
        Which event's.
    instead
        Called when its file is gone: returns the image from elsewhere, or raises what it was given.

    Raises
    ------
    UsageError, event_model.DataNotAccessible
        If its file is gone (one error that is both).
    UnknownNameError
        If the stream has no such field.
    UsageError
        If there is no such event, or its value has no two dimensions.
    """
    keys = _keys(stream)
    if field == TIME:
        return None
    _check_field(keys, field, stream)
    identity = [name for name in IDENTITY if name in keys and name != field]
    data = stream.configure_new(include=[field, *identity]).to_dask()
    value = data[field]
    if value.ndim <= 2:
        return None
    index = _row(stream, index, data.sizes[TIME]).start
    try:
        image = np.asarray(value[index].compute().values)
    except UsageError as error:
        if instead is None or not isinstance(error, event_model.DataNotAccessible):
            raise
        image = instead(error)
    is_picture = image.dtype == np.uint8
    in_colour = image.ndim == 3 and image.shape[-1] in {3, 4} and is_picture
    if image.ndim != 2 and not in_colour:
        raise UsageError(
            f"Field {field!r} has {image.ndim} dimensions {image.shape}: an image has two. Read it in Python: "
            f"run[{stream.stream_name!r}].to_dask()[{field!r}]",
            field=field,
        )
    if image.dtype.kind not in "biuf":
        raise UsageError(f"Field {field!r} holds no numbers but {image.dtype}: it is not an image.", field=field)
    return Frame(field, _units(keys, field), image, _data_id(data, index), _seconds(data, index), is_picture)


def _keys(stream: BlueskyEventStream) -> dict[str, Mapping[str, Any]]:
    keys: dict[str, Mapping[str, Any]] = {}
    for descriptor in stream.descriptors:
        keys = {**descriptor["data_keys"], **keys}
    return keys


def _check_field(keys: Mapping[str, Mapping[str, Any]], field: str, stream: BlueskyEventStream) -> None:
    if field not in keys:
        raise UnknownNameError.of(f"field of stream {stream.stream_name!r}", field, keys)


def _row(stream: BlueskyEventStream, index: int, count: int) -> slice:
    """Return which events an index means: one."""
    if not -count <= index < count:
        raise UsageError(
            f"Stream {stream.stream_name!r} has {count} events: --index is 0 to {count - 1}, or -1 for the last.",
            index=index,
        )
    return slice(index % count, index % count + 1)


def _usual(field: str, data_ids: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the dimension that a field is plotted against when nobody says: the first that tells events apart."""
    others = {name: values for name, values in data_ids.items() if name != field and name in IDENTITY[:3]}
    for name, values in others.items():
        if len(np.unique(values)) > 1:
            return name
    return next(iter(others), TIME)


def _check_numbers(column: Column, keys: Mapping[str, Mapping[str, Any]]) -> None:
    if column.values.dtype.kind not in "biuf":
        raise UsageError(
            f"Field {column.name!r} holds no numbers ({column.values.dtype}). Plot one of {_numbers_of(keys)}.",
            field=column.name,
        )


def _numbers_of(keys: Mapping[str, Mapping[str, Any]]) -> str:
    numbers = [name for name, key in keys.items() if key.get("dtype") in {"number", "integer"}]
    return ", ".join(numbers) or "none: it has no numbers"


def _units(keys: Mapping[str, Mapping[str, Any]], field: str) -> str:
    return str(keys.get(field, {}).get("units") or "")


def _data_id(data: xarray.Dataset, index: int) -> dict[str, Any]:
    return {name: data[name].values[index] for name in IDENTITY if name in data and data[name].ndim == 1}


def _seconds(data: xarray.Dataset, index: int) -> float:
    return float(data[TIME].values[index])
