"""A SQLite registry whose writer was killed in a commit: readers go on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from underbutler.butlers import Repositories
from underbutler.butlers.hot_journal import roll_back
from underbutler.errors import TransientError
from underbutler.submission import preparing


def cut_short(registry: Path) -> Path:
    """Leave a registry as a process does that is killed in a commit; return the journal."""
    journal = registry.with_name(f"{registry.name}-journal")
    with closing(sqlite3.connect(registry, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size=1")
        writer.execute("BEGIN")
        writer.execute("CREATE TABLE cut_short (x)")
        writer.executemany("INSERT INTO cut_short VALUES (zeroblob(4000))", [()] * 100)
        left = {path: path.read_bytes() for path in (registry, journal)}
        writer.execute("ROLLBACK")
    for path, content in left.items():
        path.write_bytes(content)
    return journal


def test_who_opens_to_read_finds_what_was_committed(stocked: Repositories, tmp_path: Path) -> None:
    registry = tmp_path / "repo" / "gen3.sqlite3"
    stocked.close()
    journal = cut_short(registry)
    with (
        pytest.raises(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{registry}?mode=ro", uri=True)) as reader,
    ):
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
    with stocked.butler("tiny") as butler:
        assert butler.collections.query("*")
    assert not journal.exists()
    with closing(sqlite3.connect(registry)) as reader:
        assert not reader.execute("SELECT 1 FROM sqlite_master WHERE name = 'cut_short'").fetchall()


def test_a_commit_that_goes_on_is_left_alone(stocked: Repositories, tmp_path: Path) -> None:
    uri = stocked.uri("tiny")
    registry = tmp_path / "repo" / "gen3.sqlite3"
    with closing(sqlite3.connect(registry, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("CREATE TABLE going_on (x)")
        assert not roll_back(uri)
        writer.execute("COMMIT")
    with closing(sqlite3.connect(registry)) as reader:
        assert reader.execute("SELECT count(*) FROM going_on").fetchone() == (0,)


def test_a_commit_that_ends_meanwhile_was_not_undone(
    stocked: Repositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, registry, connect = stocked.uri("tiny"), tmp_path / "repo" / "gen3.sqlite3", sqlite3.connect
    with closing(connect(registry, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("CREATE TABLE committed (x)")

        def connect_after_the_commit(*words: Any, **options: Any) -> sqlite3.Connection:
            if writer.in_transaction:
                writer.execute("COMMIT")
            return connect(*words, **options)

        monkeypatch.setattr(sqlite3, "connect", connect_after_the_commit)
        assert not roll_back(uri)
        assert not writer.in_transaction
        assert writer.execute("SELECT count(*) FROM committed").fetchone() == (0,)


def test_a_commit_that_was_cut_short_is_undone(stocked: Repositories, tmp_path: Path) -> None:
    stocked.close()
    cut_short(tmp_path / "repo" / "gen3.sqlite3")
    assert roll_back(stocked.uri("tiny"))
    assert not roll_back(stocked.uri("tiny"))


def test_a_registry_without_a_journal_is_not_opened(stocked: Repositories) -> None:
    assert not roll_back(stocked.uri("tiny"))


def test_whatever_fails_in_a_preparation_is_told_as_ours(
    monkeypatch: pytest.MonkeyPatch, repositories: Repositories
) -> None:
    from sqlalchemy.exc import OperationalError

    from underbutler.pipe import understanding

    def locked(*_: Any, **__: Any) -> Any:
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr(understanding, "understand", locked)
    request: Any = type("Request", (), {"repo": "demo"})()
    with (
        pytest.raises(TransientError, match="'demo' does not answer: database is locked"),
        preparing.prepare_request(request, repositories=repositories),
    ):
        pass
