from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine

from tests.support.databases import ON_BOTH
from tests.support.examples import examples
from tests.support.records.machine import RecordsMachine
from tests.support.records.mortal_machine import MortalMachine
from underbutler.sql import is_postgresql, metadata


def run(machine: type[RecordsMachine], engine: Engine, count: int) -> None:
    class Machine(machine):  # type: ignore[misc, valid-type]
        pass

    Machine.engine = engine
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples(count // 2 if is_postgresql(engine) else count),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.machine
@ON_BOTH
def test_any_order_of_events_leaves_the_records_true(engine: Engine) -> None:
    run(RecordsMachine, engine, 24)


@pytest.mark.machine
@ON_BOTH
def test_deaths_between_statements_leave_the_records_true(engine: Engine) -> None:
    run(MortalMachine, engine, 30)


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_says_its_times_in_seconds(table) -> None:
    times = [column for column in table.columns if column.name.endswith("_at") or column.name == "lease_until"]
    assert all(str(column.type) == "DOUBLE" for column in times)
