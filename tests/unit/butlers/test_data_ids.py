"""Casting of data ID values, and expansion of constraints to what exists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.daf.butler import Butler, DimensionUniverse

from underbutler.butlers.data_ids import Range, cast_data_id, find_data_ids
from underbutler.errors import UnknownNameError, UsageError

UNIVERSE = DimensionUniverse()
RAW = ("instrument", "detector", "exposure")


@pytest.fixture(scope="module")
def butler(stocked_repository: Path) -> Iterator[Butler]:
    """Exposures 1 and 2 of detectors 0 and 1."""
    with Butler.from_config(str(stocked_repository)) as opened:
        yield opened


def pairs(found: Any) -> list[tuple[Any, Any]]:
    return [(data_id["exposure"], data_id["detector"]) for data_id in found]


def test_values_are_cast_by_the_dimensions_key_type() -> None:
    given_values = {"instrument": "STE3", "detector": "01", "exposure": 20130713005733, "physical_filter": 48}
    assert cast_data_id(UNIVERSE, given_values) == {
        "instrument": "STE3",
        "detector": 1,
        "exposure": 20130713005733,
        "physical_filter": "48",
    }


@pytest.mark.parametrize("value", ["a", "1.5", 1.5, True, None, "", str(2**63)])
def test_a_value_that_does_not_cast_names_dimension_and_value(value: Any) -> None:
    with pytest.raises(UsageError, match=r"Dimension detector: the value"):
        cast_data_id(UNIVERSE, {"detector": value})


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_an_integer_typed_as_text_is_that_integer(number: int) -> None:
    assert cast_data_id(UNIVERSE, {"exposure": str(number)}) == {"exposure": number}


def test_an_unknown_dimension_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"No dimension is called 'exposre'. Did you mean 'exposure'"):
        cast_data_id(UNIVERSE, {"exposre": 1})


def test_a_key_of_gen2_is_told_with_its_dimension() -> None:
    with pytest.raises(UnknownNameError, match=r"Gen2's 'ccd' is 'detector' here\."):
        cast_data_id(UNIVERSE, {"ccd": 1})


@given(st.integers(-100, 100), st.integers(0, 50), st.integers(1, 9))
def test_a_range_holds_what_the_builtin_holds(begin: int, length: int, step: int) -> None:
    numbers = range(begin, begin + length + 1, step)
    chosen = Range(begin, begin + length, step)
    assert [number for number in range(begin - 5, begin + length + 6) if number in chosen] == list(numbers)


@pytest.mark.parametrize("wrong", [(2, 1, 1), (1, 2, 0), (1, 2, -1)])
def test_a_range_that_descends_or_does_not_step_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="range"):
        Range(*wrong)


def test_keys_vary_as_given_and_later_ones_fastest(butler: Butler) -> None:
    def found(*keys: str) -> list[tuple[Any, Any]]:
        values = {"instrument": ["CAM"], "exposure": [2, 1], "detector": ["1", 0]}
        wanted = {key: values[key] for key in keys}
        return pairs(find_data_ids(butler, RAW, wanted, dataset_type="raw", collections=["CAM/raw"]))

    assert found("instrument", "exposure", "detector") == [(2, 1), (2, 0), (1, 1), (1, 0)]
    assert found("detector", "instrument", "exposure") == [(2, 1), (1, 1), (2, 0), (1, 0)]
    assert found("instrument", "detector") == [(1, 1), (2, 1), (1, 0), (2, 0)]
    assert found("instrument") == [(1, 0), (2, 0), (1, 1), (2, 1)]


def test_a_range_is_a_query_of_what_exists(butler: Butler) -> None:
    found = find_data_ids(
        butler,
        RAW,
        {"exposure": [Range(0, 20130713005733)], "detector": [0]},
        dataset_type="raw",
        collections=["CAM/raw"],
    )
    assert pairs(found) == [(1, 0), (2, 0)]
    assert found.missing == []
    odd = {"exposure": [Range(1, 10**15, 2), 2]}
    assert pairs(find_data_ids(butler, RAW, odd, dataset_type="raw", collections=["CAM/raw"])) == [
        (1, 0), (1, 1), (2, 0), (2, 1),
    ]  # fmt: skip


def test_explicit_combinations_without_data_are_told(butler: Butler) -> None:
    found = find_data_ids(
        butler, RAW, {"exposure": [1, 9], "detector": [1, 7]}, dataset_type="raw", collections=["CAM/raw"]
    )
    assert pairs(found) == [(1, 1)]
    told = [(one["exposure"], one["detector"]) for one in found.missing]
    assert told == [(1, 7), (9, 1), (9, 7)]


def test_days_filters_and_bands_select_but_are_not_answered(butler: Butler) -> None:
    def found(**constraints: Any) -> list[tuple[Any, Any]]:
        return pairs(find_data_ids(butler, RAW, constraints, dataset_type="raw", collections=["CAM/raw"]))

    assert found(day_obs=[20261122]) == [(2, 0), (2, 1)]
    assert found(physical_filter=["R"], detector=[0]) == [(1, 0), (2, 0)]
    assert found(band=["r"], day_obs=[20261121]) == [(1, 0), (1, 1)]
    assert found(band=["z"]) == []


def test_a_query_selects_further(butler: Butler) -> None:
    where = "exposure.day_obs > 20261121 AND detector = 1"
    found = find_data_ids(
        butler, RAW, {"instrument": ["CAM"]}, dataset_type="raw", collections=["CAM/raw"], where=where
    )
    assert pairs(found) == [(2, 1)]


@pytest.mark.parametrize("where", ["exposure.", "nonsense = 1", "detector = 'x'"])
def test_a_query_that_cannot_be_asked_is_shown(butler: Butler, where: str) -> None:
    with pytest.raises(UsageError, match="cannot be asked"):
        find_data_ids(butler, RAW, {"instrument": ["CAM"]}, dataset_type="raw", collections=["CAM/raw"], where=where)


def test_data_ids_of_an_output_are_those_of_the_records(butler: Butler) -> None:
    """A bias does not exist before it is made; nor is its type registered in a new repository."""
    for name in ("bias", "notRegistered", None):
        found = find_data_ids(butler, ("instrument", "detector"), {"instrument": ["CAM"]}, dataset_type=name)
        assert [one["detector"] for one in found] == [0, 1]


def test_searching_a_calibration_collection_too_is_no_error(butler: Butler) -> None:
    found = find_data_ids(butler, RAW, {"exposure": [1]}, dataset_type="raw", collections=["CAM/raw", "CAM/calib"])
    assert pairs(found) == [(1, 0), (1, 1)]


def test_an_unknown_collection_is_named_with_the_nearest(butler: Butler) -> None:
    with pytest.raises(UnknownNameError, match=r"'CAM/rwa'. Did you mean 'CAM/raw'"):
        find_data_ids(butler, RAW, {"instrument": ["CAM"]}, dataset_type="raw", collections=["CAM/rwa"])


def test_an_unknown_instrument_matches_nothing(butler: Butler) -> None:
    found = find_data_ids(
        butler, RAW, {"instrument": ["CAM", "NOPE"], "exposure": [1]}, dataset_type="raw", collections=["CAM/raw"]
    )
    assert pairs(found) == [(1, 0), (1, 1)]
    assert found.missing == [{"instrument": "NOPE", "exposure": 1}]


def test_a_range_over_texts_and_an_empty_list_are_refused(butler: Butler) -> None:
    with pytest.raises(UsageError, match="physical_filter holds texts"):
        find_data_ids(butler, RAW, {"physical_filter": [Range(1, 2)]})
    with pytest.raises(UsageError, match="was given no value"):
        find_data_ids(butler, RAW, {"detector": []})


def test_a_limit_returns_the_first(butler: Butler) -> None:
    found = find_data_ids(butler, RAW, {"exposure": [2, 1]}, dataset_type="raw", collections=["CAM/raw"], limit=1)
    assert pairs(found) == [(2, 0)]
