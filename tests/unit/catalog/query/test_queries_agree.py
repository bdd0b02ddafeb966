"""A query finds the same runs in a database and in memory, whatever the documents and the query are."""

from __future__ import annotations

from typing import Any

from catalog_queries import ASKED, RUNS, documents_of, replace_runs
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine

from underbutler.catalog.matching import matches
from underbutler.catalog.questions import parse
from underbutler.catalog.store import CatalogStore


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(runs=RUNS, queries=ASKED)
def test_sqlite_finds_what_a_look_at_the_documents_finds(
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
