"""By which index SQLite finds runs: it keeps no statistics here, so that its plan does not depend on what is there."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.support.catalog.rows import run_of
from underbutler.catalog import CatalogStore
from underbutler.sql import read

OF_DATA_ID = {"data_id.exposure": 7}
OF_COLUMNS = {"task": "t", "exit_status": "success", "time": {"$gte": 5}}


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (OF_COLUMNS, "ix_catalog_run_task_exit_status_time_uid (task=? AND exit_status=? AND time>?)"),
        (OF_DATA_ID | OF_COLUMNS, "(uid=?)"),
        ({"$and": [OF_DATA_ID | {"owner": "ann"}, OF_COLUMNS]}, "(uid=?)"),
        ({"$and": [{"data_id.exposure": {"$gt": 6}}, {"data_id.exposure": {"$lt": 8}, "task": "t"}]}, "(uid=?)"),
    ],
)
def test_runs_are_found_by_the_index_that_names_fewest(
    store: CatalogStore, engine: Engine, query: dict[str, Any], index: str
) -> None:
    for number in range(9):
        wanted = {"task": "t", "owner": "ann", "data_id": {"exposure": [number]}}
        store.import_run(run_of(uid=f"run-{number}", time=float(number), events=0, **wanted))
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    found = [header.uid for header in store.headers(query, limit=100)]
    assert "run-7" in found
    with read(engine) as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[-1][0]}", asked[-1][1]).all()
    of_runs = [row[3] for row in plan if " catalog_run " in row[3]]
    assert [text for text in of_runs if text.endswith(index)] == of_runs != []
