"""What PostgreSQL does otherwise than SQLite: one statement per claim, and a server that goes away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, event, text

import underbutler.catalog.database.tables
import underbutler.records.tables.jobs  # noqa: F401
from tests.support.databases import ON_POSTGRESQL
from tests.support.records.rows import claim_of, new_job, notice_of, product, running
from underbutler.errors import RecordsUnavailableError
from underbutler.model.job import TargetState
from underbutler.records import JobStore, Outcome
from underbutler.sql import open_engine, write

pytestmark = ON_POSTGRESQL


def test_a_claim_is_one_statement_a_completion_one_transaction(store: JobStore, engine: Engine) -> None:
    job = store.submissions.create_job(new_job(2))
    target, _ = store.read.targets(job.id)
    made = product()
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cu, sql, *_: statements.append(sql))

    claim = claim_of(store, target.id)
    store.claims.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=[notice_of(made, claim)]))

    assert [sql.split()[0] for sql in statements] == ["WITH", "WITH", "WITH"], "the claim; the end; its event"


def test_a_restarted_server_is_found_again(store: JobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that rested is tried before use; one that breaks in use is a transient error, once."""
    job, (first, second) = running(store, 2)
    _end_all_connections(engine)
    with pytest.raises(RecordsUnavailableError):
        store.claims.renew(first, 60)
    assert store.claims.renew(first, 60)

    _end_all_connections(engine)
    monkeypatch.setattr("underbutler.sql.IDLE_BEFORE_PING_S", 0.0)
    store.claims.complete(second, Outcome(state=TargetState.DONE))
    assert store.read.job(job.id).n_open == 1
    engine.dispose()  # others that rest here are ended, too


def test_a_server_that_does_not_answer_is_given_up(engine: Engine) -> None:
    hurried = open_engine(engine.url.render_as_string(hide_password=False), answer_s=0.5)
    with pytest.raises(RecordsUnavailableError, match=r"has not answered for 0\.5 s"), write(hurried) as connection:
        connection.execute(text("SELECT pg_sleep(60)"))
    with write(hurried) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1, "on another connection"
    hurried.dispose()


def test_a_client_that_is_stopped_in_a_transaction_holds_nobody(
    store: JobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had locked is free again, as soon as the server has ended it, and what it had begun is undone."""
    _, (first,) = running(store, 1)
    monkeypatch.setattr("underbutler.sql.STOPPED_S", 0.5)
    stopped = open_engine(engine.url.render_as_string(hide_password=False))
    with pytest.raises(RecordsUnavailableError, match="idle-in-transaction"):
        _begin_and_say_nothing(stopped, until=lambda: store.claims.renew(first, 60))
    stopped.dispose()
    assert store.read.target(first.target).error_text is None


def _begin_and_say_nothing(engine: Engine, until: Callable[[], bool]) -> None:
    with write(engine) as connection:
        connection.execute(text("UPDATE target SET error_text = 'begun'"))
        assert until()
        connection.execute(text("SELECT 1"))


def _end_all_connections(engine: Engine) -> None:
    other = open_engine(engine.url.render_as_string(hide_password=False))
    with write(other) as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    other.dispose()
