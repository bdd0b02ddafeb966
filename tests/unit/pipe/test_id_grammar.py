"""The grammar of ``--id``, without a repository."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.daf.butler import DimensionUniverse

from underbutler.butlers import Range
from underbutler.errors import UnknownNameError, UsageError
from underbutler.pipe.ids.id_values import cast_given, cross_product, parse_values, parse_words, product_size

UNIVERSE = DimensionUniverse()
KEYS = st.sampled_from(["detector", "exposure", "visit", "day_obs"])
INTEGERS = st.integers(-(10**12), 10**12)
TEXTS = st.text(min_size=1).filter(lambda text: "^" not in text and ".." not in text)
RANGES = st.builds(
    lambda begin, length, step: Range(begin, begin + length, step), INTEGERS, st.integers(0, 10**6), st.integers(1, 99)
)


@given(st.dictionaries(KEYS, st.lists(TEXTS | RANGES, min_size=1, max_size=4), min_size=1))
def test_what_is_written_is_read_back(given_values: dict[str, list[str | Range]]) -> None:
    words = [f"{key}={'^'.join(map(str, values))}" for key, values in given_values.items()]
    parsed = parse_words(words)
    assert parsed == {key: tuple(values) for key, values in given_values.items()}
    assert list(parsed) == list(given_values)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 9))
def test_a_range_of_detectors_is_the_list_with_both_ends(begin: int, length: int, step: int) -> None:
    cast = cast_given(UNIVERSE, {"detector": parse_values(f"{begin}..{begin + length}:{step}", "--id detector")})
    assert cast == {"detector": [number for number in range(begin, begin + length + 1) if (number - begin) % step == 0]}


@given(st.dictionaries(KEYS, st.lists(st.integers(), min_size=1, max_size=4, unique=True), min_size=1))
def test_a_cross_product_has_each_combination_once_in_order(values: dict[str, list[int]]) -> None:
    product = cross_product(values)
    assert [tuple(data_id.values()) for data_id in product] == list(itertools.product(*values.values()))
    assert len(product) == product_size(values)


def test_ranges_of_exposures_and_of_many_detectors_stay_ranges() -> None:
    cast = cast_given(UNIVERSE, {"exposure": (Range(1, 9),), "detector": (Range(0, 10**9),), "instrument": ("STE3",)})
    assert cast == {"exposure": [Range(1, 9)], "detector": [Range(0, 10**9)], "instrument": ["STE3"]}


def test_values_are_cast_by_their_dimension() -> None:
    assert cast_given(UNIVERSE, {"detector": ("007", "1"), "physical_filter": ("48",)}) == {
        "detector": [7, 1],
        "physical_filter": ["48"],
    }
    with pytest.raises(UnknownNameError, match=r"No dimension is called 'detectr'\. Did you mean 'detector'"):
        cast_given(UNIVERSE, {"detectr": ("1",)})


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("exposure", "takes KEY=VALUE"),
        ("=1", "takes KEY=VALUE"),
        ("exposure=", "has an empty value"),
        ("exposure=1^^2", "has an empty value"),
        ("exposure=1..", "'1..' is not a range"),
        ("exposure=1..x", "'1..x' is not a range"),
        ("exposure=1..2..3", "is not a range"),
        ("exposure=1..9:0", "give a positive one"),
        ("exposure=1..9:-1", "give a positive one"),
        ("exposure=9..1", "descends; write 1..9"),
        ("exposure=1^9..1:2", "descends"),
    ],
)
def test_what_is_no_id_is_told(word: str, text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_words([word])
    assert text in str(error.value)


def test_a_key_may_stand_once() -> None:
    with pytest.raises(UsageError, match=r"the key 'detector' twice\. Separate values with '\^'"):
        parse_words(["detector=1", "exposure=1", "detector=2"])
