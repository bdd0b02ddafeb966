"""Runs made of documents in memory, for tests of the catalogue. Everything here pickles."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import event_model
import numpy as np

from underbutler.catalog import BlueskyRun, FillerFactory
from underbutler.catalog.callables import CallableSource

Pair = tuple[str, Any]


@dataclass
class Memory:
    """A store that holds one run's documents as a list of pairs; more may be added while the run is read."""

    pairs: list[Pair]
    page_size: int = 1000
    ranges: bool = True
    asked: list[str] = field(default_factory=list)

    def source(self, **more: Any) -> CallableSource:
        return CallableSource(
            get_run_start=self.start,
            get_run_stop=self.stop,
            get_event_descriptors=self.descriptors,
            get_event_pages=self.pages if self.ranges else self.all_pages,
            get_event_count=self.count,
            get_resource=self.resource,
            get_resources=self.resources,
            lookup_resource_for_datum=self.lookup,
            get_datum_pages=self.datum_pages,
            **more,
        )

    def run(self, handlers: Mapping[str, Any] | None = None, **kwargs: Any) -> BlueskyRun:
        return BlueskyRun.of(self.source(), FillerFactory(handlers or {}), **kwargs)

    def of(self, kind: str) -> list[Any]:
        return [doc for name, doc in self.pairs if name == kind]

    def start(self) -> Any:
        return self.of("start")[0]

    def stop(self) -> Any:
        return (self.of("stop") or [None])[0]

    def descriptors(self) -> list[Any]:
        return self.of("descriptor")

    def events(self, uid: str) -> list[Any]:
        return [event for event in self.of("event") if event["descriptor"] == uid]

    def count(self, uid: str) -> int:
        return len(self.events(uid))

    def pages(self, uid: str, skip: int = 0, limit: int | None = None) -> Iterator[Any]:
        self.asked.append(f"events {skip}:{limit}")
        events = self.events(uid)[skip:]
        events = events if limit is None else events[:limit]
        for begin in range(0, len(events), self.page_size):
            yield event_model.pack_event_page(*copy.deepcopy(events[begin : begin + self.page_size]))

    def all_pages(self, uid: str) -> Iterator[Any]:
        return self.pages(uid)

    def resource(self, uid: str) -> Any:
        return next((doc for doc in self.of("resource") if doc["uid"] == uid), None)

    def resources(self) -> list[Any]:
        return self.of("resource")

    def lookup(self, datum_id: str) -> str:
        return next(doc["resource"] for doc in self.of("datum") if doc["datum_id"] == datum_id)

    def datum_pages(self, uid: str) -> Iterator[Any]:
        datums = [doc for doc in self.of("datum") if doc["resource"] == uid]
        if datums:
            yield event_model.pack_datum_page(*datums)

    def datums(self, ids: Sequence[str]) -> list[Any]:
        return [doc for doc in self.of("datum") if doc["datum_id"] in set(ids)]

    def columns(
        self,
        uid: str,
        keys: Any = None,
        *,
        sub_dict: str = "data",
        skip: int = 0,
        limit: int | None = None,
    ) -> Any:
        self.asked.append(f"columns {sorted(keys)} {skip}:{limit}")
        events = self.events(uid)[skip:]
        if not events:
            return {"uid": [], "seq_num": [], "time": []}
        page = event_model.pack_event_page(*(events if limit is None else events[:limit]))
        held = page[sub_dict]
        return {
            "uid": page["uid"],
            "seq_num": np.array(page["seq_num"]),
            "time": np.array(page["time"]),
            sub_dict: {key: held[key] for key in (held if keys is None else keys)},
            "filled": page["filled"],
        }


SCALAR = {"dtype": "number", "shape": [], "source": "test"}


def data_key(dtype: str = "number", shape: Sequence[int | None] = (), **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "source": "test", **more}


def image_key(shape: Sequence[int | None] = (4, 5), **more: Any) -> dict[str, Any]:
    return data_key("array", shape, external="FILESTORE:", **more)


class Recording:
    """Composes a run's documents, event after event."""

    def __init__(self, **start: Any) -> None:
        self._run = event_model.compose_run(metadata=start, validate=False)
        self.memory = Memory([("start", dict(self._run.start_doc))])
        self._descriptors: dict[str, Any] = {}
        self._resources: dict[str, Any] = {}
        self._clock = float(self._run.start_doc["time"])

    def stream(self, name: str, data_keys: dict[str, Any], **more: Any) -> str:
        bundle = self._run.compose_descriptor(name=name, data_keys=data_keys, validate=False, **more)
        document = copy.deepcopy(dict(bundle.descriptor_doc))
        self._clock += 0.001
        document["time"] = self._clock
        self._descriptors[document["uid"]] = bundle
        self.memory.pairs.append(("descriptor", document))
        return document["uid"]

    def resource(self, path: Path, spec: str = "NPY", **kwargs: Any) -> str:
        bundle = self._run.compose_resource(
            spec=spec, root=str(path.parent), resource_path=path.name, resource_kwargs=kwargs, validate=False
        )
        self._resources[bundle.resource_doc["uid"]] = bundle
        self.memory.pairs.append(("resource", dict(bundle.resource_doc)))
        return bundle.resource_doc["uid"]

    def datum(self, resource: str, **kwargs: Any) -> str:
        document = self._resources[resource].compose_datum(datum_kwargs=kwargs, validate=False)
        self.memory.pairs.append(("datum", dict(document)))
        return document["datum_id"]

    def event(self, descriptor: str, data: dict[str, Any], filled: dict[str, Any] | None = None, **more: Any) -> Any:
        self._clock += 1.0
        document = dict(
            self._descriptors[descriptor].compose_event(
                data=data,
                timestamps=dict.fromkeys(data, self._clock + 0.5),
                filled=filled or {},
                time=self._clock,
                validate=False,
            )
        )
        document.update(more)
        self.memory.pairs.append(("event", document))
        return document

    def stop(self) -> Memory:
        self.memory.pairs.append(("stop", dict(self._run.compose_stop(validate=False))))
        return self.memory


class NpyHandler:
    """Reads row ``i`` of an array in a file, and counts what it loads."""

    loads: list[int] = []

    def __init__(self, path: str, **kwargs: Any) -> None:
        self.path = path
        self.kwargs = kwargs

    def __call__(self, i: int) -> Any:
        array = np.load(self.path)
        type(self).loads.append(i)
        return array[i]

    def get_file_list(self, kwargs: Iterator[dict[str, Any]]) -> list[str]:
        return [f"{self.path}#{each['i']}" for each in kwargs]


def fields_run(rows: int, fields: Mapping[str, tuple[dict[str, Any], Callable[[int], Any]]]) -> Memory:
    """Return a run of one stream whose values are made from the row."""
    recording = Recording(task="test")
    descriptor = recording.stream("primary", {name: key for name, (key, _) in fields.items()})
    for row in range(rows):
        recording.event(descriptor, {name: make(row) for name, (_, make) in fields.items()})
    return recording.stop()


def image_run(folder: Path, rows: int = 3, key: dict[str, Any] | None = None, spec: str = "NPY") -> Memory:
    """Return a run of ``rows`` images of 4 by 5 in one file, and a scalar."""
    path = folder / "images.npy"
    np.save(path, np.arange(rows * 20, dtype="uint16").reshape(rows, 4, 5))
    recording = Recording(task="test")
    descriptor = recording.stream("primary", {"fwhm": SCALAR, "image": key or image_key()})
    resource = recording.resource(path, spec)
    for row in range(rows):
        datum = recording.datum(resource, i=row)
        recording.event(descriptor, {"fwhm": 1.5 + row, "image": datum}, {"image": False})
    return recording.stop()
