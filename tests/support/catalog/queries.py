"""Runs and queries made at random: whatever keeps the runs must find the same."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from underbutler.catalog.database.insertion import Insertion
from underbutler.catalog.database.tables import DataId, Run
from underbutler.sql import write

KEYS = ("a", "b", "0", "1", "é")
TEXTS = st.sampled_from(["", "x", "xy", "Xy", "é", "a.b", "1", "line\nbreak", "'quoted\"", "zebra", "\\"])
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -1.0, 2.0, 2.5, 10**12, -0.0, 2**53]))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)),
    max_leaves=6,
)
WORDS = st.sampled_from(["processCcd", "makeBias", "process", "é", ""])
ODD = st.one_of(WORDS, WORDS, st.none(), st.lists(WORDS, max_size=2), st.integers(0, 2))


@st.composite
def starts(draw: st.DrawFn) -> dict[str, Any]:
    """Return the free part of a start document; keys that have a column hold what they should, mostly."""
    start = draw(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3))
    for key, values in (("task", ODD), ("owner", WORDS), ("scan_id", st.integers(1, 4))):
        if draw(st.booleans()):
            start[key] = draw(values)
    if draw(st.booleans()):
        ids = st.one_of(st.lists(st.integers(0, 3), max_size=3), st.integers(0, 3), st.sampled_from(["r", "g"]))
        data_id = st.dictionaries(st.sampled_from(["exposure", "band", "0"]), ids, max_size=2)
        start["data_id"] = draw(st.one_of(data_id, st.lists(data_id, max_size=2), ids))
    return start


STOPS = st.one_of(st.none(), st.fixed_dictionaries({"exit_status": st.sampled_from(["success", "abort", "fail"])}))

PATHS = st.one_of(
    st.sampled_from(["a", "b", "c", "start.a", "task", "owner", "scan_id", "exit_status", "stop.exit_status", "time"]),
    st.sampled_from(
        [
            "data_id.exposure",
            "data_id.exposure",
            "data_id.band",
            "data_id.0",
            "uid",
            "stop.time",
            "num_events",
            "task.0",
        ]
    ),
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=3).map(lambda steps: ".".join(["a", *steps])),
)
PATTERNS = st.sampled_from(["x", "^x", "Y$", "a.b", "^$", "e.b", "[^x]", r"\bx", "process|make", "(?i)XY"])


def ranges() -> st.SearchStrategy[dict[str, Any]]:
    """Return two bounds of one field."""
    lower, upper = st.sampled_from(["$gt", "$gte"]), st.sampled_from(["$lt", "$lte"])
    return st.builds(lambda one, low, other, high: {one: low, other: high}, lower, NUMBERS, upper, NUMBERS)


def operators(depth: int = 1) -> st.SearchStrategy[dict[str, Any]]:
    """Return operators of one field."""
    bounds = st.one_of(NUMBERS, TEXTS, st.booleans(), WORDS)
    simple = [
        ranges(),
        ranges().map(lambda both: {"$elemMatch": both}),
        st.builds(lambda op, bound: {op: bound}, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), bounds),
        st.builds(lambda op, value: {op: value}, st.sampled_from(["$eq", "$ne"]), st.one_of(VALUES, WORDS)),
        st.builds(lambda op, some: {op: some}, st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, max_size=3)),
        st.builds(lambda yes: {"$exists": yes}, st.booleans()),
        st.builds(lambda size: {"$size": size}, st.integers(0, 3)),
        st.builds(lambda pattern, i: {"$regex": pattern, **i}, PATTERNS, st.sampled_from([{}, {"$options": "i"}])),
    ]
    if depth:
        inner = operators(depth - 1)
        keys = st.dictionaries(st.sampled_from(["a", "b", "a.b"]), st.one_of(SCALARS, inner), min_size=1, max_size=2)
        simple += [
            st.builds(lambda operand: {"$not": operand}, inner),
            st.builds(lambda operand: {"$elemMatch": operand}, st.one_of(inner, keys)),
        ]
    return st.one_of(simple)


CLAUSES = st.dictionaries(PATHS, st.one_of(VALUES, WORDS, operators()), min_size=1, max_size=2)
QUERIES = st.recursive(
    st.one_of(CLAUSES, st.sampled_from(["x", "processccd", "ZEB", "x é"]).map(lambda t: {"$text": {"$search": t}})),
    lambda inner: st.builds(
        lambda op, parts: {op: parts}, st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=3,
)

RUNS = st.lists(st.tuples(starts(), STOPS), min_size=1, max_size=6)
ASKED = st.lists(QUERIES, min_size=1, max_size=8)


def documents_of(runs: list[tuple[dict[str, Any], dict[str, Any] | None]]) -> list[tuple[dict[str, Any], Any]]:
    """Return start and stop documents, with uids and times."""
    documents = []
    for number, (start, stop) in enumerate(runs):
        begun = {"uid": f"run-{number}", "time": 1000.0 + number // 2, **start}
        ended = stop and {"uid": f"stop-{number}", "run_start": f"run-{number}", "time": 2000.0 + number, **stop}
        documents.append((begun, ended))
    return documents


def replace_runs(engine: Engine, documents: list[tuple[dict[str, Any], Any]]) -> None:
    """Leave these runs in a catalogue and no others, in one transaction."""
    with write(engine) as connection:
        connection.execute(delete(DataId))
        connection.execute(delete(Run))
        known = Insertion()
        for start, stop in documents:
            known.insert(connection, "start", [start])
            if stop:
                known.insert(connection, "stop", [stop])
