from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from record_history import at_revision, insert_rows_of_the_first_release
from record_rows import ON_BOTH, claim_of, ended, keys
from sqlalchemy import Engine, text

import underbutler.catalog.tables
import underbutler.records.tables  # noqa: F401
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
    assert [row.state for row in store.targets(job)] == ["queued", "running", "delivering", "done"]
    assert not any(row.cancel_requested for row in store.targets(job))
    assert keys(store.take_unsent()) == [(queued, 1)]
    expired = store.expired_claims()
    assert {held.target for held in expired} == {running, delivering}
    assert sorted(ended(store, one, "expired") for one in expired) == [TargetState.DELIVERING, TargetState.QUEUED]
    assert [row.id for row in store.ended_unchecked()] == [done]
    for target in (queued, running, delivering):
        store.complete(claim_of(store, target), Outcome(state=TargetState.DONE))
    assert (store.job(job).phase, store.job(job).n_open) == (Phase.COMPLETED, 0)
    engine.dispose()


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without any table."""
    if request.param == "postgresql":
        empty: str = request.getfixturevalue("postgres_url")
        return empty
    return f"sqlite:///{tmp_path / 'records.db'}"
