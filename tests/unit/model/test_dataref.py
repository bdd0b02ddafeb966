"""The data reference is a value: it compares, hashes, pickles and travels as JSON."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbutler import DataRef
from underbutler.errors import MessageError, UsageError

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=20)
values = st.one_of(st.integers(-(2**63), 2**63 - 1), names)
refs = st.builds(
    DataRef,
    names,
    st.dictionaries(names, values, max_size=5),
    collections=st.lists(names, max_size=3).map(tuple),
    run=st.none() | names,
    dataset_type=st.none() | names,
    out=st.just("") | names,
    universe=st.none() | st.tuples(names, st.integers(0, 100)),
)

REF = DataRef("demo", {"instrument": "STE3", "exposure": 20130713005733, "detector": 0}, run="u/ann/run")


@given(refs)
def test_a_reference_survives_json_exactly(ref: DataRef) -> None:
    document = json.loads(json.dumps(ref.to_json()))
    back = DataRef.from_json(document)
    assert back == ref
    assert hash(back) == hash(ref)
    assert list(back.data_id.items()) == list(ref.data_id.items())
    assert back.to_json() == document


@given(refs)
def test_a_reference_survives_pickle_and_copies(ref: DataRef) -> None:
    assert pickle.loads(pickle.dumps(ref)) == ref
    assert copy.deepcopy(ref) == ref


def test_out_is_the_repository_itself_unless_said() -> None:
    assert REF.out == "demo"
    assert DataRef("remote", {}, out="mine").out == "mine"


def test_a_reference_cannot_be_changed_through_its_data_id() -> None:
    with pytest.raises(TypeError):
        REF.data_id["detector"] = 1  # type: ignore[index]
    mine = REF.dataId
    mine["detector"] = 1
    assert REF.data_id["detector"] == 0


def test_human_text_has_the_exposure_first_the_instrument_last() -> None:
    assert str(REF) == "exposure=20130713005733 detector=0 instrument='STE3'"


@pytest.mark.parametrize("value", [True, 1.5, None, [0]])
def test_a_data_id_value_is_an_int_or_a_text(value: object) -> None:
    with pytest.raises(UsageError, match="detector"):
        DataRef("demo", {"detector": value})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "method", ["get", "dataset_exists", "datasetExists", "get_uri", "getUri", "subItems", "getButler"]
)
def test_an_unbound_reference_says_what_it_needs(method: str) -> None:
    with pytest.raises(UsageError, match=r"not bound.*bind"):
        getattr(REF, method)()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"v": 99}, "version 99"),
        ({"repo": 5}, "'repo'"),
        ({"collections": "abc"}, "'collections'"),
        ({"data_id": []}, "'data_id'"),
        ({"data_id": {"detector": None}}, "detector"),
        ({"universe": ["daf_butler"]}, "'universe'"),
    ],
)
def test_a_reference_that_does_not_decode_names_the_field(change: dict[str, object], text: str) -> None:
    with pytest.raises(MessageError, match=text):
        DataRef.from_json(REF.to_json() | change)
