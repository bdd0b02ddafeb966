"""What PostgreSQL does otherwise than SQLite: `jsonb`, its own regular expressions, and many writers at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from catalog_queries import ASKED, RUNS, documents_of, replace_runs
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine

from underbutler.catalog.matching import matches
from underbutler.catalog.questions import parse
from underbutler.catalog.store import CatalogStore
from underbutler.migrations import upgrade
from underbutler.sql import open_engine


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    upgrade(postgres_url)
    engine = open_engine(postgres_url)
    yield engine
    engine.dispose()


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(runs=RUNS, queries=ASKED)
def test_postgresql_finds_what_a_look_at_the_documents_finds(
    engine: Engine, runs: list[Any], queries: list[dict[str, Any]]
) -> None:
    documents = documents_of(runs)
    replace_runs(engine, documents)
    store = CatalogStore(engine)
    for query in queries:
        question = parse(query)
        wanted = {start["uid"] for start, stop in documents if matches(question, start, stop)}
        assert {header.uid for header in store.headers(query)} == wanted, query
        assert store.count(query) == len(wanted)
