"""Events of closed runs, from rows into pages of columns."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from underbutler.catalog.source import Page as EventPage
from underbutler.sql import database_now, read, write

from .column_bytes import pack, unpack
from .tables import UNPACKED, Descriptor, Event, Page, Run

__all__ = [
    "PACK_FROM",
    "PAGE_BYTES",
    "PAGE_EVENTS",
    "as_lists",
    "event_rows",
    "pack_ended",
    "pack_run",
    "packed_events",
    "pages_of_rows",
]

PACK_FROM: Final = 64
"""Descriptors with fewer events keep them as rows."""

PAGE_EVENTS: Final = 10_000
PAGE_BYTES: Final = 8 * 2**20
"""A page holds no more events than that, and of large events fewer: their JSON is no longer than this."""


def pack_run(connection: Connection, run_uid: str) -> bool:
    """Turn the events of a run that has ended into pages.

    Returns
    -------
    packed
        Whether it was done now; False if the run is open, unknown, or was packed before.
    """
    looked_through = (
        update(Run)
        .where(Run.uid == run_uid, Run.packed_at.is_(None), Run.stop_time.is_not(None))
        .values(packed_at=database_now())
    )
    if not connection.execute(looked_through).rowcount:
        return False
    many = select(func.count()).where(Event.descriptor_uid == Descriptor.uid).scalar_subquery() >= PACK_FROM
    descriptors = select(Descriptor.uid).where(Descriptor.run_uid == run_uid, many)
    for uid in connection.execute(descriptors).scalars().all():
        _pack_descriptor(connection, uid)
    return True


def pack_ended(engine: Engine, limit: int) -> int:
    """Pack runs that have ended and were not packed, each in a transaction of its own; return how many there were."""
    with read(engine) as connection:
        ended = connection.execute(select(Run.uid).where(UNPACKED).limit(limit)).scalars().all()
    packed = 0
    for uid in ended:
        with write(engine) as connection:
            packed += pack_run(connection, uid)
    return packed


def event_rows(connection: Connection, descriptor_uid: str, skip: int = 0, limit: int | None = None) -> Iterable[Any]:
    """Return rows of events in their order."""
    asked = (
        select(Event.uid, Event.seq_num, Event.time, Event.data, Event.timestamps, Event.filled)
        .where(Event.descriptor_uid == descriptor_uid)
        .order_by(Event.seq_num, Event.time, Event.uid)
    )
    return connection.execute(asked.offset(skip or None).limit(limit))


def pages_of_rows(
    descriptor_uid: str, rows: Iterable[Any], parts: Collection[str] = ("data", "timestamps")
) -> Iterator[EventPage]:
    """Yield rows of events as pages. A page ends where other fields begin to be said to be filled.

    Parameters
    ----------
    descriptor_uid
        Of which descriptor the events are.
    rows
        From `event_rows`.
    parts
        Which of ``data`` and ``timestamps`` are read; the other is empty.
    """
    for names, alike in itertools.groupby(rows, key=_names_of_filled):
        some = list(alike)
        yield {
            "descriptor": descriptor_uid,
            "uid": [row.uid for row in some],
            "seq_num": [row.seq_num for row in some],
            "time": [row.time for row in some],
            "data": _columns_of([row.data for row in some]) if "data" in parts else {},
            "timestamps": _columns_of([row.timestamps for row in some]) if "timestamps" in parts else {},
            "filled": _columns_of([row.filled for row in some]) if names else {},
        }


def packed_events(
    connection: Connection, descriptor_uid: str, uids: Collection[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield those of some events that are packed, by uid."""
    asked = select(Page).where(Page.descriptor_uid == descriptor_uid).order_by(Page.ordinal)
    for row in connection.execute(asked):
        head = unpack(row.head)
        wanted = [number for number, uid in enumerate(head["uid"]) if uid in uids]
        if not wanted:
            continue
        parts = {key: as_lists(unpack(getattr(row, key))) for key in ("data", "timestamps", "filled")}
        head = as_lists(head)
        for number in wanted:
            event = {key: column[number] for key, column in head.items()}
            event["descriptor"] = descriptor_uid
            event |= {key: {name: column[number] for name, column in part.items()} for key, part in parts.items()}
            yield event["uid"], event


def as_lists(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns as lists."""
    return {key: column if isinstance(column, list) else column.tolist() for key, column in columns.items()}


def _pack_descriptor(connection: Connection, descriptor_uid: str) -> None:
    skipped = 0
    ordinals = itertools.count()
    for some in _portions(event_rows(connection, descriptor_uid)):
        for page in pages_of_rows(descriptor_uid, some):
            row = {
                "descriptor_uid": descriptor_uid,
                "ordinal": next(ordinals),
                "skipped": skipped,
                "n_events": len(page["uid"]),
                "head": pack({key: page[key] for key in ("uid", "seq_num", "time")}),
                "data": pack(page["data"]),
                "timestamps": pack(page["timestamps"]),
                "filled": pack(page["filled"]),
            }
            connection.execute(insert(Page), row)
            skipped += len(page["uid"])
    connection.execute(delete(Event).where(Event.descriptor_uid == descriptor_uid))


def _portions(rows: Iterable[Any]) -> Iterator[list[Any]]:
    portion: list[Any] = []
    size = 0
    for row in rows:
        length = len(row.data) + len(row.timestamps)
        if portion and (len(portion) == PAGE_EVENTS or size + length > PAGE_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += length
    if portion:
        yield portion


def _columns_of(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Return the columns of JSON objects that all have the same keys."""
    records = json.loads(f"[{','.join(texts)}]")
    return {name: [record[name] for record in records] for name in records[0]}


def _names_of_filled(row: Any) -> tuple[str, ...]:
    return tuple(sorted(json.loads(row.filled))) if row.filled else ()
