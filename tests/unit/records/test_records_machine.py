from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from record_machine import RecordsMachine
from record_rows import ON_BOTH
from sqlalchemy import Engine

from underbutler.sql import is_postgresql, metadata


@ON_BOTH
def test_any_order_of_events_leaves_the_records_true(engine: Engine) -> None:
    class Machine(RecordsMachine):
        pass

    Machine.engine = engine
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=20 if is_postgresql(engine) else 60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_says_its_times_in_seconds(table) -> None:
    times = [column for column in table.columns if column.name.endswith("_at") or column.name == "lease_until"]
    assert all(str(column.type) == "DOUBLE" for column in times)
