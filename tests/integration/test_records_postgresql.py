"""What PostgreSQL does otherwise than SQLite: one statement per claim, its own types, a server that goes away."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from record_rows import claim_of, new_job, new_target, notice_of, product, running
from sqlalchemy import Engine, event, text

import underbutler.catalog.tables
import underbutler.records.tables  # noqa: F401
from underbutler.errors import ConflictError, RecordsUnavailableError, UsageError
from underbutler.migrations import VERSION_TABLE, is_current, upgrade
from underbutler.model.job import TargetState
from underbutler.recording import JobRecorder
from underbutler.records import JobStore, Outcome, StandDown
from underbutler.sql import metadata, open_engine, read, write


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    upgrade(postgres_url)
    engine = open_engine(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine, JobRecorder())


def test_models_and_migrations_agree_on_postgresql(engine: Engine) -> None:
    with read(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_a_database_without_tables_is_said(postgres_url: str) -> None:
    assert not is_current(postgres_url)
    engine = open_engine(postgres_url)
    with pytest.raises(RecordsUnavailableError, match="it has no tables yet"):
        JobStore(engine, JobRecorder()).ping()
    engine.dispose()


def test_a_claim_is_one_statement_and_a_completion_one_short_transaction(store: JobStore, engine: Engine) -> None:
    job = store.create_job(new_job(2))
    target, _ = store.targets(job.id)
    made = product()
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cu, sql, *_: statements.append(sql))

    claim = claim_of(store, target.id)
    store.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=[notice_of(made, claim)]))

    assert [sql.split()[0] for sql in statements] == ["WITH", "WITH", "WITH"], "the claim; the end; its event"


def test_rows_come_back_as_they_went(store: JobStore) -> None:
    args = [{"big": 1e16, "z": 1, "a": [0.1, None, "é\u0000"]}, {"n": 2**60}]
    data_id = {"instrument": "STE3", "exposure": 20130713005733, "detector": 0}
    job = store.create_job(new_job([new_target(args=args, data_id=data_id)], config={"b": 1.0, "a": [1e22]}))

    (outgoing,) = store.take_unsent()

    assert outgoing.message.args == tuple(args)
    assert type(outgoing.message.args[0]["big"]) is float
    (row,) = store.targets(job.id)
    assert list(row.data_id.items()) == list(data_id.items())
    assert repr(store.job(job.id).config) == "{'b': 1.0, 'a': [1e+22]}"


def test_what_was_made_is_kept_with_its_types(store: JobStore) -> None:
    job, (claim, other) = running(store, 2)
    made = product(data_id={"z": 1, "a": "b"})
    notice = notice_of(made, claim)
    outcome = Outcome(
        state=TargetState.DONE,
        exit_status=0,
        error_text="a\0b\udcff",
        seconds=1.25,
        scalars={"fwhm_px": 2.5, "bad": float("nan")},
        metadata={"text": "\udcff"},
        products=[made, product(large=False, url=None, byte_size=None, sha256=None, etag=None, mime_type=None)],
        notices=[notice],
    )
    store.complete(claim, outcome)

    row = store.target(claim.target)
    assert (row.scalars, row.seconds, row.error_text) == ({"fwhm_px": 2.5, "bad": None}, 1.25, "a\\0b\\udcff")
    assert store.notices(job.id) == store.take_unsent_notices() == [notice]
    assert type(store.notices(job.id)[0].version) is float
    (first,) = [one for one in store.products(job.id) if one.large]
    assert (first.dataset_id, list(first.data_id), first.byte_size) == (made.dataset_id, ["z", "a"], 2**33)
    assert first.delivered_at == row.ended_at
    with pytest.raises(ConflictError):
        store.complete(other, Outcome(state=TargetState.DONE, products=[made]))
    assert store.target(other.target).state is TargetState.RUNNING
    assert store.job(job.id).n_open == 1


def test_a_beginning_of_an_id_finds_its_job(store: JobStore) -> None:
    one, two = UUID("1a2b3c4d-0000-4000-8000-000000000001"), UUID("1a2b3c4d-ffff-4000-8000-000000000002")
    for job in (one, two):
        store.create_job(new_job(id=job))
    assert store.job("1a2b3c4d-f").id == two
    with pytest.raises(UsageError, match="Several jobs"):
        store.job("1a2b")


def test_a_second_delivery_stands_down_with_its_reason(store: JobStore) -> None:
    _, (claim,) = running(store)
    with pytest.raises(StandDown, match="live in claim 1 by w1"):
        claim_of(store, claim.target)


def test_a_restarted_server_is_found_again(store: JobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that rested is tried before use; one that breaks in use is a transient error, once."""
    job, (first, second) = running(store, 2)
    _end_all_connections(engine)
    with pytest.raises(RecordsUnavailableError):
        store.renew(first, 60)
    assert store.renew(first, 60)

    _end_all_connections(engine)
    monkeypatch.setattr("underbutler.sql.IDLE_BEFORE_PING_S", 0.0)
    store.complete(second, Outcome(state=TargetState.DONE))
    assert store.job(job.id).n_open == 1


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
