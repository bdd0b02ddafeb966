"""What PostgreSQL does otherwise than SQLite: `jsonb`, its own regular expressions, and many writers at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from tests.support.catalog.rows import OTHERWISE, event_of, events_of, imaged_run, run_of, start_of, stop_of
from tests.support.databases import ON_POSTGRESQL
from underbutler.catalog.database.column_pages import PACK_FROM, pack_run
from underbutler.catalog.database.store import CatalogStore
from underbutler.catalog.query.queries import QueryError
from underbutler.errors import ConflictError
from underbutler.sql import open_engine, read, write

pytestmark = ON_POSTGRESQL


@pytest.fixture
def store(engine: Engine) -> CatalogStore:
    return CatalogStore(engine)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Call functions at the same moment, each in a thread of its own; return results and errors."""
    gate = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        gate.wait()
        try:
            return call()
        except ConflictError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(one, calls))


def test_what_differs_from_a_document_that_is_there_is_refused(store: CatalogStore) -> None:
    documents = imaged_run()
    for name, document in [*documents, *documents]:
        store.insert(name, document)
    for name, document in documents:
        with pytest.raises(ConflictError, match=f"The {name} document"):
            store.insert(name, {**document, **OTHERWISE[name]})


def test_a_search_that_takes_too_long_is_ended_by_the_server(store: CatalogStore, engine: Engine) -> None:
    store.insert("start", start_of(a=[[list(range(1000))] * 20] * 20))
    hurried = open_engine(engine.url.render_as_string(hide_password=False), longest_s=0.02)
    with pytest.raises(QueryError, match="ended after"):
        CatalogStore(hurried).count({"a": {"$elemMatch": {"$elemMatch": {"$elemMatch": {"$gt": 1e9}}}}})
    assert CatalogStore(hurried).count({"scan_id": 7}) == 0
    hurried.dispose()


def test_a_query_that_is_too_large_is_refused(store: CatalogStore) -> None:
    with pytest.raises(QueryError, match="too large"):
        store.count({"scan_id": {"$in": list(range(70_000))}})
    assert store.count({"scan_id": {"$in": list(range(2_000))}}) == 0


def test_many_writers_of_one_run_lose_nothing(store: CatalogStore) -> None:
    for name, document in run_of(events=0, ended=False):
        store.insert(name, document)

    def write_events(worker: int) -> None:
        insert = store.writer()
        for number in range(worker, 200, 4):
            insert("event", event_of(number))

    at_once(*(lambda worker=worker: write_events(worker) for worker in range(4)))
    source = store.source(next(store.headers({})))
    assert [one["seq_num"] for one in events_of(iter(source.get_event_pages("run-primary")))] == list(range(200))


def test_a_stop_waits_for_open_events_and_refuses_later_ones(store: CatalogStore) -> None:
    for name, document in run_of(events=0, ended=False):
        store.insert(name, document)
    written: list[int] = []

    def write_events(worker: int) -> None:
        for number in range(worker, 400, 3):
            store.insert("event", event_of(number))
            written.append(number)

    def write_stop() -> None:
        while len(written) < 30:
            threading.Event().wait(0.001)
        store.insert("stop", stop_of())

    answers = at_once(write_stop, *(lambda worker=worker: write_events(worker) for worker in range(3)))
    assert [type(answer) for answer in answers] == [type(None), ConflictError, ConflictError, ConflictError]
    source = store.source(next(store.headers({})))
    numbers = [one["seq_num"] for one in events_of(iter(source.get_event_pages("run-primary")))]
    assert numbers == sorted(written)


def test_a_run_that_is_imported_twice_at_once_is_there_once(store: CatalogStore) -> None:
    documents = imaged_run(images=PACK_FROM)
    at_once(*(lambda: store.import_run(documents) for _ in range(4)))
    assert store.count({}) == 1
    source = store.source(next(store.headers({})))
    assert source.get_event_count("run-primary") == PACK_FROM


def test_events_that_are_packed_twice_at_once_are_there_once(
    store: CatalogStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as unpacked:
        unpacked.setattr("underbutler.catalog.database.store.pack_run", lambda *_: False)
        store.import_run(run_of(events=300))

    def pack() -> bool:
        with write(engine) as connection:
            return pack_run(connection, "run")

    def read_all() -> list[int]:
        source = store.source(next(store.headers({})))
        return [one["seq_num"] for one in events_of(iter(source.get_event_pages("run-primary")))]

    answers = at_once(pack, pack, read_all, read_all, read_all)
    assert sorted(answers[:2]) == [False, True]
    assert answers[2:] == [list(range(1, 301))] * 3
    assert read_all() == list(range(1, 301))


FILL = """
    INSERT INTO catalog_run (uid, time, task, exit_status, stop_time, start, stop, odd)
    SELECT n::text, n, 't' || n % 7, CASE WHEN n % 500 = 0 THEN 'abort' ELSE 'success' END, n,
        jsonb_build_object('uid', n::text), '{}', false
    FROM generate_series(1, 20000) n"""


def test_an_index_answers_a_search_by_task_status_and_time(store: CatalogStore, engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(text(FILL))
        connection.execute(text("ANALYZE catalog_run"))
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    query = {"task": "t3", "exit_status": "abort", "time": {"$gte": 9000}}
    found = [header.uid for header in store.headers(query, limit=100)]
    assert found == ["18000", "14500", "11000"]  # of 500, 1000, … those that are 3 more than a multiple of 7
    with read(engine) as connection:
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {asked[-1][0]}", asked[-1][1]).scalars())
    assert "ix_catalog_run_task_exit_status_time_uid" in plan
    assert "Seq Scan" not in plan
