"""Queries: what each operator means, on documents that are read at a glance; and what is refused, by name."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from tests.support.catalog.rows import start_of, stop_of
from underbutler.catalog import QueryError, ScanIDRange, TextQuery, TimeRange
from underbutler.catalog.database.store import CatalogStore
from underbutler.catalog.query.matching import matches
from underbutler.catalog.query.questions import parse
from underbutler.errors import UsageError

START = start_of(
    "1a2b",
    1000.0,
    task="processCcd",
    scan_id=7,
    owner="ann",
    sample={"name": "Fe oxide", "mass": 2.5, "phases": ["alpha", "beta"]},
    motors=[{"name": "theta", "limit": 10}, {"name": "phi"}],
    grid=[[1, 2], [3, 4]],
    note=None,
    good=True,
    data_id={"exposure": [20130713005733, 20130713005734], "detector": 0, "instrument": "STE3"},
)
STOP = stop_of("1a2b", 2000.0, exit_status="fail", reason="out of light")

TRUE: list[dict[str, Any]] = [
    {},
    {"task": "processCcd", "exit_status": "fail"},
    {"uid": "1a2b"},
    {"scan_id": 7.0},
    {"sample.mass": {"$gt": 2, "$lte": 2.5}},
    {"sample.name": {"$regex": "oxide$"}},
    {"sample.name": {"$regex": "^FE", "$options": "i"}},
    {"sample.name": re.compile("^fe", re.IGNORECASE)},
    {"sample.phases": "beta"},
    {"sample.phases": ["alpha", "beta"]},
    {"sample.phases.1": "beta"},
    {"sample.phases": {"$size": 2}},
    {"sample.phases": {"$in": ["gamma", "alpha"]}},
    {"sample": {"mass": 2.5, "phases": ["alpha", "beta"], "name": "Fe oxide"}},
    {"motors.name": "phi"},
    {"motors.0.limit": {"$gte": 10}},
    {"motors": {"$elemMatch": {"name": "theta", "limit": {"$lt": 11}}}},
    {"grid": {"$elemMatch": {"$eq": [3, 4]}}},
    {"grid": {"$elemMatch": {"$elemMatch": {"$eq": 4}}}},
    {"grid": [1, 2]},
    {"note": None},
    {"nowhere": None},
    {"note": {"$exists": True}},
    {"nowhere": {"$exists": False}},
    {"good": True},
    {"good": {"$ne": 1}},
    {"task": {"$not": {"$regex": "^make"}}},
    {"task": {"$nin": ["makeBias", "makeFlat"]}},
    {"$or": [{"task": "makeBias"}, {"scan_id": {"$in": [6, 7]}}]},
    {"$nor": [{"task": "makeBias"}, {"scan_id": 6}]},
    {"$and": [{"task": "processCcd"}, TimeRange(since=1000.0, until=1000.5)]},
    {"stop.reason": {"$regex": "light"}},
    {"stop.time": {"$gte": 2000}},
    {"start.task": {"$gt": "process"}},
    {"data_id.exposure": 20130713005734},
    {"data_id.exposure": {"$gt": 20130713005733}, "data_id.instrument": "STE3"},
    {"data_id.detector": {"$in": [0, 4]}},
    {"scan_id": {"$eq": np.int64(7)}},
    TextQuery("OXIDE alpha"),
    ScanIDRange(7, 8),
]
FALSE: list[dict[str, Any]] = [
    {"task": "processccd"},
    {"exit_status": "success"},
    {"scan_id": "7"},
    {"good": 1},
    {"sample.mass": {"$gt": "2"}},
    {"sample.mass.unit": {"$exists": True}},
    {"sample.name": {"$regex": "^oxide"}},
    {"sample": {"mass": 2.5}},
    {"sample.phases": {"$size": 1}},
    {"sample.phases": "gamma"},
    {"sample.phases.2": {"$exists": True}},
    {"motors": {"$elemMatch": {"name": "phi", "limit": 10}}},
    {"motors.limit": None},
    {"nowhere": {"$ne": None}},
    {"sample.phases": {"$nin": ["alpha"]}},
    {"data_id.exposure": 20130713005735},
    {"data_id.exposure": "20130713005733"},
    TextQuery("processCcd gamma"),
    ScanIDRange(8),
    TimeRange(since=1000.5),
]


def nested(depth: int) -> dict[str, Any]:
    """Return a query of one clause, inside so many others."""
    query: dict[str, Any] = {"x.y": 3}
    for _ in range(depth):
        query = {"$and": [query]}
    return query


@pytest.mark.parametrize(("query", "true"), [(query, True) for query in TRUE] + [(query, False) for query in FALSE])
def test_a_query_means_what_mongodb_means_by_it(store: CatalogStore, query: dict[str, Any], true: bool) -> None:
    store.insert("start", START)
    store.insert("stop", STOP)
    assert matches(parse(query), START, STOP) is true
    assert store.count(query) == int(true)
    assert store.count({"$nor": [query]}) == int(not true)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"task": {"$where": "this.x"}}, r"The operator '\$where' is not supported here"),
        ({"$expr": {}}, r"The operator '\$expr' is not supported here.*Supported: \$and, \$or"),
        ({"x": {"$grt": 3}}, r"'\$grt' is not supported here\. Did you mean '\$gte?'"),
        ({"x": {"$all": [1]}}, r"'\$all'"),
        ({"x": {"$gt": 3, "y": 4}}, "stand beside the key 'y'"),
        ({"x": {"$in": "abc"}}, r"\$in and \$nin take a list"),
        ({"x": {"$gt": None}}, r"\$gt compares numbers and texts"),
        ({"x": {"$size": -1}}, r"\$size takes a number"),
        ({"x": {"$regex": "("}}, "is not a regular expression"),
        ({"x": {"$regex": "a", "$options": "x"}}, "i, m and s, not 'x'"),
        ({"x": {"$options": "i"}}, r"\$options belong to \$regex"),
        ({"x": {"$not": 3}}, r"\$not takes operators"),
        ({"x": {"$elemMatch": 3}}, r"\$elemMatch takes"),
        ({"x": {"$elemMatch": {"$text": 3}}}, r"'\$text'|\$text is written"),
        ({"$or": []}, r"\$or takes a list"),
        ({"$and": {"x": 1}}, r"\$and takes a list"),
        ({"$text": "abc"}, r"\$text is written"),
        ({"a..b": 1}, "is not a path"),
        ({'a"b': 1}, "is not a path"),
        ({3: 1}, "not 3"),
        ({"x": float("nan")}, "nothing that a document holds"),
        ({"x": 2**63}, "nothing that a document holds"),
        ({"x": datetime(2026, 1, 1, tzinfo=UTC)}, "there is TimeRange"),
        ({"x": "a\x00"}, "cannot be searched"),
        ([], "A query is a mapping"),
        (None, "A query is a mapping"),
        ({"x": {"$in": iter([1])}}, r"\$in and \$nin take a list"),
        (nested(31), "at most 60 mappings and lists inside one another"),
        ({".".join("a" * 33): 1}, r"The path a\.a\.a\..* has 33 steps"),
        ({"x.0.1.2.3.4": 1}, "5 of them numbers"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(store: CatalogStore, query: Any, reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        store.count(query)
    with pytest.raises(ValueError, match=reason):
        parse(query)


def test_a_too_large_query_says_so_and_a_deep_one_is_asked(store: CatalogStore) -> None:
    clauses: list[dict[str, Any]] = [{"task": str(number)} for number in range(601)]
    for ask in (store.count, lambda query: list(store.headers(query))):
        with pytest.raises(QueryError, match=r"too large: .* 600 comparisons"):
            ask({"$or": clauses})
    assert store.count({"$or": clauses[:600]}) == 0
    store.insert("start", start_of("one", x={"y": 3}))
    assert store.count(nested(29)) == 1
    assert store.count({"x.y": {"$in": list(range(5000))}}) == 1


def test_a_run_with_an_odd_task_is_found_by_it(store: CatalogStore) -> None:
    store.insert("start", start_of("plain", task="processCcd"))
    store.insert("start", start_of("odd", task=["processCcd", "quickLook"], label={"name": "demo"}))
    for query, found in (
        ({"task": "quickLook"}, {"odd"}),
        ({"task": "processCcd"}, {"odd", "plain"}),
        ({"task": {"$exists": True}}, {"odd", "plain"}),
        ({"task": {"$size": 2}}, {"odd"}),
        ({"label.name": "demo"}, {"odd"}),
        ({"label": None}, {"plain"}),
    ):
        assert {header.uid for header in store.headers(query)} == found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026", 1767225600),
        ("2026-11", 1793491200),
        ("2026-11-19", 1795046400),
        ("2026-11-19 21", 1795122000),
        ("2026-11-19 21:30", 1795123800),
        (" 2026-11-19 21:30:15 ", 1795123815),
        ("2026-11-19T21:30:15+00:00", 1795123815),
        (1795123815.5, 1795123815.5),
        (datetime(2026, 11, 19, 21, 30, 15, tzinfo=UTC), 1795123815),
    ],
)
def test_a_time_is_said_as_people_say_it(text: Any, seconds: float) -> None:
    assert TimeRange(since=text, timezone="UTC").query == {"time": {"$gte": seconds}}


def test_the_zone_of_a_time_counts() -> None:
    chile = TimeRange(since="2026-11-19", until="2026-11-20", timezone="America/Santiago")
    assert chile.query == {"time": {"$gte": 1795046400 + 3 * 3600, "$lt": 1795132800 + 3 * 3600}}
    assert (
        TimeRange(since=datetime(2026, 1, 1, tzinfo=UTC), timezone="America/Santiago").query["time"]["$gte"]
        == 1767225600
    )


def test_short_forms_are_mappings_that_can_be_changed() -> None:
    night = TimeRange(since="2026-11-19", until="2026-11-20", timezone="UTC")
    assert repr(night) == "TimeRange(since='2026-11-19', until='2026-11-20', timezone='UTC')"
    assert night.replace(until=None) == {"time": {"$gte": 1795046400}}
    assert dict(night) == night.query
    assert TimeRange() == {}
    assert ScanIDRange(3, 5) == {"scan_id": {"$gte": 3, "$lt": 5}}
    assert TextQuery("iron").replace(text_search="gold") == {"$text": {"$search": "gold"}}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: TimeRange(since="2027", until="2026"), "begins before it ends"),
        (lambda: TimeRange(since="last week"), "'last week' is not a time"),
        (lambda: TimeRange(since="2026", timezone="Mars/Olympus"), "No time zone is called 'Mars/Olympus'"),
        (lambda: ScanIDRange(5, 3), "begins before it ends"),
        (lambda: ScanIDRange("5"), "A scan id is a number, not '5'"),
        (lambda: TimeRange(since=["2026"]), r"\['2026'\] is not a time"),
        (lambda: TimeRange(until=float("nan")), "nan is not a time"),
        (lambda: TextQuery(3), "A text is searched for, not 3"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(make: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        make()
    assert isinstance(refused.value, UsageError)
