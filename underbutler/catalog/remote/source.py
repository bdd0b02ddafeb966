"""A run on a server, as the source that runs and streams read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

import numpy as np

from underbutler.catalog.arrays.field_types import Declared
from underbutler.catalog.arrays.lazy_columns import is_external
from underbutler.catalog.source import Keys, Page, SubDict, unpacked
from underbutler.errors import UnknownNameError, UsageError

from .connection import Connection
from .errors import raised

__all__ = ["RemoteRows", "RemoteRun", "told"]

PARTITION_EVENTS: Final = 10_000
PARTITION_BYTES: Final = 8 * 2**20
"""Events, and their nominal size, of one partition of columns that are asked for."""

_OPEN_SIZE: Final = 64
"""What a size counts that is not fixed."""

_LONGEST_CHOICE: Final = 4000
"""Names of fields are not sent where they would be longer; then all fields are."""


class RemoteRun:
    """Reads one run of a server. What cannot change any more is asked once.

    Parameters
    ----------
    connection
        The run's address: ``http://…/runs/{uid}``.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._start: Mapping[str, Any] | None = None
        self._stop: Mapping[str, Any] | None = None
        self._ended: Mapping[str, Any] | None = None
        self._descriptors: dict[str, Mapping[str, Any]] = {}
        self._references: _References | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_references": None}  # as many as there are events

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.connection.place!r})"

    def said(self) -> Mapping[str, Any]:
        """Return what the server says of the run: start, stop, and its streams."""
        if self._ended is not None:
            return self._ended
        said: Mapping[str, Any] = self.connection.ask()
        if "streams" not in said:
            raise UsageError(
                f"{self.connection.place} is a list of runs, not a run. Choose one: name='1a2b3c4d', the uid or as "
                "much of its beginning as tells it from others.",
                url=self.connection.place,
            )
        self.know(said["start"], said["stop"])
        if said["stop"] is not None:
            self._ended = said
        return said

    def know(self, start: Mapping[str, Any], stop: Mapping[str, Any] | None) -> None:
        """Keep what the server said of the run elsewhere."""
        self._start, self._stop = start, stop

    def get_run_start(self) -> Mapping[str, Any]:
        """Return the start document."""
        return self._start if self._start is not None else dict(self.said()["start"])

    def get_run_stop(self) -> Mapping[str, Any] | None:
        """Return the stop document; None while the run is open."""
        stop: Mapping[str, Any] | None = self._stop if self._stop is not None else self.said()["stop"]
        return stop

    def get_event_descriptors(self) -> list[Mapping[str, Any]]:
        """Return the descriptors of all streams."""
        return [one for stream in self.said()["streams"].values() for one in stream["descriptors"]]

    def get_event_count(self, descriptor_uid: str) -> int:
        """Return how many events a descriptor has."""
        return next(
            (
                int(stream["counts"][descriptor_uid])
                for stream in self.said()["streams"].values()
                if descriptor_uid in stream["counts"]
            ),
            0,
        )

    def get_columns(
        self, uid: str, keys: Keys = None, *, sub_dict: SubDict = "data", skip: int = 0, limit: int | None = None
    ) -> Page:
        """Return events of a descriptor as one page."""
        parts = list(self._parts(uid, keys, sub_dict, skip, limit))
        return _joined(uid, sub_dict, keys, parts)

    def get_event_pages(self, descriptor_uid: str, skip: int = 0, limit: int | None = None) -> Iterator[Page]:
        """Yield events of a descriptor as pages."""
        for part in self._parts(descriptor_uid, None, "data", skip, limit):
            rows = len(part["uid"])
            stamps = self.get_columns(descriptor_uid, sub_dict="timestamps", skip=skip, limit=rows)
            skip += rows
            page: Page = {
                "descriptor": descriptor_uid,
                **{key: _listed(part[key]) for key in ("uid", "seq_num", "time")},
            }
            page |= {key: {name: _listed(one) for name, one in part[key].items()} for key in ("data", "filled")}
            page["timestamps"] = {name: _listed(one)[:rows] for name, one in stamps["timestamps"].items()}
            yield page

    def documents(self, *, fill: str, strict_order: bool = True) -> Iterator[tuple[str, Any]]:
        """Yield the run's documents as the server sends them."""
        asked = self.connection.below("documents")
        yield from told(asked, asked.listen({"fill": fill, "strict_order": strict_order}))

    def get_resources(self) -> list[Mapping[str, Any]]:
        """Return all resources."""
        return list(self._known_references(anew=True).resources.values())

    def get_resource(self, resource_uid: str) -> Mapping[str, Any]:
        """Return a resource.

        Raises
        ------
        UnknownNameError
            If the run has none of that uid (also a `KeyError`).
        """
        for anew in (False, True):
            found = self._known_references(anew=anew).resources.get(resource_uid)
            if found is not None:
                return found
        raise UnknownNameError(f"{self!r} has no resource {resource_uid!r}.", resource=resource_uid)

    def get_datum_pages(self, resource_uid: str) -> Iterator[Mapping[str, Any]]:
        """Yield the datums of a resource, as the server gave them."""
        yield from self._known_references(anew=True).pages.get(resource_uid, ())

    def get_datums(self, datum_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Yield those of some datums that the run has."""
        datums = self._known_references(anew=False).datums
        if any(datum_id not in datums for datum_id in datum_ids):
            datums = self._known_references(anew=True).datums
        yield from (datums[datum_id] for datum_id in datum_ids if datum_id in datums)

    def lookup_resource_for_datum(self, datum_id: str) -> str:
        """Return the uid of the resource of a datum.

        Raises
        ------
        UnknownNameError
            If the run has no such datum (also a `KeyError`).
        """
        for datum in self.get_datums([datum_id]):
            return str(datum["resource"])
        raise UnknownNameError(f"{self!r} has no datum {datum_id!r}.", datum=datum_id)

    def partition(self, stream: str, index: int, **question: Any) -> list[Page]:
        """Return a partition of a stream's events: nothing past the end."""
        return list(self.connection.below("streams", stream, "partitions", str(index)).ask(question))

    def _known_references(self, *, anew: bool) -> _References:
        """Return resources and datums; asked anew, if that is wanted, unless the run had ended before."""
        if self._references is None or (anew and not self._references.complete):
            references = _References(complete=self.get_run_stop() is not None)
            asked = self.connection.below("references")
            for name, document in told(asked, asked.listen()):
                references.add(name, document)
            self._references = references
        return self._references

    def _descriptor(self, uid: str) -> Mapping[str, Any]:
        if uid not in self._descriptors:
            self._descriptors = {one["uid"]: one for one in self.get_event_descriptors()}
        if uid not in self._descriptors:
            raise UnknownNameError(f"{self!r} has no descriptor {uid!r}.", descriptor=uid)
        return self._descriptors[uid]

    def fields(self, descriptor_uid: str) -> dict[str, Declared]:
        """Return the fields of a descriptor.

        Raises
        ------
        UnknownNameError
            If the run has no such descriptor (also a `KeyError`).
        """
        descriptor = self._descriptor(descriptor_uid)
        stream = descriptor.get("name", "primary")
        return {key: Declared.of(key, said, stream, dtype=False) for key, said in descriptor["data_keys"].items()}

    def _parts(
        self, descriptor_uid: str, keys: Keys, sub_dict: SubDict, skip: int, limit: int | None
    ) -> Iterator[Page]:
        """Yield columns of a descriptor's events, as many at a time as one answer should hold."""
        descriptor = self._descriptor(descriptor_uid)
        held = descriptor["data_keys"]
        wanted = list(held) if keys is None else [key for key in keys if key in held]
        nominal = 8 * len(wanted) if sub_dict == "timestamps" else sum(_nominal_bytes(held[key]) for key in wanted)
        size = max(1, min(PARTITION_EVENTS, PARTITION_BYTES // max(1, nominal)))
        size = size if limit is None else min(size, limit)
        chosen = None if keys is None or sum(map(len, wanted)) > _LONGEST_CHOICE else wanted or [""]
        index, left = 0, limit
        while left is None or left > 0:
            parts = self.partition(
                descriptor.get("name", "primary"),
                index,
                descriptor=descriptor_uid,
                skip=skip,
                partition_size=size,
                include=chosen,
                sub_dict=sub_dict,
                fill=False,
            )
            if not parts:
                return
            part = parts[0]
            rows = len(part["uid"])
            yield part if left is None or rows <= left else _begin(part, left)
            if rows < size:
                return
            index, left = index + 1, None if left is None else left - rows


@dataclass(frozen=True)
class RemoteRows:
    """Events of a run as a `RemoteExternal` wants them: the number of the row stands in place of each datum id.

    Parameters
    ----------
    run
        The run.
    """

    run: RemoteRun

    def get_event_count(self, descriptor_uid: str) -> int:
        """Return how many events a descriptor has."""
        return self.run.get_event_count(descriptor_uid)

    def get_event_pages(self, descriptor_uid: str, skip: int = 0, limit: int | None = None) -> Iterator[Page]:
        """Yield events of a descriptor as pages, with datum ids."""
        return self.run.get_event_pages(descriptor_uid, skip, limit)

    def get_columns(
        self, uid: str, keys: Keys = None, *, sub_dict: SubDict = "data", skip: int = 0, limit: int | None = None
    ) -> Page:
        """Return events of a descriptor as one page."""
        page = self.run.get_columns(uid, keys, sub_dict=sub_dict, skip=skip, limit=limit)
        if sub_dict == "data":
            fields = self.run.fields(uid)
            for key, values in page["data"].items():
                saying = page["filled"].get(key, [None] * len(values))
                away = list(map(is_external, repeat(fields[key]), values, saying))
                if any(away):
                    rows = enumerate(zip(values, away, strict=True), skip)
                    page["data"][key] = [row if elsewhere else value for row, (value, elsewhere) in rows]
        return page


@dataclass
class _References:
    """What events of a run point to."""

    complete: bool
    resources: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    pages: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    datums: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, name: str, document: Mapping[str, Any]) -> None:
        if name == "resource":
            self.resources[document["uid"]] = document
            return
        self.pages.setdefault(document["resource"], []).append(document)
        for datum_id, kwargs in unpacked(document):
            self.datums[datum_id] = {"datum_id": datum_id, "resource": document["resource"], "datum_kwargs": kwargs}


def told(asked: Connection, pairs: Iterator[Any]) -> Iterator[tuple[str, Any]]:
    """Yield pairs of names and documents; raise what the server says to have gone wrong among them."""
    for name, document in pairs:
        if name == "error":
            raise raised(document, asked.place)
        yield name, document


def _nominal_bytes(said: Mapping[str, Any]) -> int:
    """Return the size of one event's value of a field; of a datum id if it is external."""
    size = 64 if said.get("external") else 8
    for length in () if said.get("external") else said.get("shape") or ():
        size *= length if isinstance(length, int) and length > 0 else _OPEN_SIZE
    return size


def _begin(part: Page, rows: int) -> Page:
    """Return the first rows of a part."""
    shorter: Page = {key: part[key][:rows] for key in ("uid", "seq_num", "time")}
    for sub_dict in ("data", "timestamps", "filled"):
        shorter[sub_dict] = {key: column[:rows] for key, column in part.get(sub_dict, {}).items()}
    return shorter


def _joined(descriptor_uid: str, sub_dict: str, keys: Keys, parts: Sequence[Page]) -> Page:
    """Return the parts of a descriptor's events as one page."""
    if not parts:
        empty: Page = {"descriptor": descriptor_uid, "uid": [], "seq_num": [], "time": [], "filled": {}}
        return empty | {sub_dict: {key: [] for key in keys or ()}}
    page: Page = {"descriptor": descriptor_uid}
    for key in ("uid", "seq_num", "time"):
        page[key] = _joined_column([part[key] for part in parts])
    names = [name for name in parts[0][sub_dict] if keys is None or name in keys]
    page[sub_dict] = {name: _joined_column([part[sub_dict][name] for part in parts]) for name in names}
    saying = dict.fromkeys(name for part in parts for name in part.get("filled", {}))
    page["filled"] = {
        name: [said for part in parts for said in _listed(part["filled"].get(name, [None] * len(part["uid"])))]
        for name in saying
    }
    return page


def _joined_column(columns: Sequence[Any]) -> Any:
    if len(columns) == 1:
        return columns[0]
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    if len(arrays) == len(columns) and len({(array.dtype, array.shape[1:]) for array in arrays}) == 1:
        return np.concatenate(arrays)
    return [value for column in columns for value in _listed(column)]


def _listed(column: Any) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)
