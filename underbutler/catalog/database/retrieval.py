"""A run out of the tables: the `RunSource` of one that a database keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Engine, func, select

from underbutler.catalog.run_store import RunHeader
from underbutler.catalog.source import Keys, SubDict, cut
from underbutler.catalog.source import Page as EventPage
from underbutler.sql import is_postgresql, read

from .column_bytes import unpack
from .column_pages import PAGE_EVENTS, as_lists, event_rows, pages_of_rows
from .engines import engine_of, url_of
from .run_row import document_of
from .tables import Datum, Descriptor, Event, Page, Resource, Run

__all__ = ["StoredRun", "snapshot"]

_IDS: Final = 500
"""Most values of one IN list."""

_DATUMS: Final = 10_000
"""Datums of one page."""


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a connection whose statements all see the same moment: events may be packed between two of them."""
    with read(engine) as connection:
        if is_postgresql(engine):
            connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
        yield connection


@dataclass(frozen=True)
class StoredRun:
    """Reads one run of a database. Each call reads anew.

    Parameters
    ----------
    engine
        The database.
    header
        Start, and stop if the run has ended.
    """

    engine: Engine
    header: RunHeader

    @classmethod
    def open(cls, url: str, header: RunHeader) -> StoredRun:
        """Return a run of the database at a URL."""
        return cls(engine_of(url), header)

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredRun.open, (url_of(self.engine), self.header)

    def get_run_start(self) -> Mapping[str, Any]:
        """Return the start document."""
        return self.header.start

    def get_run_stop(self) -> Mapping[str, Any] | None:
        """Return the stop document; None while the run is open."""
        if self.header.stop is not None:
            return self.header.stop
        with read(self.engine) as connection:
            row = connection.execute(select(Run.stop, Run.stop_exact).where(Run.uid == self.header.uid)).one()
        return document_of(*row)

    def get_event_descriptors(self) -> list[dict[str, Any]]:
        """Return the descriptors, by time."""
        asked = (
            select(Descriptor.body)
            .where(Descriptor.run_uid == self.header.uid)
            .order_by(Descriptor.time, Descriptor.uid)
        )
        with read(self.engine) as connection:
            return [json.loads(body) for body in connection.execute(asked).scalars()]

    def get_event_count(self, descriptor_uid: str) -> int:
        """Return how many events a descriptor has."""
        packed = select(func.coalesce(func.sum(Page.n_events), 0)).where(Page.descriptor_uid == descriptor_uid)
        rows = select(func.count()).where(Event.descriptor_uid == descriptor_uid)
        with read(self.engine) as connection:
            count = connection.execute(select(packed.scalar_subquery() + rows.scalar_subquery())).scalar_one()
        return int(count)

    def get_event_pages(self, descriptor_uid: str, skip: int = 0, limit: int | None = None) -> Iterator[EventPage]:
        """Yield events of a descriptor as pages, by ``seq_num``."""
        for pages in self._portions(descriptor_uid, skip, limit, _whole_page, pages_of_rows):
            yield from pages

    def get_columns(
        self, uid: str, keys: Keys = None, *, sub_dict: SubDict = "data", skip: int = 0, limit: int | None = None
    ) -> EventPage:
        """Return events of a descriptor as one page, with arrays where they were kept as such."""
        wanted = _Wanted(sub_dict, keys)
        parts = [page for pages in self._portions(uid, skip, limit, wanted.of_page, wanted.of_rows) for page in pages]
        if not parts:
            parts = [wanted.nothing(uid)]
        return _joined(uid, parts)

    def get_resource(self, resource_uid: str) -> dict[str, Any]:
        """Return a resource.

        Raises
        ------
        UnknownNameError
            If the run has none of that uid (also a `KeyError`).
        """
        asked = select(Resource.body).where(Resource.run_uid == self.header.uid, Resource.uid == resource_uid)
        with read(self.engine) as connection:
            body = connection.execute(asked).scalar_one_or_none()
        if body is None:
            raise self.header.has_no("resource", resource_uid)
        return dict(json.loads(body))

    def get_resources(self) -> list[dict[str, Any]]:
        """Return all resources."""
        asked = select(Resource.body).where(Resource.run_uid == self.header.uid).order_by(Resource.uid)
        with read(self.engine) as connection:
            return [json.loads(body) for body in connection.execute(asked).scalars()]

    def lookup_resource_for_datum(self, datum_id: str) -> str:
        """Return the uid of the resource of a datum.

        Raises
        ------
        UnknownNameError
            If the run has no such datum (also a `KeyError`).
        """
        asked = select(Datum.resource_uid).where(Datum.run_uid == self.header.uid, Datum.datum_id == datum_id)
        with read(self.engine) as connection:
            uid = connection.execute(asked).scalar_one_or_none()
        if uid is None:
            raise self.header.has_no("datum", datum_id)
        return uid

    def get_datum_pages(self, resource_uid: str) -> Iterator[dict[str, Any]]:
        """Yield the datums of a resource as pages, ``…/9`` before ``…/10``."""
        asked = (
            select(Datum.datum_id, Datum.kwargs)
            .where(Datum.run_uid == self.header.uid, Datum.resource_uid == resource_uid)
            .order_by(func.length(Datum.datum_id), Datum.datum_id)
        )
        with read(self.engine) as connection:
            rows = connection.execute(asked).all()
        for begin in range(0, len(rows), _DATUMS):
            yield from _datum_pages(resource_uid, rows[begin : begin + _DATUMS])

    def get_datums(self, datum_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield those of some datums that the run has."""
        for begin in range(0, len(datum_ids), _IDS):
            asked = select(Datum.datum_id, Datum.resource_uid, Datum.kwargs).where(
                Datum.run_uid == self.header.uid, Datum.datum_id.in_(datum_ids[begin : begin + _IDS])
            )
            with read(self.engine) as connection:
                rows = connection.execute(asked).all()
            for datum_id, resource_uid, kwargs in rows:
                yield {"datum_id": datum_id, "resource": resource_uid, "datum_kwargs": json.loads(kwargs)}

    def _portions(
        self, descriptor_uid: str, skip: int, limit: int | None, of_page: Any, of_rows: Any
    ) -> Iterator[list[EventPage]]:
        """Yield events, a packed page or some thousand rows at a time; no connection is held in between."""
        while limit is None or limit > 0:
            most = PAGE_EVENTS if limit is None else min(limit, PAGE_EVENTS)
            asked = (
                select(Page)
                .where(Page.descriptor_uid == descriptor_uid, Page.skipped + Page.n_events > skip)
                .order_by(Page.ordinal)
                .limit(1)
            )
            with snapshot(self.engine) as connection:
                page = connection.execute(asked).one_or_none()
                rows = [] if page else list(event_rows(connection, descriptor_uid, skip, most))
            if page:
                begin = skip - page.skipped
                pages = [cut(of_page(page), begin, min(page.n_events, begin + most))]
            else:
                pages = list(of_rows(descriptor_uid, rows))
            found = sum(len(part["uid"]) for part in pages)
            if not found:
                return
            yield pages
            skip += found
            limit = None if limit is None else limit - found


@dataclass(frozen=True)
class _Wanted:
    """Which columns are wanted."""

    sub_dict: SubDict
    keys: Keys

    def of_page(self, row: Any) -> EventPage:
        page: EventPage = {"descriptor": row.descriptor_uid, **unpack(row.head), "data": {}, "timestamps": {}}
        page[self.sub_dict] = unpack(getattr(row, self.sub_dict), self.keys)
        page["filled"] = unpack(row.filled, self.keys) if self.sub_dict == "data" else {}
        return page

    def of_rows(self, descriptor_uid: str, rows: Sequence[Any]) -> Iterator[EventPage]:
        for page in pages_of_rows(descriptor_uid, rows, {self.sub_dict}):
            page[self.sub_dict] = {k: v for k, v in page[self.sub_dict].items() if self.keys is None or k in self.keys}
            yield page

    def nothing(self, descriptor_uid: str) -> EventPage:
        empty: EventPage = {"descriptor": descriptor_uid, "uid": [], "seq_num": [], "time": [], "filled": {}}
        return empty | {"data": {}, "timestamps": {}, self.sub_dict: {key: [] for key in self.keys or ()}}


def _whole_page(row: Any) -> EventPage:
    page: EventPage = {"descriptor": row.descriptor_uid, **as_lists(unpack(row.head))}
    page |= {key: as_lists(unpack(getattr(row, key))) for key in ("data", "timestamps", "filled")}
    return page


def _joined(descriptor_uid: str, parts: Sequence[EventPage]) -> EventPage:
    """Return parts of a descriptor's events as one."""
    if len(parts) == 1:
        return parts[0]
    whole: EventPage = {"descriptor": descriptor_uid}
    for key in ("uid", "seq_num", "time"):
        whole[key] = _joined_column([part[key] for part in parts])
    for key in ("data", "timestamps"):
        names = list(parts[0][key])
        whole[key] = {name: _joined_column([part[key][name] for part in parts]) for name in names}
    whole["filled"] = _joined_filled(parts)
    return whole


def _joined_filled(parts: Sequence[EventPage]) -> dict[str, Any]:
    """Return what events say of being filled; of those that do not say, None."""
    names = dict.fromkeys(name for part in parts for name in part["filled"])
    return {
        name: [value for part in parts for value in part["filled"].get(name, [None] * len(part["uid"]))]
        for name in names
    }


def _joined_column(columns: Sequence[Any]) -> Any:
    if columns and all(isinstance(column, np.ndarray) for column in columns):
        kinds = {(column.dtype, column.shape[1:]) for column in columns}
        if len(kinds) == 1:
            return np.concatenate(columns)
    return [value for column in columns for value in (column.tolist() if isinstance(column, np.ndarray) else column)]


def _datum_pages(resource_uid: str, rows: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield datums as pages; a page ends where other keyword arguments begin."""
    ids: list[str] = []
    records: list[dict[str, Any]] = []
    for datum_id, text in rows:
        kwargs = json.loads(text)
        if records and kwargs.keys() != records[0].keys():
            yield _datum_page(resource_uid, ids, records)
            ids, records = [], []
        ids.append(datum_id)
        records.append(kwargs)
    if records:
        yield _datum_page(resource_uid, ids, records)


def _datum_page(resource_uid: str, ids: list[str], records: list[dict[str, Any]]) -> dict[str, Any]:
    columns = {name: [record[name] for record in records] for name in records[0]}
    return {"resource": resource_uid, "datum_id": ids, "datum_kwargs": columns}
