"""Words of a user in the Butler's query language: a fault is a sentence, and long lists are asked in parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsst.daf.butler import Butler
from sqlalchemy.exc import OperationalError

from tests.support.examples import examples
from underbutler.butlers.data_ids import Range, cast_data_id, find_data_ids
from underbutler.butlers.users_queries import faulty_query_told, parts_that_fit
from underbutler.errors import UsageError

RAW = ("instrument", "detector", "exposure")


@pytest.fixture(scope="module")
def butler(stocked_repository: Path) -> Iterator[Butler]:
    """Exposures 1 and 2 of detectors 0 and 1."""
    with Butler.from_config(str(stocked_repository)) as opened:
        yield opened


def exposures(butler: Butler, where: str = "", **given: object) -> list[object]:
    constraints = {"instrument": ["CAM"], "detector": [0]} | given
    found = find_data_ids(butler, RAW, constraints, dataset_type="raw", collections=["CAM/raw"], where=where)  # type: ignore[arg-type]
    return [data_id["exposure"] for data_id in found]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("exposure", "it is not a condition"),
        ("POINT(1, 2)", "it is not a condition"),
        ("exposure > 99999999999999999999", "a number of over 64 bits"),
        ("exposure IN (1..99999999999999999999)", "a number of over 64 bits"),
        ("(" * 3000 + "exposure = 1" + ")" * 3000, "nested too deeply"),
        ("NOT " * 3000 + "exposure = 1", "nested too deeply"),
        (f"exposure IN ({','.join(map(str, range(3000)))})", "Name many values with --id"),
        ("exposure = 1 OR " * 2000 + "exposure = 2", "the limit is"),
        ("visit_detector_region.region OVERLAPS CIRCLE(400, 200, -3)", "invalid latitude"),
        ("exposure.timespan = exposure.timespan", "cannot be asked"),
        ("nothing(1)", "Unknown function"),
        ("htm7 = 1", "cannot be asked"),
        ("exposure.obs_id = '\ud800'", "surrogate"),
        ("exposure.obs_id = '\0'", "NUL"),
    ],
    ids=lambda value: value[:24],
)
def test_a_faulty_query_is_told_with_its_fault(butler: Butler, where: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        exposures(butler, where)
    assert len(str(caught.value)) < 600


ATOMS = """\
exposure detector instrument exposure.exposure_time exposure.timespan exposure.timespan.begin exposure.obs_id band visit
exposure.can_see_sky htm7 raw.timespan 1 1.5 1e400 -3 99999999999999999999 'CAM' '' T'2026-11-20' T'2026-11-20/tai'
T'mjd/6' NULL TRUE (1,2) (1..9:2) POINT(1,2) UUID('x') bind :bind"""
atoms = st.sampled_from(ATOMS.split())
OPERATORS = "= != < >= + - / % AND OR IN OVERLAPS IS"
operators = st.sampled_from([*OPERATORS.split(), "NOT IN", ""])


comparisons = st.tuples(atoms, operators, atoms).map(" ".join)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(st.just("("), inner, st.just(")"), operators, inner).map(" ".join),
        inner.map("NOT ".__add__),
    ),
    max_leaves=4,
)


@given(conditions | st.text(max_size=12))
@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_words_find_something_or_are_refused(butler: Butler, where: str) -> None:
    try:
        found = exposures(butler, where)
    except UsageError:
        return
    assert set(found) <= {1, 2}


def test_long_lists_are_asked_in_parts(butler: Butler) -> None:
    assert exposures(butler, exposure=[2, *range(100, 5100), 1]) == [2, 1]
    assert exposures(butler, exposure=[Range(start, start + 1) for start in range(1, 3000, 3)]) == [1, 2]


def test_parts_together_are_the_whole() -> None:
    given_values = {"exposure": [*range(2500), Range(0, 9)], "detector": [0, 1]}
    parts = list(parts_that_fit(given_values, Range))
    assert [len(part["exposure"]) for part in parts] == [1000, 1000, 500, 1]
    assert all(part["detector"] == [0, 1] for part in parts)
    assert list(parts_that_fit({"exposure": [1, Range(2, 3)]}, Range)) == [{"exposure": [1, Range(2, 3)]}]


def test_a_database_that_is_away_is_not_the_querys_fault(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT 1", {}, ConnectionError("refused"))

    monkeypatch.setattr(butler, "query_dimension_records", away)
    with pytest.raises(OperationalError), faulty_query_told(butler, "exposure = 1"):
        away()


def test_a_bare_time_is_utc_and_tai_is_said(butler: Butler) -> None:
    """Two neighbouring times of one instant: TAI is 37 s ahead of UTC in 2026."""
    begins = butler.query_dimension_records("exposure", instrument="CAM", exposure=1)[0].timespan.begin
    utc, tai = begins.utc.isot, begins.tai.isot
    assert utc != tai
    assert exposures(butler, f"exposure.timespan.begin = T'{utc}'") == [1]
    assert exposures(butler, f"exposure.timespan.begin = T'{tai}/tai'") == [1]
    assert exposures(butler, f"exposure.timespan.begin = T'{tai}'") == []


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_a_text_that_no_database_takes_is_refused(butler: Butler, value: str) -> None:
    with pytest.raises(UsageError, match="holds what no database takes"):
        cast_data_id(butler.dimensions, {"physical_filter": value})
