"""What is read back equals what was written, whether events are rows or packed, in whatever order they came."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select, text

from tests.support.catalog.rows import descriptor_of, event_of, events_of, imaged_run, run_of, start_of
from underbutler.catalog.database.column_bytes import pack, unpack
from underbutler.catalog.database.column_pages import PACK_FROM, pack_run
from underbutler.catalog.database.store import CatalogStore
from underbutler.catalog.database.tables import Event
from underbutler.catalog.source import RunSource
from underbutler.errors import UnknownNameError
from underbutler.sql import read, write

COLUMN = st.one_of(
    st.lists(st.floats(), min_size=1, max_size=20),
    st.lists(st.integers(), min_size=1, max_size=20),
    st.lists(st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(), st.text(max_size=3)), min_size=1),
    st.integers(0, 3).flatmap(
        lambda n: st.lists(st.lists(st.floats(allow_nan=False), min_size=n, max_size=n), min_size=1, max_size=5)
    ),
    st.lists(st.lists(st.integers(-3, 3), max_size=2), min_size=1, max_size=5),
    st.lists(st.lists(st.lists(st.booleans(), max_size=2), max_size=2), min_size=1, max_size=3),
)


def listed(column: Any) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()


@given(columns=st.dictionaries(st.text(max_size=5), COLUMN, max_size=4))
def test_columns_come_out_of_a_pack_as_they_went_in(columns: dict[str, list[Any]]) -> None:
    packed = pack(columns)
    assert repr({key: listed(column) for key, column in unpack(packed).items()}) == repr(columns)
    for key in columns:
        assert list(unpack(packed, [key])) == [key]


def source_of(store: CatalogStore, uid: str = "run") -> RunSource:
    return store.source(next(store.headers({"uid": uid})))


@pytest.mark.parametrize("events", [1, PACK_FROM - 1, PACK_FROM, 500])
def test_events_are_read_as_they_were_written(store: CatalogStore, events: int) -> None:
    documents = run_of(events=events)
    written = [document for name, document in documents if name == "event"]
    random.Random(1).shuffle(documents_of_events := documents[2:-1])
    store.import_run([*documents[:2], *documents_of_events, documents[-1]])
    source = source_of(store)
    assert events_of(iter(source.get_event_pages("run-primary"))) == written
    assert source.get_event_count("run-primary") == events
    assert source.get_columns is not None
    columns = source.get_columns("run-primary", ["x"])
    assert listed(columns["data"]["x"]) == [number / 8 for number in range(1, events + 1)]
    assert listed(columns["seq_num"]) == list(range(1, events + 1))


@pytest.mark.parametrize("ended", [False, True], ids=["open", "packed"])
@pytest.mark.parametrize(("skip", "limit"), [(0, 10), (95, 10), (250, None), (299, 1), (300, 5), (0, 0), (7, 200)])
def test_any_part_of_the_events_can_be_read(
    store: CatalogStore, monkeypatch: pytest.MonkeyPatch, ended: bool, skip: int, limit: int | None
) -> None:
    monkeypatch.setattr("underbutler.catalog.database.column_pages.PAGE_EVENTS", 100)
    monkeypatch.setattr("underbutler.catalog.database.retrieval.PAGE_EVENTS", 100)
    store.import_run(run_of(events=300, ended=ended))
    source = source_of(store)
    wanted = list(range(1, 301))[skip : None if limit is None else skip + limit]
    found = events_of(iter(source.get_event_pages("run-primary", skip=skip, limit=limit)))
    assert [one["seq_num"] for one in found] == wanted
    assert source.get_columns is not None
    columns = source.get_columns("run-primary", ["x"], sub_dict="timestamps", skip=skip, limit=limit)
    assert listed(columns["timestamps"]["x"]) == [1001.5 + number for number in wanted]


def test_large_events_make_smaller_pages(store: CatalogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underbutler.catalog.database.column_pages.PAGE_BYTES", 2000)
    store.import_run(run_of(events=100))
    pages = list(source_of(store).get_event_pages("run-primary"))
    assert len(pages) > 1
    assert [one["seq_num"] for one in events_of(iter(pages))] == list(range(1, 101))


def test_events_that_disagree_on_being_filled_stay_as_they_are(store: CatalogStore) -> None:
    documents = imaged_run(images=PACK_FROM)
    for number, (name, document) in enumerate(documents):
        if name == "event" and number % 5 == 0:
            document["filled"] = {"image": True}
        elif name == "event" and number % 3 == 0:
            del document["filled"]
    store.import_run(documents)
    assert store.import_run(documents) == "run"
    said = {}
    for page in source_of(store).get_event_pages("run-primary"):
        for row, uid in enumerate(page["uid"]):
            said[uid] = {key: column[row] for key, column in page["filled"].items()}
    assert said == {document["uid"]: document.get("filled", {}) for name, document in documents if name == "event"}


def test_a_run_that_is_open_shows_what_came_since(store: CatalogStore) -> None:
    documents = run_of(events=5)
    for name, document in documents[:4]:
        store.insert(name, document)
    source = source_of(store)
    assert source.get_run_stop() is None
    assert source.get_event_count("run-primary") == 2
    for name, document in documents[4:]:
        store.insert(name, document)
    assert source.get_event_count("run-primary") == 5
    assert source.get_run_stop() == documents[-1][1]


def test_reading_goes_on_when_events_are_packed_in_between(
    store: CatalogStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underbutler.catalog.database.retrieval.PAGE_EVENTS", 30)
    monkeypatch.setattr("underbutler.catalog.database.store.pack_run", lambda *_: False)
    store.import_run(run_of(events=100))
    pages = iter(source_of(store).get_event_pages("run-primary"))
    first = next(pages)
    with write(engine) as connection:
        assert pack_run(connection, "run")
        assert connection.execute(select(Event.uid)).all() == []
    numbers = [*first["seq_num"], *(number for page in pages for number in page["seq_num"])]
    assert numbers == list(range(1, 101))


def test_runs_that_have_ended_are_packed_once(
    store: CatalogStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr("underbutler.catalog.database.store.pack_run", lambda *_: False)
        for uid in ("a", "b"):
            store.import_run(run_of(uid, events=PACK_FROM))
    store.import_run(run_of("open", events=PACK_FROM, ended=False))
    assert store.pack_ended() == 2
    assert store.pack_ended() == 0
    with read(engine) as connection:
        assert {uid[:4] for uid in connection.execute(select(Event.uid)).scalars()} == {"open"}


def test_resources_and_datums_are_found(store: CatalogStore) -> None:
    store.import_run(imaged_run(images=12))
    source = source_of(store)
    assert [resource["uid"] for resource in source.get_resources()] == ["run-file"]
    assert source.lookup_resource_for_datum("run-file/7") == "run-file"
    [page] = source.get_datum_pages("run-file")
    assert page["datum_id"] == [f"run-file/{number}" for number in range(1, 13)]
    assert page["datum_kwargs"] == {"index": list(range(12))}
    assert source.get_datums is not None
    [datum] = source.get_datums(["nowhere", "run-file/3"])
    assert datum == {"datum_id": "run-file/3", "resource": "run-file", "datum_kwargs": {"index": 2}}
    with pytest.raises(KeyError, match="no resource 'nowhere'"):
        source.get_resource("nowhere")
    with pytest.raises(UnknownNameError, match="no datum 'nowhere'"):
        source.lookup_resource_for_datum("nowhere")


def test_streams_keep_the_order_of_their_descriptors(store: CatalogStore) -> None:
    store.insert("start", start_of())
    for time, name in ((3.0, "late"), (1.0, "early"), (2.0, "between")):
        store.insert("descriptor", {**descriptor_of(name=name), "time": time})
    assert [one["name"] for one in source_of(store).get_event_descriptors()] == ["early", "between", "late"]


def test_a_descriptor_without_events_reads_as_none(store: CatalogStore) -> None:
    store.import_run(run_of(events=0))
    source = source_of(store)
    assert list(source.get_event_pages("run-primary")) == []
    assert source.get_event_count("run-primary") == 0
    assert source.get_columns is not None
    assert source.get_columns("run-primary", ["x"])["data"] == {"x": []}


def test_a_run_travels_to_another_process(store: CatalogStore) -> None:
    store.import_run(run_of(events=3))
    again = pickle.loads(pickle.dumps(source_of(store)))
    assert events_of(iter(again.get_event_pages("run-primary"))) == [event_of(number) for number in (1, 2, 3)]
    assert pickle.loads(pickle.dumps(store)).count({}) == 1


def test_runs_come_newest_first_in_batches(store: CatalogStore, engine: Engine) -> None:
    for number in range(250):
        store.insert("start", start_of(f"run-{number:03}", time=float(number // 2)))
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    runs = store.headers({})
    assert [next(runs).uid for _ in range(3)] == ["run-249", "run-248", "run-247"]
    assert sum("ORDER BY" in statement for statement in asked) == 1
    assert [header.uid for header in store.headers({})] == [f"run-{number:03}" for number in reversed(range(250))]
    assert [header.uid for header in store.headers({}, skip=248)] == ["run-001", "run-000"]
    assert [header.uid for header in store.headers({}, skip=120, limit=2)] == ["run-129", "run-128"]
    assert len(list(store.headers({}, limit=150))) == 150


FILL = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
    INSERT INTO catalog_run (uid, time, task, exit_status, stop_time, start, stop, odd)
    SELECT CAST(n AS TEXT), n, 't' || (n % 7), CASE WHEN n % 500 = 0 THEN 'abort' ELSE 'success' END, n,
        json_object('uid', CAST(n AS TEXT)), '{}', false
    FROM numbers"""


def test_an_index_answers_a_search_by_task_status_and_time(store: CatalogStore, engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(text(FILL))
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    query = {"task": "t3", "exit_status": "abort", "time": {"$gte": 9000}}
    assert [header.uid for header in store.headers(query, limit=100)] == ["18000", "14500", "11000"]
    with read(engine) as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[-1][0]}", asked[-1][1]).all()
    [step] = [row[-1] for row in plan]
    assert "USING INDEX ix_catalog_run_task_exit_status_time_uid (task=? AND exit_status=? AND time>?)" in step
