"""Databases of very many runs, filled in bulk: rows as the catalogue writes them, made without its checks.

Each run has its start and stop, and three data IDs, as a job of one target has; no events.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import Any

from _catalogue_runs import FIRST, SPACING_S, status_of, task_of, time_of

RUN = (
    *("uid", "time", "scan_id", "task", "label", "owner", "exit_status", "stop_time", "start", "stop"),
    *("odd", "packed_at"),
)
DATA_ID = ("run_uid", "dimension", "ordinal", "word", "number")
BATCH = 20_000
LONG_S = 20.0


def start_of(number: int) -> dict[str, Any]:
    """Return the start document of a run, as long as a job's."""
    task = task_of(number)
    return {
        "uid": uid_of(number),
        "time": time_of(number),
        "scan_id": number + 1,
        "task": task,
        "label": "night",
        "owner": "ann",
        "run": f"u/ann/{task}/{number:08d}",
        "config": f"{number * 2654435761 % 2**64:016x}" * 4,
        "versions": {"underbutler": "0.1.0", "astropy": "7.1.0", "numpy": "2.3.1", "sep": "1.4.1"},
        "num_points": 1,
        "data_id": {"instrument": "STE3", "exposure": [exposure_of(number)], "detector": [0]},
    }


def stop_of(number: int) -> dict[str, Any]:
    """Return the stop document of a run."""
    return {
        "uid": uid_of(number, 1),
        "run_start": uid_of(number),
        "time": time_of(number) + LONG_S,
        "exit_status": status_of(number),
        "reason": "",
        "counts": {"done": 1},
    }


def uid_of(number: int, kind: int = 0) -> str:
    """Return a uid that looks drawn, and follows from a number."""
    digits = f"{(2 * number + kind + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def exposure_of(number: int) -> int:
    """Return the exposure of a run."""
    return 20_130_713_000_000 + number


def last_days(count: int, days: float) -> float:
    """Return the beginning of the last days of a catalogue."""
    return FIRST + count * SPACING_S - days * 86400


def fill(url: str, count: int) -> None:
    """Make a catalogue of so many runs."""
    from underbutler.migrations import upgrade

    upgrade(url)
    check_row(count - 1)
    if url.startswith("sqlite"):
        fill_sqlite(url.removeprefix("sqlite:///"), count)
    else:
        fill_postgresql(url, count)


def check_row(number: int) -> None:
    """Stop if the catalogue would write other rows than `run_row` and `data_id_rows` do."""
    from underbutler.catalog.database import data_id_index as hints
    from underbutler.catalog.database.run_row import start_row, stop_row

    expected = start_row(start_of(number)) | stop_row(stop_of(number))
    own = dict(zip(RUN, run_row(number), strict=True))
    own |= {"start": json.loads(own["start"]), "stop": json.loads(own["stop"])}
    wrong = {key: value for key, value in expected.items() if value != own.get(key)}
    assert not wrong, wrong
    rows = [{key: row[key] for key in DATA_ID} for row in hints.data_id_rows(start_of(number))]
    assert rows == [dict(zip(DATA_ID, row, strict=True)) for row in data_id_rows(number)]


def run_row(number: int) -> tuple[Any, ...]:
    """Return the row of a run."""
    start, stop = start_of(number), stop_of(number)
    columns = [start[key] for key in ("uid", "time", "scan_id", "task", "label", "owner")]
    bodies = [json.dumps(document, ensure_ascii=False) for document in (start, stop)]
    return *columns, stop["exit_status"], stop["time"], *bodies, False, stop["time"]


def data_id_rows(number: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of its data IDs."""
    uid = uid_of(number)
    yield uid, "instrument", 0, "STE3", None
    yield uid, "exposure", 0, None, float(exposure_of(number))
    yield uid, "detector", 0, None, 0.0


def fill_sqlite(path: str, count: int) -> None:
    """Fill a file; its indexes are made after."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-200000"):
            connection.execute(f"PRAGMA {pragma}")
        asked = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN (?, ?)"
        indexes = connection.execute(asked, ("catalog_run", "catalog_data_id")).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        connection.execute("BEGIN")
        for table, columns, rows in tables(count):
            marks = ", ".join("?" * len(columns))
            command = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            while batch := list(islice(rows, BATCH)):
                connection.executemany(command, batch)
        for _, command in indexes:
            connection.execute(command)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def fill_postgresql(url: str, count: int) -> None:
    """Fill a database by COPY; its indexes are made after, and its foreign keys are taken as kept."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '256MB'")
        asked = """
            SELECT indexname, indexdef FROM pg_indexes
            WHERE tablename IN ('catalog_run', 'catalog_data_id') AND indexname NOT LIKE 'pk%'"""
        indexes = connection.execute(asked).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        for table, columns, rows in tables(count):
            command = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
            with connection.cursor() as cursor, cursor.copy(command) as copy:
                for row in rows:
                    copy.write_row(row)
        for _, command in indexes:
            connection.execute(command)
        for table, *_ in tables(0):
            connection.execute(f"VACUUM ANALYZE {table}")


def tables(count: int) -> list[tuple[str, tuple[str, ...], Iterator[tuple[Any, ...]]]]:
    """Return the tables, their columns and their rows."""
    numbers = range(count)
    return [
        ("catalog_run", RUN, (run_row(number) for number in numbers)),
        ("catalog_data_id", DATA_ID, (row for number in numbers for row in data_id_rows(number))),
    ]
