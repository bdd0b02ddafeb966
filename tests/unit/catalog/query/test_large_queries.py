"""Queries that cost more than they say: refused before anything is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from underbutler.catalog.query.matching import matches
from underbutler.catalog.query.queries import QueryError
from underbutler.catalog.query.questions import parse

LINEAR = "a" * 5000 + "b"


def in_elements(levels: int, path: str = "a") -> dict[str, Any]:
    query: dict[str, Any] = {"$gt": 1}
    for _ in range(levels):
        query = {path: {"$elemMatch": query}}
    return query


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (in_elements(5), r"at most 4 \$elemMatch"),
        (in_elements(40), r"at most 4 \$elemMatch"),
        (in_elements(3, "a.0.b"), "too large"),
        ({"$or": [{"a.0.1.2.3": number} for number in range(20)]}, "too large"),
        ({"$nor": [{"$and": [{"x": 1}] * 30}] * 30}, "too large"),
        ({"$text": {"$search": "word " * 1000}}, "too large"),
        ({"x": list(range(1000))}, "too large"),
        ({"x": {"$in": [0] * 60_000}}, "too large"),
        ({"x": {"$regex": "a" * 1001}}, "1000 are the most"),
        ({"x": {"$regex": "(a{0,100}){0,10}c"}}, "too many repetitions"),
        ({"x": {"$regex": "((a{1000}){1000}){1000}"}}, "not a regular expression"),
        ({"x": {"$regex": r"(a)\1"}}, "Back references and looking around are not known"),
        ({"x": {"$regex": "(?=a)a"}}, "Back references and looking around are not known"),
    ],
)
def test_a_query_that_costs_too_much_is_refused(query: dict[str, Any], reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        parse(query)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*(a|a)*c", "(.*a){10}c", "(?:a?){30}a{30}c"])
def test_an_expression_that_grows_elsewhere_is_answered(pattern: str) -> None:
    assert not matches(parse({"text": {"$regex": pattern}}), {"text": LINEAR}, None)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"oxide\Z", "zinc oxide", True),
        (r"oxide$", "oxide\n", False),
        ("(?i)É", "une ecole", False),
        ("(?i)É", "né", True),
        (r"(?P<day>\d{8})T", "20261119T2130", True),
        (r"\\Z", r"a\Z", True),
        ("a", "\ud800a", True),
    ],
)
def test_an_expression_means_what_it_says(pattern: str, text: str, found: bool) -> None:
    assert matches(parse({"text": {"$regex": pattern}}), {"text": text}, None) is found


def test_an_error_shows_the_beginning_of_what_was_asked() -> None:
    with pytest.raises(QueryError) as raised:
        parse({"x": {"$gt": ["secret" * 1000] * 100}})
    assert len(str(raised.value)) < 400


def test_a_number_of_more_than_64_bits_is_refused() -> None:
    for number in (2**63, -(2**63) - 1, 10**400, 10**5000):
        with pytest.raises(QueryError, match="nothing that a document holds"):
            parse({"x": number})
