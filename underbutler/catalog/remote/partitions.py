"""Partitions of a stream as a server gives them: columns and arrays of some events."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from underbutler.catalog.arrays.columns import Columns, read_columns
from underbutler.catalog.arrays.external import Place
from underbutler.catalog.arrays.field_types import Declared
from underbutler.catalog.arrays.lazy_columns import READERS, is_external
from underbutler.catalog.arrays.partitions import PartitionIndexError, PartitionSizeError
from underbutler.catalog.documents import Descriptor
from underbutler.catalog.run import BlueskyRun
from underbutler.catalog.source import Page
from underbutler.catalog.stream import BlueskyEventStream
from underbutler.errors import UnknownNameError

from .run import RemoteBlueskyEventStream
from .wire_format import compact

__all__ = ["Choice", "check_partition", "columns_of", "references_of", "run_summary"]

MOST_EVENTS: Final = 10_000
MOST_BYTES: Final = 64 * 2**20
"""Nominal size of the largest partition that is given, unless it has one event only."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is asked of a partition.

    Parameters
    ----------
    size
        How many events a partition has, or ``auto``.
    skip
        How many events come before partition 0.
    descriptor
        Only events of this one.
    include, exclude
        Fields; at most one is given.
    sub_dict
        ``data`` or ``timestamps``.
    fill
        Whether external values are loaded.
    """

    size: int | str = "auto"
    skip: int = 0
    descriptor: str | None = None
    include: Collection[str] | None = None
    exclude: Collection[str] | None = None
    sub_dict: str = "data"
    fill: bool = True

    def question(self) -> dict[str, Any]:
        """Return it as query parameters."""
        chosen = {
            name: None if fields is None else list(fields) or [""]
            for name, fields in (("include", self.include), ("exclude", self.exclude))
        }
        rest = {"skip": self.skip, "descriptor": self.descriptor, "sub_dict": self.sub_dict, "fill": self.fill}
        return {"partition_size": self.size, **chosen, **rest}


def run_summary(run: BlueskyRun, size: int | str = "auto") -> dict[str, Any]:
    """Return what is known of a run: its documents except events, and how many of these its streams have.

    Parameters
    ----------
    run
        The run.
    size
        How many events a partition has, or ``auto``.
    """
    metadata = run.metadata  # the stop first: after it there is nothing that could still come
    streams = {name: _stream_summary(stream, size) for name, stream in run.items()}
    rest = {key: value for key, value in metadata.items() if key not in {"start", "stop"}}
    return {"start": metadata["start"], "stop": metadata["stop"], "metadata": rest, "streams": streams}


def references_of(run: BlueskyRun) -> Iterator[tuple[str, Any]]:
    """Yield the resources of a run and their datums, without the events that point to them."""
    for resource in run.external.resources():
        yield "resource", resource
        for page in run.source.get_datum_pages(resource["uid"]):
            yield "datum" if isinstance(page["datum_id"], str) else "datum_page", page


def columns_of(stream: BlueskyEventStream, index: int, choice: Choice) -> list[Page]:
    """Return the columns of a partition, for each descriptor that has events in it; nothing past the end.

    Parameters
    ----------
    stream
        The stream.
    index
        Which partition.
    choice
        What of it.

    Raises
    ------
    PartitionIndexError, PartitionSizeError
        As `check_partition` raises them, and if it would be larger than is given at once.
    SelectionError
        If fields are included and excluded, or there is no such ``sub_dict`` (also a `ValueError`).
    UnknownNameError
        If the stream has no such descriptor (also a `KeyError`).
    FieldError, NoHandlerError, DataGoneError, DataAwayError, UnreadableDataError, UnresolvedDatumError
        As reading the stream raises them.
    """
    if isinstance(stream, RemoteBlueskyEventStream):
        return stream.columns_of(index, choice.question())
    given = {"include": choice.include, "exclude": choice.exclude, "sub_dict": choice.sub_dict}
    selected = stream.configure_new(**given)
    size = check_partition(selected, index, choice.size)
    descriptors = _descriptors(stream, choice.descriptor)
    fields = {one["uid"]: _fields(selected, one) for one in descriptors}
    _check_bytes(stream, size, choice, fields)
    begin = choice.skip + index * size
    parts = []
    for descriptor, skip, limit in _ranges(stream, descriptors, begin, size):
        part = _part(stream, descriptor, fields[descriptor["uid"]], choice, skip, limit)
        if len(part["uid"]):
            parts.append(part)
    return parts


def check_partition(stream: BlueskyEventStream, index: int, size: int | str) -> int:
    """Return how many events a partition has, after refusing what is never given.

    Raises
    ------
    PartitionIndexError
        If the index is negative (also an `IndexError`).
    PartitionSizeError
        If the size is not a size, or larger than is given at once (also a `ValueError`).
    """
    if index < 0:
        raise PartitionIndexError(f"Partitions are numbered from 0; {index} is none.", index=index)
    events = stream.rows_per_partition(size)
    if events > MOST_EVENTS:
        raise PartitionSizeError(
            f"A partition of {events} events is more than is sent at once. Use partition_size={MOST_EVENTS} or less.",
            size=events,
            most=MOST_EVENTS,
        )
    return events


def _stream_summary(stream: BlueskyEventStream, size: int | str) -> dict[str, Any]:
    descriptors = stream.descriptors
    counts = {one["uid"]: stream.source.get_event_count(one["uid"]) for one in descriptors}
    events, rows = sum(counts.values()), stream.rows_per_partition(size)
    fields: dict[str, Any] = {}
    for descriptor in descriptors:
        owner = {key: name for name, keys in descriptor.get("object_keys", {}).items() for key in keys}
        for key, said in descriptor["data_keys"].items():
            shown = {name: said[name] for name in ("dtype", "dtype_numpy", "shape", "dims", "units") if name in said}
            fields.setdefault(key, {**shown, "object": owner.get(key), "external": bool(said.get("external"))})
    return {
        "descriptors": descriptors,
        "fields": fields,
        "configured": sorted({name for one in descriptors for name in one.get("configuration", {})}),
        "counts": counts,
        "events": events,
        "partitions": -(-events // rows),
        "partition_size": rows,
    }


def _descriptors(stream: BlueskyEventStream, uid: str | None) -> list[Descriptor]:
    descriptors = stream.descriptors
    if uid is None:
        return descriptors
    found = [one for one in descriptors if one["uid"] == uid]
    if not found:
        raise UnknownNameError.of("descriptor of this stream", uid, (one["uid"] for one in descriptors))
    return found


def _fields(stream: BlueskyEventStream, descriptor: Mapping[str, Any]) -> dict[str, Declared]:
    """Return what is read of a descriptor's events. Values in stream_resource documents are in no event."""
    return {
        key: Declared.of(key, said, stream.stream_name, dtype=False)  # values are sent as they are
        for key, said in descriptor["data_keys"].items()
        if stream.selection.takes(key) and not str(said.get("external", "")).startswith("STREAM:")
    }


def _check_bytes(
    stream: BlueskyEventStream, size: int, choice: Choice, fields: Mapping[str, Mapping[str, Declared]]
) -> None:
    """Refuse a partition that would be larger than is sent at once."""
    if size == 1 or choice.sub_dict != "data":
        return
    filled = {True, False} if choice.fill else {False}
    nominal = [sum(one.value_bytes for one in each.values() if one.external in filled) for each in fields.values()]
    largest = max([1, *nominal])
    if size * largest > MOST_BYTES:
        most = max(1, MOST_BYTES // largest)
        raise PartitionSizeError(
            f"{size} events of stream {stream.stream_name!r} are about {size * largest} bytes: more than is sent at "
            f"once. Use partition_size={most} or less, or fewer fields with include.",
            size=size,
            most=most,
        )


def _ranges(
    stream: BlueskyEventStream, descriptors: Collection[Descriptor], begin: int, size: int
) -> Iterator[tuple[Descriptor, int, int]]:
    """Yield which events of which descriptors are in a range of the stream's, one descriptor's after the other's."""
    *earlier, last = descriptors
    for descriptor in earlier:
        count = stream.source.get_event_count(descriptor["uid"])
        rows = min(size, count - begin)
        if rows > 0:
            yield descriptor, begin, rows
            size -= rows
        begin = max(0, begin - count)
        if size == 0:
            return
    yield last, begin, size


def _part(
    stream: BlueskyEventStream,
    descriptor: Descriptor,
    fields: Mapping[str, Declared],
    choice: Choice,
    skip: int,
    limit: int,
) -> Page:
    sub_dict = stream.configure_new(sub_dict=choice.sub_dict).selection.sub_dict
    columns = read_columns(stream.source, descriptor, list(fields), sub_dict, skip, limit)
    if choice.fill and sub_dict == "data":
        for declared in fields.values():
            _load(stream, descriptor, declared, columns)
    return {
        "descriptor": descriptor["uid"],
        "skip": skip,
        "uid": list(columns.uid),
        "seq_num": compact(columns.seq_num),
        "time": compact(columns.time),
        sub_dict: {key: compact(column) for key, column in columns.values.items()},
        "filled": {key: list(said) for key, said in columns.filled.items()},
    }


def _load(stream: BlueskyEventStream, descriptor: Descriptor, declared: Declared, columns: Columns) -> None:
    """Put values where a field has datum ids, and these into ``filled``."""
    key, values = declared.key, columns.values[declared.key]
    said = list(columns.filled.get(key, [None] * len(values)))
    wanted = [row for row, value in enumerate(values) if is_external(declared, value, said[row])]
    if not wanted:
        return
    ids = [values[row] for row in wanted]
    places = [Place(key, declared.stream, int(columns.seq_num[row]), columns.uid[row]) for row in wanted]
    stream.external.prepare(ids)
    filled, saying = list(values), [True if one is None else one for one in said]
    with ThreadPoolExecutor(min(READERS, len(ids))) as pool:
        loaded = pool.map(stream.external.load, ids, itertools.repeat(descriptor), places)
        for row, datum_id, value in zip(wanted, ids, loaded, strict=True):
            filled[row], saying[row] = value, datum_id
    columns.values[key], columns.filled[key] = filled, saying
