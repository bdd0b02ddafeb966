"""Version 1 of the interface, as those write who have used it for years."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.catalog.rows import descriptor_of, event_of, imaged_run, run_of, start_of, stop_of
from underbutler.catalog import Broker, CatalogStore
from underbutler.catalog.header import Header
from underbutler.catalog.v1 import Broker as V1Broker
from underbutler.errors import UsageError


class Squares:
    """Counts what it loads."""

    loaded: list[int]

    def __init__(self, path: str, **kwargs: Any) -> None:
        pass

    def __call__(self, index: int) -> Any:
        self.loaded.append(index)
        return np.full((2, 2), index * index, dtype="u2")


@pytest.fixture
def db(store: CatalogStore) -> V1Broker:
    store.import_run(run_of("old", time=1000.0, scan_id=1, task="makeBias", events=2))
    store.import_run(run_of("new", time=5000.0, scan_id=2, task="processCcd", sample="Fe", events=3))
    descriptors = [
        descriptor_of("two", uid="two-primary", x={}, y={}),
        descriptor_of("two", uid="two-baseline", name="baseline", temperature={}),
    ]
    descriptors[0]["object_keys"] = {"det": ["x", "y"]}
    descriptors[0]["configuration"] = {
        "det": {
            "data": {"gain": 4.0},
            "timestamps": {"gain": 1.0},
            "data_keys": {"gain": {"dtype": "number", "shape": [], "source": "t"}},
        }
    }
    events = [event_of(n, "two-primary", x=float(n), y=float(-n)) for n in (1, 2)]
    documents = [("start", start_of("two", 3000.0, scan_id=3, owner="ann"))]
    documents += [("descriptor", one) for one in descriptors] + [("event", one) for one in events]
    documents += [("event", event_of(1, "two-baseline", temperature=77.0)), ("stop", stop_of("two"))]
    store.import_run(documents)
    return Broker(store).v1


def test_headers_are_found(db: V1Broker) -> None:
    assert db[-1].uid == "new"
    assert db[1].uid == "old"
    assert db["tw"].uid == "two"
    assert [header.uid for header in db[-2:]] == ["new", "two"]
    assert [header.uid for header in db[-3:-1]] == ["two", "old"]
    assert [header.uid for header in db[1, 2]] == ["old", "new"]
    assert db.v1 is db
    assert db.v2.v1 is db
    for wrong in (slice(None, None), slice(0, 3), slice(-2, 5), slice(-4, None, -1)):
        with pytest.raises(ValueError, match="counts back from the newest"):
            db[wrong]
    with pytest.raises(KeyError):
        db["zz"]


def test_runs_are_searched(db: V1Broker) -> None:
    assert [header.uid for header in db()] == ["new", "two", "old"]
    assert [header.uid for header in db(task="processCcd")] == ["new"]
    assert [header.uid for header in db(since=2000.0, until=3000.0)] == ["two"]
    assert [header.uid for header in db(scan_id={"$lt": 3}, since=2000)] == ["new"]
    assert [header.uid for header in db("fe")] == ["new"]
    assert [header.uid for header in db(data_key="temperature")] == ["two"]
    assert len(db(data_key="x")) == 3
    assert len(db(owner="ann")) == 1
    with pytest.raises(UsageError):
        db(task={"$like": "x"})


def test_a_header_has_the_documents_of_its_run(db: V1Broker) -> None:
    header = db["two"]
    assert header.start["owner"] == "ann"
    assert header.stop["exit_status"] == "success"
    assert header["start"] == header.start
    assert list(header) == ["start", "descriptors", "stop"]
    assert set(header.stream_names) == {"primary", "baseline"}
    assert header.fields() == {"x", "y", "temperature"}
    assert header.fields("baseline") == {"temperature"}
    assert header.devices() == {"det"}
    assert header.config_data("det") == {"primary": [{"gain": 4.0}]}
    assert header == db["two"] != db["old"]
    assert len({header, db["two"]}) == 1
    with pytest.raises(KeyError, match="'events'"):
        header["events"]


def test_a_run_that_is_open_has_an_empty_stop(store: CatalogStore) -> None:
    store.import_run(run_of("open", ended=False))
    assert Broker(store).v1[-1].stop == {}


def test_a_table_has_a_row_per_event(db: V1Broker) -> None:
    table = db["two"].table()
    assert list(table.columns) == ["time", "x", "y"]
    assert table.index.tolist() == [1, 2]
    assert table.index.name == "seq_num"
    assert table["y"].tolist() == [-1.0, -2.0]
    assert table["time"].iloc[0] == pd.Timestamp("1970-01-01 00:16:42")
    assert db["two"].table("baseline")["temperature"].tolist() == [77.0]
    assert db["two"].table(fields=["x", "gain", "owner"]).drop(columns="time").to_dict("list") == {
        "x": [1.0, 2.0],
        "gain": [4.0, 4.0],
        "owner": ["ann", "ann"],
    }
    both = db.get_table(db[-3:], fields=["x"])
    assert both["x"].tolist() == [0.125, 0.25, 0.375, 1.0, 2.0, 0.125, 0.25]
    assert len(db["two"].table("nowhere")) == 0
    with pytest.raises(ValueError, match=r"Write a list: fields=\['x'\]"):
        db["two"].table(fields="x")


def test_a_table_of_no_events_has_the_columns_of_its_stream(store: CatalogStore) -> None:
    store.import_run(run_of("none", events=0))
    table = Broker(store).v1[-1].table()
    assert list(table.columns) == ["time", "x"]
    assert len(table) == 0
    assert table["time"].dtype.kind == "M"


def test_a_header_is_shown_in_a_notebook(db: V1Broker) -> None:
    assert re.search(r">baseline</td><td[^>]*>1</td>", db["two"]._repr_html_())


def test_times_of_a_table_are_shown_as_asked(db: V1Broker) -> None:
    header = db["two"]
    plain = header.table(convert_times=False, localize_times=False)
    assert plain["time"].tolist() == [1002.0, 1003.0]
    there = header.table(timezone="Asia/Tokyo")
    assert there["time"].iloc[0] == pd.Timestamp("1970-01-01 09:16:42")
    zoned = header.table(timezone="Asia/Tokyo", localize_times=False)
    assert zoned["time"].iloc[0] == pd.Timestamp("1970-01-01 00:16:42", tz="UTC")
    with pytest.raises(ValueError, match="No time zone"):
        header.table(timezone="Mars")


def test_events_and_documents_come_one_by_one(db: V1Broker) -> None:
    header = db["two"]
    assert [event["data"] for event in header.events()] == [{"x": 1.0, "y": -1.0}, {"x": 2.0, "y": -2.0}]
    [event] = header.events("baseline", fields=["temp.*"])
    assert event["data"] == {"temperature": 77.0}
    assert event["timestamps"] == {"temperature": 1002.5}
    names = [name for name, _ in header.documents()]
    assert names[0] == "start"
    assert names[-1] == "stop"
    assert sorted(names) == ["descriptor", "descriptor", "event", "event", "event", "start", "stop"]
    described = [document for name, document in header.documents(fields=["y"]) if name == "descriptor"]
    assert {one["name"]: list(one["data_keys"]) for one in described} == {"primary": ["y"], "baseline": []}
    seen: list[str] = []
    db.process([header], lambda name, document: seen.append(name), fields=["x"])
    assert seen[0] == "start"
    assert next(iter(db.get_events(header)))["seq_num"] == 1


def test_only_the_field_that_is_asked_for_is_loaded(store: CatalogStore) -> None:
    store.import_run(imaged_run("run", images=3))
    handler = type("Counting", (Squares,), {"loaded": []})
    header = Broker(store, handler_registry={"TEST": handler}).v1["run"]
    assert [event["data"]["x"] for event in header.events(fields=["x"], fill=True)] == [0.125, 0.25, 0.375]
    assert list(header.table(fields=["x"], fill=True).columns) == ["time", "x"]
    assert handler.loaded == []
    assert [image.max() for image in header.data("image")] == [0, 1, 4]
    assert [next(iter(header.events()))["data"]["image"]] == ["run-file/1"]
    assert header.table(fill=True)["image"].iloc[2].tolist() == [[4, 4], [4, 4]]
    assert list(header.data("x")) == [0.125, 0.25, 0.375]
    with pytest.raises(KeyError, match="'imge'"):
        list(header.data("imge"))


def test_datums_come_one_by_one_too(store: CatalogStore) -> None:
    store.import_run(imaged_run("run", images=2))
    documents = list(Broker(store, handler_registry={}).v1["run"].documents())
    assert [document["datum_kwargs"] for name, document in documents if name == "datum"] == [{"index": 0}, {"index": 1}]


def test_arrays_are_those_of_version_2(db: V1Broker) -> None:
    assert db["two"].xarray().equals(db.v2["two"].primary.read())
    assert db["two"].xarray_dask("baseline")["temperature"].values.tolist() == [77.0]


def test_documents_are_inserted(db: V1Broker) -> None:
    for name, document in run_of("inserted", time=9000.0):
        db.insert(name, document)
    assert isinstance(db[-1], Header)
    assert db[-1].uid == "inserted"
