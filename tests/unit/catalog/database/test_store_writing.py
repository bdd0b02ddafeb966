"""What is written: documents that keep to their schemas, each once; and what is refused, of which nothing stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, func, select

from tests.support.catalog.rows import (
    OTHERWISE,
    descriptor_of,
    event_of,
    events_of,
    imaged_run,
    run_of,
    start_of,
    stop_of,
)
from underbutler.catalog.conflicts import MissingDocumentError
from underbutler.catalog.database.store import CatalogStore
from underbutler.catalog.database.tables import DataId, Datum, Descriptor, Event, Page, Resource, Run
from underbutler.catalog.schema import DocumentError
from underbutler.errors import ConflictError, UsageError
from underbutler.sql import read

TABLES = (Run, DataId, Descriptor, Event, Page, Resource, Datum)


def rows_in(engine: Engine) -> int:
    with read(engine) as connection:
        return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES)


def events_in(store: CatalogStore, descriptor: str = "run-primary") -> list[dict[str, Any]]:
    source = store.source(next(store.headers({"uid": "run"})))
    return events_of(iter(source.get_event_pages(descriptor)))


@pytest.mark.parametrize(
    ("name", "broken", "path"),
    [
        ("start", {"uid": "run", "time": "yesterday"}, "$.time"),
        ("start", {"uid": "run", "time": 1.0, "plan": {"a.b": 1}}, "$.plan"),
        ("start", {"uid": "run", "time": 1.0, "who": [{"when": object()}]}, "$.who[0].when"),
        ("start", {"uid": "run", "time": float("nan")}, "$.time"),
        ("start", {"uid": "r\x00n", "time": 1.0}, "$.uid"),
        ("event", event_of(1) | {"time": float("inf")}, "$.time"),
        ("event", event_of(2**63), "$.seq_num"),
        ("event", event_of(1, uid="e\udc00"), "$.uid"),
        ("stop", stop_of(exit_status="splendid"), "$.exit_status"),
        ("descriptor", descriptor_of(x={"dtype": "numbr"}), "$.data_keys.x.dtype"),
        ("descriptor", descriptor_of(x={"shape": ["wide"]}), "$.data_keys.x.shape"),
        ("event", event_of(1) | {"seq_num": 1.5}, "$.seq_num"),
        ("event", event_of(1) | {"filled": {"x": 3}}, "$.filled.x"),
        ("event", {key: value for key, value in event_of(1).items() if key != "data"}, "$"),
        ("event_page", {**event_of(1), "uid": ["a", "b"], "seq_num": [1, 2], "time": [1.0, 2.0], "data": {"x": [1.0]},
                        "timestamps": {"x": [1.0, 2.0]}}, "$.data.x"),
        ("datum", {"datum_id": "a", "resource": "b", "datum_kwargs": []}, "$.datum_kwargs"),
        ("resource", {"uid": "r", "spec": 1, "root": "/", "resource_path": "x", "resource_kwargs": {}}, "$.spec"),
    ],
)  # fmt: skip
def test_a_document_that_breaks_its_schema_is_refused_by_place(
    store: CatalogStore, engine: Engine, name: str, broken: dict[str, Any], path: str
) -> None:
    before = rows_in(engine)
    with pytest.raises(DocumentError) as refused:
        store.insert(name, broken)
    assert refused.value.fields["path"].startswith(path)
    assert refused.value.fields["path"] in str(refused.value)
    assert rows_in(engine) == before


def test_a_kind_of_document_that_is_not_kept_is_named(store: CatalogStore) -> None:
    with pytest.raises(DocumentError, match=r"'evnt' are not kept. Did you mean 'event'\?"):
        store.insert("evnt", {})
    for name in ("stream_resource", "stream_datum"):
        with pytest.raises(DocumentError, match=f"'{name}' are not kept. External values are kept event by event"):
            store.insert(name, {"uid": "a"})


def test_a_run_that_breaks_in_its_middle_leaves_nothing(store: CatalogStore, engine: Engine) -> None:
    documents = run_of(events=5)
    documents[4][1]["data"] = {"y": 1.0}
    with pytest.raises(DocumentError, match=r"at \$\.data: 'x' is not in the event"):
        store.import_run(documents)
    assert rows_in(engine) == 0


def test_an_event_page_with_one_wrong_event_leaves_none(store: CatalogStore) -> None:
    for name, document in run_of(events=0, ended=False):
        store.insert(name, document)
    store.insert("event", event_of(2))
    page = {
        "descriptor": "run-primary",
        "uid": ["run-primary-1", "run-primary-2"],
        "seq_num": [1, 2],
        "time": [1002.0, 1003.0],
        "data": {"x": [0.125, 77.0]},
        "timestamps": {"x": [1002.5, 1003.5]},
    }
    with pytest.raises(ConflictError, match="'run-primary-2' is in the catalogue with another content"):
        store.insert("event_page", page)
    assert [event["seq_num"] for event in events_in(store)] == [2]


def test_every_document_may_come_again_if_it_is_the_same(store: CatalogStore, engine: Engine) -> None:
    documents = imaged_run(images=3)
    for name, document in documents:
        store.insert(name, document)
        store.insert(name, document)
    written = rows_in(engine)
    for name, document in documents:
        store.insert(name, document)
    assert store.import_run(documents) == "run"
    assert rows_in(engine) == written


@pytest.mark.parametrize("events", [3, 100], ids=["as rows", "packed"])
def test_what_differs_from_a_document_that_is_there_is_refused(store: CatalogStore, events: int) -> None:
    documents = [*imaged_run(), *run_of("other", events=events)]
    for name, document in documents:
        store.insert(name, document)
    for name, document in documents:
        with pytest.raises(ConflictError, match=f"The {name} document"):
            store.insert(name, {**document, **OTHERWISE[name]})


def test_numbers_of_numpy_are_numbers(store: CatalogStore) -> None:
    for name, document in run_of(events=0, ended=False):
        store.insert(name, document)
    event = event_of(1, x=np.float64(0.5))
    store.insert("event", {**event, "seq_num": np.int64(1), "data": {"x": np.array([1, 2])}})
    assert events_in(store)[0]["data"] == {"x": [1, 2]}


def test_what_no_number_is_comes_back_as_it_was(store: CatalogStore) -> None:
    documents = run_of(events=0, ended=False, limit=float("inf"), name="a\x00b\ud800", big=1e300, zero=-0.0)
    for name, document in documents:
        store.insert(name, document)
    store.insert("event", event_of(1, x=float("nan")))
    header = next(store.headers({}))
    assert header.start["limit"] == float("inf")
    assert header.start["name"] == "a\x00b\ud800"
    assert isinstance(header.start["big"], float)
    assert np.copysign(1, header.start["zero"]) == -1
    assert np.isnan(events_in(store)[0]["data"]["x"])
    assert store.count({"limit": None}) == 1


def test_documents_come_after_what_they_refer_to(store: CatalogStore) -> None:
    with pytest.raises(MissingDocumentError, match="refers to the start document 'run'"):
        store.insert("stop", stop_of())
    with pytest.raises(MissingDocumentError, match="refers to the start document 'run'"):
        store.insert("descriptor", descriptor_of())
    store.insert("start", start_of())
    with pytest.raises(MissingDocumentError, match="refers to the descriptor document 'run-primary'"):
        store.insert("event", event_of(1))
    with pytest.raises(MissingDocumentError, match="refers to the resource document 'file'"):
        store.insert("datum", {"datum_id": "file/1", "resource": "file", "datum_kwargs": {}})


@pytest.mark.parametrize("events", [3, 100], ids=["as rows", "packed"])
def test_nothing_new_comes_after_the_stop(store: CatalogStore, events: int) -> None:
    store.import_run(run_of(events=events))
    with pytest.raises(ConflictError, match=r"The event 'run-primary-101' comes after the stop of run 'run'.*parent="):
        store.insert("event", event_of(101))
    with pytest.raises(ConflictError, match="The descriptor 'run-baseline' comes after the stop"):
        store.insert("descriptor", descriptor_of(name="baseline"))
    with pytest.raises(ConflictError, match="The stop document 'second' is in the catalogue with another content"):
        store.insert("stop", {**stop_of(), "uid": "second"})
    assert len(events_in(store)) == events


def test_a_resource_that_names_no_run_belongs_to_the_writers(store: CatalogStore) -> None:
    documents = imaged_run(images=1)
    resource = documents[2][1]
    del resource["run_start"]
    with pytest.raises(DocumentError, match="does not say of which run it is"):
        store.insert("resource", resource)
    write = store.writer()
    for name, document in documents:
        write(name, document)
    source = store.source(next(store.headers({})))
    assert source.get_resource("run-file") == resource


def test_two_runs_may_share_a_resource(store: CatalogStore) -> None:
    for uid in ("one", "two"):
        documents = imaged_run(uid, images=1)
        documents[2][1]["uid"] = "shared"
        documents[3][1]["resource"] = "shared"
        store.import_run(documents)
    for header in store.headers({}):
        [page] = store.source(header).get_datum_pages("shared")
        assert page["datum_id"] == [f"{header.uid}-file/1"]


def test_the_documents_of_an_import_are_those_of_one_run(store: CatalogStore, engine: Engine) -> None:
    for documents in ([], run_of()[1:], [*run_of("a"), *run_of("b")], [run_of("a")[0], run_of("b")[0]]):
        with pytest.raises(UsageError):
            store.import_run(documents)
    assert rows_in(engine) == 0


def test_pages_and_single_documents_are_the_same(store: CatalogStore) -> None:
    documents = imaged_run(images=4)
    events = [document for name, document in documents if name == "event"]
    datums = [document for name, document in documents if name == "datum"]
    event_page = {
        "descriptor": "run-primary",
        **{key: [event[key] for event in events] for key in ("uid", "seq_num", "time")},
        **{
            part: {key: [event[part][key] for event in events] for key in events[0][part]}
            for part in ("data", "timestamps", "filled")
        },
    }
    datum_page = {
        "resource": "run-file",
        "datum_id": [datum["datum_id"] for datum in datums],
        "datum_kwargs": {"index": [datum["datum_kwargs"]["index"] for datum in datums]},
    }
    singles = [pair for pair in documents if pair[0] not in {"event", "datum"}]
    paged = [*singles[:-1], ("datum_page", datum_page), ("event_page", event_page), singles[-1]]
    store.import_run(paged)
    assert store.import_run(documents) == "run"
    source = store.source(next(store.headers({})))
    assert list(source.get_event_pages("run-primary")) == [event_page]
    assert list(source.get_datum_pages("run-file")) == [datum_page]
