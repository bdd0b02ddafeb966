from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

import underbutler.catalog.database.tables
import underbutler.records.tables.jobs  # noqa: F401
from tests.support.databases import ON_BOTH
from tests.support.records.history import at_revision, insert_job_of_the_fourth_schema, insert_rows_of_the_first_release
from tests.support.records.rows import claim_of, ended, keys
from tests.support.services import eventually
from underbutler import migrations
from underbutler.errors import UsageError
from underbutler.migrations import HEAD, VERSION_TABLE, is_current, upgrade
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobStore, Outcome
from underbutler.sql import metadata, open_engine, read, write


@ON_BOTH
def test_models_and_migrations_agree(engine: Engine) -> None:
    with read(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_this_release_knows_its_newest_revision() -> None:
    assert migrations.script().get_heads() == [HEAD]


def test_an_upgrade_makes_file_and_folder_and_can_be_repeated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'percent%20' / 'records.db'}"
    assert not is_current(url)
    assert not (tmp_path / "new").exists()
    upgrade(url)
    upgrade(url)
    assert is_current(url)


def test_a_database_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    upgrade(url)
    engine = open_engine(url)
    with write(engine) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()

    assert not is_current(url)
    with pytest.raises(UsageError, match=r"'9999'.*newer"):
        upgrade(url)


def test_an_upgrade_that_fails_leaves_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    engine = open_engine(url, create=True)
    with write(engine) as connection:
        connection.execute(text("CREATE TABLE notice (id TEXT)"))

    with pytest.raises(Exception, match="notice"):
        upgrade(url)

    with read(engine) as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    engine.dispose()
    assert tables == ["notice"]


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_rows_of_the_first_release_go_on_after_the_upgrade(url: str) -> None:
    """What was queued, running, delivering and done when the service was upgraded ends as it should."""
    at_revision(url, "0001")
    assert not is_current(url)
    job, queued, running, delivering, done = insert_rows_of_the_first_release(url)

    upgrade(url)

    assert is_current(url)
    engine = open_engine(url)
    store = JobStore(engine)
    assert [row.state for row in store.read.targets(job)] == ["queued", "running", "delivering", "done"]
    assert not any(row.cancel_requested for row in store.read.targets(job))
    assert keys(store.outbox.take()) == [(queued, 1)]
    expired = store.leases.expired()
    assert {held.target for held in expired} == {running, delivering}
    assert sorted(ended(store, one, "expired") for one in expired) == [TargetState.DELIVERING, TargetState.QUEUED]
    assert [row.id for row in store.sweep.ended_unchecked()] == [done]
    for target in (queued, running, delivering):
        store.claims.complete(claim_of(store, target), Outcome(state=TargetState.DONE))
    assert (store.read.job(job).phase, store.read.job(job).n_open) == (Phase.COMPLETED, 0)
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_a_job_of_the_last_release_has_one_step_of_its_own(url: str) -> None:
    """Whether it was submitted before the upgrade, or after it by a submitter that was not upgraded yet."""
    at_revision(url, "0004")
    before = insert_job_of_the_fourth_schema(url, scan_id=1, config={"b": 1.0, "a": [1e22]})
    upgrade(url)
    after = insert_job_of_the_fourth_schema(url, scan_id=2, config={"b": 2.0})

    engine = open_engine(url)
    store = JobStore(engine)
    for (job, target), config in ((before, "{'b': 1.0, 'a': [1e+22]}"), (after, "{'b': 2.0}")):
        row = store.read.job(job)
        (step,) = row.steps
        assert (step.ordinal, step.label, step.task, step.config_digest) == (0, "processCcd", "processCcd", "c" * 64)
        assert (step.overrides, step.options, row.request) == ([["isr.doFlat", False]], {"replace": True}, None)
        assert repr(step.config) == config, "its text is what the digest was made of"
        (outgoing,) = store.outbox.take(job=job)
        assert (outgoing.message.envelope.target, outgoing.message.envelope.config) == (target, "c" * 64)
        claim = claim_of(store, target)
        assert claim.step == 0
        store.claims.complete(claim, Outcome(state=TargetState.DONE))
        assert store.read.job(job).phase == Phase.COMPLETED
    engine.dispose()


@pytest.mark.postgres
def test_an_upgrade_waits_for_a_target_that_ends(postgres_url: str) -> None:
    """A worker has locked its target and still has to count it in the job when the upgrade begins."""
    at_revision(postgres_url, "0004")
    job, target = insert_job_of_the_fourth_schema(postgres_url, scan_id=1, config={})
    engine = open_engine(postgres_url)
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    waits = text(f"SELECT count(*) FROM pg_locks WHERE NOT granted AND {here}")
    with ThreadPoolExecutor(1) as pool:
        with write(engine) as worker:
            worker.execute(text("UPDATE target SET state = 'aborted', ended_at = 3 WHERE id = :id"), {"id": target})
            upgrading = pool.submit(upgrade, postgres_url)
            with read(engine) as observer:
                eventually(lambda: observer.execute(waits).scalar_one(), 60, "an upgrade that waits")
            worker.execute(text("UPDATE job SET n_open = 0, phase = 'ABORTED' WHERE id = :id"), {"id": job})
        upgrading.result(timeout=60)
    row = JobStore(engine).read.job(job)
    assert (row.phase, row.n_open, len(row.steps)) == (Phase.ABORTED, 0, 1)
    engine.dispose()


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without any table."""
    if request.param == "postgresql":
        empty: str = request.getfixturevalue("postgres_url")
        return empty
    return f"sqlite:///{tmp_path / 'records.db'}"
