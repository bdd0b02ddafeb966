"""Documents of a job's run while it happens: many workers write at once, each in the transaction of its own work.

What is written here is valid by construction and has one writer per event; documents of other runs go through
`insertion`, which compares and refuses.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, select

from underbutler.chain import Chain, Kind, rows_parameter

from .tables import Run, StreamCount

__all__ = ["Added", "add_events", "begin_run", "end_run"]

_EVENT: Final[Mapping[str, Kind]] = {
    "ordinal": "bigint",
    "uid": "text",
    "time": "double precision",
    "data": "text",
    "timestamps": "text",
    "filled": "text",
}
_RESOURCE: Final[Mapping[str, Kind]] = {"uid": "text", "body": "text"}
_DATUM: Final[Mapping[str, Kind]] = {"datum_id": "text", "resource_uid": "text", "kwargs": "text"}
_DATASET: Final[Mapping[str, Kind]] = {"uid": "text", "event_uid": "text", "dataset_type": "text"}

_ADD: Final = Chain(
    first="""
        INSERT INTO catalog_stream (run_uid, name, shapes, n_events)
            SELECT uid, :stream, :shapes, CAST(:n_new AS bigint) FROM catalog_run
            WHERE uid = :run_uid AND stop_time IS NULL
            ON CONFLICT (run_uid, name) DO UPDATE SET
                n_events = catalog_stream.n_events + excluded.n_events,
                shapes = CASE excluded.shapes WHEN '' THEN catalog_stream.shapes ELSE excluded.shapes END
                WHERE '' IN (catalog_stream.shapes, excluded.shapes) OR catalog_stream.shapes = excluded.shapes
        RETURNING run_uid, n_events - CAST(:n_new AS bigint) AS n_before""",
    columns=("run_uid", "n_before"),
    followers=(
        """INSERT INTO catalog_descriptor (uid, run_uid, time, stream, body)
            SELECT :descriptor_uid, first.run_uid, CAST(:time AS double precision), :stream, :body
            FROM first WHERE true ON CONFLICT (uid) DO NOTHING""",
        """INSERT INTO catalog_event (uid, descriptor_uid, seq_num, time, data, timestamps, filled)
            SELECT made.uid, :descriptor_uid, first.n_before + ordinal, time, data, timestamps, filled
            FROM first, {events} AS made""",
        """INSERT INTO catalog_resource (run_uid, uid, body)
            SELECT first.run_uid, made.uid, body FROM first, {resources} AS made
            WHERE true ON CONFLICT (run_uid, uid) DO NOTHING""",
        """INSERT INTO catalog_datum (run_uid, datum_id, resource_uid, kwargs)
            SELECT first.run_uid, datum_id, resource_uid, kwargs FROM first, {datums} AS made
            WHERE true ON CONFLICT (run_uid, datum_id) DO NOTHING""",
        """INSERT INTO catalog_dataset (uid, run_uid, event_uid, dataset_type)
            SELECT made.uid, first.run_uid, event_uid, dataset_type FROM first, {datasets} AS made
            WHERE true ON CONFLICT (uid) DO NOTHING""",
    ),
    rows={"events": _EVENT, "resources": _RESOURCE, "datums": _DATUM, "datasets": _DATASET},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """An event that is added to a run; its number in the stream is given when it is written.

    Parameters
    ----------
    uid
        Its identity.
    time
        When it happened, seconds since 1970 UTC.
    data
        Value of each field; of an external one its datum id.
    resources
        Resource documents that it refers to, without ``run_start``.
    datums
        Datum documents that it refers to.
    datasets
        Identity and dataset type of datasets in a Butler repository that belong to it.
    """

    uid: str
    time: float
    data: Mapping[str, Any]
    resources: Sequence[Mapping[str, Any]] = ()
    datums: Sequence[Mapping[str, Any]] = ()
    datasets: Sequence[tuple[str, str]] = field(default=())


def begin_run(connection: Connection, start: Mapping[str, Any]) -> None:
    """Write the start document of a run.

    Raises
    ------
    DocumentError
        If it breaks its schema.
    """
    _insert(connection, "start", start)


def add_events(
    connection: Connection,
    run_uid: str,
    stream: str,
    data_keys: Mapping[str, Mapping[str, Any]],
    events: Sequence[Added],
    *,
    described: Mapping[str, Any] | None = None,
) -> bool:
    """Add events that all have the same data keys; their descriptor is written with the first of them.

    Parameters
    ----------
    connection
        A write transaction; what `events` count on stays locked until its end.
    run_uid, stream
        Where they belong.
    data_keys
        What their descriptor says of each field.
    events
        At least one.
    described
        More of the descriptor: ``configuration``, ``object_keys``, ``hints``.

    Returns
    -------
    added
        False, and nothing is written, if the run is unknown or has ended, or if the stream has images of other shapes.

    Raises
    ------
    DocumentError
        If the descriptor breaks its schema.
    """
    said = json.dumps(data_keys, sort_keys=True)
    uid = str(uuid.uuid5(uuid.UUID(run_uid), f"{stream} {said}"))
    descriptor = {
        **(described or {}),
        "uid": uid,
        "run_start": run_uid,
        "time": events[0].time,
        "name": stream,
        "data_keys": data_keys,
    }
    _check_once(uid, descriptor)
    external = [key for key, of in data_keys.items() if of.get("external")]
    rows = [
        {
            "ordinal": ordinal,
            "uid": event.uid,
            "time": event.time,
            "data": json.dumps(event.data),
            "timestamps": json.dumps(dict.fromkeys(event.data, event.time)),
            "filled": json.dumps(dict.fromkeys(external, False)) if external else None,
        }
        for ordinal, event in enumerate(events, 1)
    ]
    parameters = {
        "run_uid": run_uid,
        "stream": stream,
        "shapes": shapes_of(data_keys),
        "n_new": len(events),
        "descriptor_uid": uid,
        "time": descriptor["time"],
        "body": json.dumps(descriptor),
        "events": rows_parameter(rows, _EVENT, connection),
        "resources": rows_parameter(
            [
                {"uid": resource["uid"], "body": json.dumps({**resource, "run_start": run_uid})}
                for event in events
                for resource in event.resources
            ],
            _RESOURCE,
            connection,
        ),
        "datums": rows_parameter(
            [
                {
                    "datum_id": datum["datum_id"],
                    "resource_uid": datum["resource"],
                    "kwargs": json.dumps(datum["datum_kwargs"]),
                }
                for event in events
                for datum in event.datums
            ],
            _DATUM,
            connection,
        ),
        "datasets": rows_parameter(
            [
                {"uid": dataset, "event_uid": event.uid, "dataset_type": kind}
                for event in events
                for dataset, kind in event.datasets
            ],
            _DATASET,
            connection,
        ),
    }
    return _ADD.run_within(connection, parameters) is not None


def end_run(connection: Connection, stop: Mapping[str, Any]) -> bool:
    """Write the stop document of a run; how many events its streams have is added to it. A run that has one keeps it.

    Returns
    -------
    ended
        False if the run was not begun: its job is older than the catalogue.

    Raises
    ------
    DocumentError
        If it breaks its schema.
    """
    run_uid = stop["run_start"]
    row = connection.execute(select(Run.stop_time).where(Run.uid == run_uid)).one_or_none()
    if row is None or row.stop_time is not None:
        return row is not None
    counted = connection.execute(
        select(StreamCount.name, StreamCount.n_events).where(StreamCount.run_uid == run_uid).order_by(StreamCount.name)
    )
    _insert(connection, "stop", {**stop, "num_events": {row.name: row.n_events for row in counted}})
    return True


def shapes_of(data_keys: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a text that is the same for all events whose images have the same shapes; empty without images."""
    shapes = {key: of["shape"] for key, of in sorted(data_keys.items()) if of.get("external") and of.get("shape")}
    return json.dumps(shapes) if shapes else ""


def _insert(connection: Connection, name: str, document: Mapping[str, Any]) -> None:
    from .insertion import Insertion, prepared  # brings event-model: only who begins or ends a run needs it

    kind, documents = prepared(name, document)
    Insertion().insert(connection, kind, documents)


_CHECKED: Final[dict[str, None]] = {}
_REMEMBERED: Final = 1000


def _check_once(uid: str, descriptor: Mapping[str, Any]) -> None:
    """Compare a descriptor with its schema, once per process and distinct set of data keys."""
    if uid in _CHECKED:
        return
    from underbutler.catalog.schema import check

    check("descriptor", descriptor)
    while len(_CHECKED) >= _REMEMBERED:
        _CHECKED.pop(next(iter(_CHECKED)))
    _CHECKED[uid] = None
