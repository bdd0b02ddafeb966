"""A query finds the same runs in a database and in memory, whatever the documents and the query are."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine

from tests.support.catalog.queries import ASKED, RUNS, documents_of, replace_runs
from tests.support.databases import ON_BOTH
from tests.support.examples import examples
from underbutler.catalog.database.store import CatalogStore
from underbutler.catalog.query.matching import matches
from underbutler.catalog.query.questions import parse


@ON_BOTH
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(runs=RUNS, queries=ASKED)
def test_a_database_finds_what_a_look_at_documents_finds(
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
