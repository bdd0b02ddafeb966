"""Documents of runs, for tests of the catalogue: small, valid, and with numbers that are known by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Documents = list[tuple[str, dict[str, Any]]]


def start_of(uid: str = "run", time: float = 1000.0, **more: Any) -> dict[str, Any]:
    return {"uid": uid, "time": time, **more}


def stop_of(run: str = "run", time: float = 2000.0, **more: Any) -> dict[str, Any]:
    return {"uid": f"{run}-stop", "run_start": run, "time": time, "exit_status": "success", **more}


def descriptor_of(run: str = "run", uid: str = "", name: str = "primary", **keys: Mapping[str, Any]) -> dict[str, Any]:
    described = keys or {"x": {"dtype": "number", "shape": [], "source": "test"}}
    return {
        "uid": uid or f"{run}-{name}",
        "run_start": run,
        "name": name,
        "time": 1001.0,
        "data_keys": {
            key: {"dtype": "number", "shape": [], "source": "test", **more} for key, more in described.items()
        },
    }


def event_of(number: int, descriptor: str = "run-primary", uid: str = "", **data: Any) -> dict[str, Any]:
    values = data or {"x": float(number) / 8}
    return {
        "uid": uid or f"{descriptor}-{number}",
        "descriptor": descriptor,
        "seq_num": number,
        "time": 1001.0 + number,
        "data": values,
        "timestamps": dict.fromkeys(values, 1001.5 + number),
    }


def run_of(uid: str = "run", time: float = 1000.0, events: int = 3, ended: bool = True, **start: Any) -> Documents:
    """Return a run with one stream, whose field ``x`` is an eighth of ``seq_num``."""
    documents: Documents = [("start", start_of(uid, time, **start)), ("descriptor", descriptor_of(uid))]
    documents += [("event", event_of(number, f"{uid}-primary")) for number in range(1, events + 1)]
    return [*documents, ("stop", stop_of(uid, time + 100.0))] if ended else documents


OTHERWISE: dict[str, dict[str, Any]] = {
    "start": {"sample": "Fe"},
    "stop": {"reason": "tired"},
    "descriptor": {"hints": {}},
    "event": {"time": 5.0},
    "resource": {"spec": "OTHER"},
    "datum": {"datum_kwargs": {"index": 99}},
}
"""What makes a document of each kind another one, of the same identity."""


def imaged_run(uid: str = "run", images: int = 3, time: float = 1000.0) -> Documents:
    """Return a run whose field ``image`` is kept outside, in one resource with a datum per event."""
    image = {"dtype": "array", "shape": [2, 2], "external": "FILESTORE:"}
    resource = {
        "uid": f"{uid}-file",
        "run_start": uid,
        "spec": "TEST",
        "root": "/data",
        "resource_path": "images.npy",
        "resource_kwargs": {"dtype": "<u2"},
        "path_semantics": "posix",
    }
    documents: Documents = [
        ("start", start_of(uid, time)),
        ("descriptor", descriptor_of(uid, image=image, x={})),
        ("resource", resource),
    ]
    for number in range(1, images + 1):
        datum_id = f"{uid}-file/{number}"
        event = event_of(number, f"{uid}-primary", image=datum_id, x=number / 8)
        datum = {"datum_id": datum_id, "resource": f"{uid}-file", "datum_kwargs": {"index": number - 1}}
        documents += [("datum", datum), ("event", {**event, "filled": {"image": False}})]
    return [*documents, ("stop", stop_of(uid))]


def events_of(pages: Iterator[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of event pages."""
    return [
        {
            "descriptor": page["descriptor"],
            **{key: page[key][row] for key in ("uid", "seq_num", "time")},
            **{key: {name: column[row] for name, column in page[key].items()} for key in ("data", "timestamps")},
        }
        for page in pages
        for row in range(len(page["uid"]))
    ]
