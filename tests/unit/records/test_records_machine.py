from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from record_machine import RecordsMachine
from sqlalchemy import Engine

from underbutler.sql import metadata, write


def test_any_order_of_events_leaves_the_records_true(engine: Engine, tmp_path: Path) -> None:
    class OnSqlite(RecordsMachine):
        def empty(self) -> None:
            with write(self.engine) as connection:
                for table in reversed(metadata.sorted_tables):
                    connection.execute(table.delete())

    OnSqlite.engine = engine
    run_state_machine_as_test(
        OnSqlite,
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_says_its_times_in_seconds(table) -> None:
    times = [column for column in table.columns if column.name.endswith("_at") or column.name == "lease_until"]
    assert all(str(column.type) == "DOUBLE" for column in times)
