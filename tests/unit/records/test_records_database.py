from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, select, text

from underbutler.errors import RecordsUnavailableError, UsageError
from underbutler.records import JobStore
from underbutler.sql import database_now, open_engine, parse_url, read, to_json, write


def test_a_sqlite_file_that_does_not_exist_is_said_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with pytest.raises(
        RecordsUnavailableError, match=r"records\.db do not answer: the file does not exist.*underbutler up"
    ):
        JobStore(open_engine(f"sqlite:///{path}")).ping()
    assert not path.exists()


def test_a_sqlite_file_that_vanishes_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.db"
    monkeypatch.setattr(Path, "exists", lambda _: True)  # it is there when it is looked for
    with pytest.raises(RecordsUnavailableError, match="the file cannot be opened"):
        JobStore(open_engine(f"sqlite:///{path}")).ping()
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_tables_is_said(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.touch()
    with pytest.raises(RecordsUnavailableError, match="it has no tables yet"):
        JobStore(open_engine(f"sqlite:///{path}")).ping()


def test_tables_of_another_release_are_said(engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(text("ALTER TABLE job RENAME COLUMN traceparent TO something_newer"))
    with pytest.raises(RecordsUnavailableError, match="its tables are of another release"):
        JobStore(engine).read.jobs()


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_text("SIMPLE  =                    T / conforms to FITS standard\n" * 100)
    with pytest.raises(RecordsUnavailableError, match="the file is not a SQLite database"):
        JobStore(open_engine(f"sqlite:///{path}")).ping()


@pytest.mark.parametrize("url", ["records.db", "mysql://host/records", ""])
def test_what_is_no_url_of_records_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(UsageError, match="sqlite:////"):
        open_engine(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_postgresql_is_always_reached_by_psycopg(scheme: str) -> None:
    assert parse_url(f"{scheme}://host/records").drivername == "postgresql+psycopg"


def test_sqlite_logs_ahead_and_waits_for_other_writers(engine: Engine) -> None:
    with read(engine) as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "busy_timeout")
        }
        kept = connection.execute(text("PRAGMA synchronous")).scalar()
        keys = connection.execute(text("PRAGMA foreign_keys")).scalar()
    assert pragmas == {"journal_mode": "wal", "busy_timeout": 20_000}
    assert (kept, keys) == (1, 1)


def test_a_write_transaction_holds_the_lock_from_its_begin(engine: Engine) -> None:
    """Another writer is refused before the first statement: nobody reads what is about to change under them."""
    with write(engine), sqlite3.connect(str(engine.url.database), timeout=0, isolation_level=None) as other:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT count(*) FROM job").fetchone() == (0,)


def test_a_writer_waits_for_the_one_before(engine: Engine) -> None:
    entered = threading.Event()

    def write_second() -> None:
        with write(engine):
            entered.set()

    thread = threading.Thread(target=write_second)
    with write(engine):
        thread.start()
        assert not entered.wait(0.2)
    thread.join(10)
    assert entered.is_set()


def test_a_block_that_raises_leaves_nothing(engine: Engine) -> None:
    def write_and_fail() -> None:
        with write(engine) as connection:
            connection.execute(text("CREATE TABLE half (id TEXT)"))
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    assert not inspect(engine).has_table("half")


def test_the_clock_is_the_databases(engine: Engine) -> None:
    with read(engine) as connection:
        assert connection.execute(select(database_now())).scalar_one() == pytest.approx(time.time(), abs=2)


def test_json_keeps_numbers_and_drops_what_is_no_number() -> None:
    assert to_json({"a": 1e16, "b": [float("inf"), 2]}) == '{"a": 1e+16, "b": [null, 2]}'
