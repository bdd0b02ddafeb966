"""Documents into the tables, one connection's transaction at a time.

A document that is there already is accepted if it is equal, and refused if it is not. After a run's stop nothing else
is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Insert, Table, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

from underbutler.catalog.conflicts import closed, compare, missing
from underbutler.catalog.schema import DocumentError, check, plain
from underbutler.catalog.source import unpacked
from underbutler.errors import ConflictError
from underbutler.sql import is_postgresql

from .column_pages import packed_events
from .data_id_index import data_id_rows
from .run_row import document_of, start_row, stop_row
from .tables import DataId, Datum, Descriptor, Event, Resource, Run

__all__ = ["Insertion", "Stream", "prepared"]

_ROWS: Final = 500
"""Most values of one IN list."""


_KEPT: Final = 1000
"""Descriptors that are remembered: they do not change."""


@dataclass
class Stream:
    """What the events of a descriptor are checked by."""

    run_uid: str
    name: str
    keys: frozenset[str]


@dataclass
class Insertion:
    """Writes documents of runs, remembering what they refer to.

    Parameters
    ----------
    streams
        Descriptors that were met, by uid.
    resources
        Runs of resources that were met, by uid of the resource.
    run_uid
        The run whose start was met last: resources and datums need not name theirs.
    """

    streams: dict[str, Stream] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)
    run_uid: str | None = None

    def insert(self, connection: Connection, name: str, documents: Sequence[Mapping[str, Any]]) -> None:
        """Write documents of one kind, that `prepared` returned, in their order.

        Raises
        ------
        ConflictError
            If an unequal one is there, or the run has ended.
        MissingDocumentError
            If one refers to a document that is not there.
        DocumentError
            If an event does not have the keys of its descriptor.
        """
        if name in {"event", "datum"}:
            key = "descriptor" if name == "event" else "resource"
            for uid in dict.fromkeys(document[key] for document in documents):
                some = [document for document in documents if document[key] == uid]
                (self._events if name == "event" else self._datums)(connection, uid, some)
            return
        write: Callable[[Connection, Mapping[str, Any]], None] = getattr(self, f"_{name}")
        for document in documents:
            write(connection, document)

    def _start(self, connection: Connection, start: Mapping[str, Any]) -> None:
        row = start_row(start)
        if _inserted(connection, Run, [row]):
            rows = list(data_id_rows(row["start"]))
            if rows:
                _inserted(connection, DataId, rows)
        else:
            columns = select(Run.start, Run.start_exact).where(Run.uid == start["uid"])
            compare("start", start, document_of(*connection.execute(columns).one()))
        self.run_uid = start["uid"]

    def _stop(self, connection: Connection, stop: Mapping[str, Any]) -> None:
        uid = stop["run_start"]
        ended = update(Run).where(Run.uid == uid, Run.stop_time.is_(None)).values(**stop_row(stop))
        if connection.execute(ended).rowcount:
            return
        row = connection.execute(select(Run.stop, Run.stop_exact).where(Run.uid == uid)).one_or_none()
        if row is None:
            raise missing("stop", stop["uid"], "start", uid)
        compare("stop", stop, document_of(*row))

    def _descriptor(self, connection: Connection, descriptor: Mapping[str, Any]) -> None:
        row = {
            "uid": descriptor["uid"],
            "run_uid": descriptor["run_start"],
            "time": descriptor["time"],
            "stream": descriptor.get("name", ""),
            "body": json.dumps(descriptor),
        }
        known = select(Descriptor.body).where(Descriptor.uid == row["uid"])
        self._write("descriptor", connection, Descriptor, row, descriptor, known)

    def _resource(self, connection: Connection, resource: Mapping[str, Any]) -> None:
        run_uid = resource.get("run_start") or self.run_uid
        if run_uid is None:
            raise DocumentError(
                f"The resource {resource['uid']!r} does not say of which run it is. Write it with `run_start`, or by "
                "the writer that has written its run's start document.",
                kind="resource",
                uid=resource["uid"],
            )
        row = {"run_uid": run_uid, "uid": resource["uid"], "body": json.dumps(resource)}
        known = select(Resource.body).where(Resource.run_uid == run_uid, Resource.uid == row["uid"])
        self._write("resource", connection, Resource, row, resource, known)

    def _write(
        self,
        kind: str,
        connection: Connection,
        table: type[DeclarativeBase],
        row: Mapping[str, Any],
        document: Mapping[str, Any],
        known: Any,
    ) -> None:
        """Write a document of a run that must be open, unless it is there."""
        is_open = _is_open(connection, kind, document["uid"], row["run_uid"])
        if is_open and _inserted(connection, table, [row]):
            return
        body = connection.execute(known).scalar_one_or_none()
        if body is None:
            raise closed(kind, document["uid"], row["run_uid"])
        compare(kind, document, json.loads(body))

    def _events(self, connection: Connection, descriptor_uid: str, events: Sequence[Mapping[str, Any]]) -> None:
        stream = self._stream(connection, descriptor_uid, events[0]["uid"])
        for event in events:
            _check_keys(event, stream)
        if _inserted_events(connection, stream.run_uid, [_event_row(event) for event in events]) == len(events):
            return
        stored = dict(_stored_events(connection, descriptor_uid, [event["uid"] for event in events]))
        for event in events:
            if event["uid"] not in stored:
                _refuse_foreign_event(connection, event)
                raise closed("event", event["uid"], stream.run_uid)
            compare("event", event, stored[event["uid"]])

    def _datums(self, connection: Connection, resource_uid: str, datums: Sequence[Mapping[str, Any]]) -> None:
        run_uid = self._run_of_resource(connection, resource_uid, datums[0]["datum_id"])
        rows = [
            {
                "run_uid": run_uid,
                "datum_id": datum["datum_id"],
                "resource_uid": resource_uid,
                "kwargs": json.dumps(datum["datum_kwargs"]),
            }
            for datum in datums
        ]
        if _is_open(connection, "datum", datums[0]["datum_id"], run_uid):
            written = _inserted(connection, Datum, rows)
            if written == len(rows):
                return
        stored = dict(_stored_datums(connection, run_uid, [datum["datum_id"] for datum in datums]))
        for datum in datums:
            if datum["datum_id"] not in stored:
                raise closed("datum", datum["datum_id"], run_uid)
            compare("datum", datum, stored[datum["datum_id"]])

    def _stream(self, connection: Connection, descriptor_uid: str, event_uid: str) -> Stream:
        stream = self.streams.get(descriptor_uid)
        if stream is None:
            asked = select(Descriptor.run_uid, Descriptor.body).where(Descriptor.uid == descriptor_uid)
            row = connection.execute(asked).one_or_none()
            if row is None:
                raise missing("event", event_uid, "descriptor", descriptor_uid)
            descriptor = json.loads(row.body)
            keys = frozenset(
                key
                for key, described in descriptor["data_keys"].items()
                if not str(described.get("external", "")).startswith("STREAM:")
            )
            if len(self.streams) >= _KEPT:
                self.streams.clear()
            stream = Stream(row.run_uid, descriptor.get("name", ""), keys)
            self.streams[descriptor_uid] = stream
        return stream

    def _run_of_resource(self, connection: Connection, resource_uid: str, datum_id: str) -> str:
        """Return the run of a resource; of several that share it, the one at hand, else the newest."""
        if resource_uid not in self.resources:
            asked = (
                select(Resource.run_uid)
                .join(Run, Run.uid == Resource.run_uid)
                .where(Resource.uid == resource_uid)
                .order_by((Run.uid == (self.run_uid or "")).desc(), Run.time.desc())
                .limit(1)
            )
            run_uid = connection.execute(asked).scalar_one_or_none()
            if run_uid is None:
                raise missing("datum", datum_id, "resource", resource_uid)
            self.resources[resource_uid] = run_uid
        return self.resources[resource_uid]


def prepared(name: str, document: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Return a document as the kind and the documents that are written for it: pages become events and datums.

    Raises
    ------
    DocumentError
        If it breaks its schema.
    """
    own = plain(name, document)
    check(name, own)
    if name == "event":
        own["time"] = float(own["time"])
    if name == "event_page":
        return "event", list(_events_of(own))
    if name == "datum_page":
        resource = own["resource"]
        return "datum", [
            {"datum_id": datum_id, "datum_kwargs": kwargs, "resource": resource} for datum_id, kwargs in unpacked(own)
        ]
    return name, [own]


def _events_of(page: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for row, uid in enumerate(page["uid"]):
        event = {
            "uid": uid,
            "seq_num": page["seq_num"][row],
            "time": float(page["time"][row]),
            "descriptor": page["descriptor"],
        }
        for key in ("data", "timestamps", "filled"):
            if key in page:
                event[key] = {name: column[row] for name, column in page[key].items()}
        yield event


def _check_keys(event: Mapping[str, Any], stream: Stream) -> None:
    for part in ("data", "timestamps"):
        different = stream.keys ^ event[part].keys()
        if different:
            key = min(different)
            reason = "is not in the event" if key in stream.keys else "is not in its descriptor"
            raise DocumentError(
                f"The event {event['uid']!r} breaks its schema at $.{part}: {key!r} {reason}. The events of stream "
                f"{stream.name!r} have the keys {', '.join(sorted(stream.keys))}; nothing of it was kept.",
                kind="event",
                path=f"$.{part}",
                uid=event["uid"],
            )


def _event_row(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "uid": event["uid"],
        "descriptor_uid": event["descriptor"],
        "seq_num": event["seq_num"],
        "time": event["time"],
        "data": json.dumps(event["data"]),
        "timestamps": json.dumps(event["timestamps"]),
        "filled": json.dumps(event["filled"]) if event.get("filled") else None,
    }


def _stored_events(connection: Connection, descriptor_uid: str, uids: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for some in _parts(uids):
        for row in connection.execute(select(Event).where(Event.uid.in_(some))):
            yield (
                row.uid,
                {
                    "uid": row.uid,
                    "descriptor": row.descriptor_uid,
                    "seq_num": row.seq_num,
                    "time": row.time,
                    "data": json.loads(row.data),
                    "timestamps": json.loads(row.timestamps),
                    "filled": json.loads(row.filled or "{}"),
                },
            )
    yield from packed_events(connection, descriptor_uid, frozenset(uids))


def _stored_datums(connection: Connection, run_uid: str, datum_ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for some in _parts(datum_ids):
        asked = select(Datum).where(Datum.run_uid == run_uid, Datum.datum_id.in_(some))
        for row in connection.execute(asked):
            yield (
                row.datum_id,
                {
                    "datum_id": row.datum_id,
                    "resource": row.resource_uid,
                    "datum_kwargs": json.loads(row.kwargs),
                },
            )


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(values), _ROWS):
        yield values[begin : begin + _ROWS]


def _inserted(connection: Connection, table: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows that are not there, and return how many were not."""
    of: Any = postgresql if is_postgresql(connection) else sqlite
    insert: Insert = of.insert(_table(table)).on_conflict_do_nothing()
    # Without this word SQLAlchemy knows no number on PostgreSQL.
    return connection.execute(insert, list(rows), execution_options={"preserve_rowcount": True}).rowcount


_INSERT_EVENTS: Final = text("""
    WITH open AS MATERIALIZED (SELECT uid FROM catalog_run WHERE uid = :run_uid AND stop_time IS NULL FOR SHARE)
    INSERT INTO catalog_event (uid, descriptor_uid, seq_num, time, data, timestamps, filled)
    SELECT event.uid, event.descriptor_uid, event.seq_num, event.time, event.data, event.timestamps, event.filled
    FROM open, json_to_recordset(CAST(:events AS json)) AS event (
        uid text, descriptor_uid text, seq_num bigint, time double precision, data text, timestamps text, filled text)
    ON CONFLICT (uid) DO NOTHING""")


def _inserted_events(connection: Connection, run_uid: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert events that are not there, if their run is open, and return how many were inserted: in one statement."""
    if is_postgresql(connection):
        return connection.execute(_INSERT_EVENTS, {"run_uid": run_uid, "events": json.dumps(rows)}).rowcount
    return _inserted(connection, Event, rows) if _is_open(connection, "event", rows[0]["uid"], run_uid) else 0


def _table(table: type[DeclarativeBase]) -> Table:
    return table.__table__  # type: ignore[return-value]


def _is_open(connection: Connection, kind: str, uid: str, run_uid: str) -> bool:
    """Tell whether a run is open, and hold its stop back until this transaction ends."""
    asked = select(Run.stop_time).where(Run.uid == run_uid).with_for_update(read=True)
    row = connection.execute(asked).one_or_none()
    if row is None:
        raise missing(kind, uid, "start", run_uid)
    return row.stop_time is None


def _refuse_foreign_event(connection: Connection, event: Mapping[str, Any]) -> None:
    other = connection.execute(select(Event.descriptor_uid).where(Event.uid == event["uid"])).scalar_one_or_none()
    if other is not None:
        raise ConflictError(
            f"The event {event['uid']!r} is in the catalogue as one of descriptor {other!r}. Give the new one a uid of "
            "its own.",
            kind="event",
            uid=event["uid"],
        )
