"""The message comes back exactly as it went, or is refused with a sentence."""

from __future__ import annotations

import json
import uuid

import numpy as np
import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from underbutler.errors import MessageError, UsageError
from underbutler.model.dataref import DataRef
from underbutler.model.message import (
    SIZE_LIMIT_BYTES,
    Envelope,
    decode_element,
    decode_value,
    describe,
    digest_of,
    encode_element,
    encode_value,
)

REF = DataRef("demo", {"instrument": "STE3", "exposure": 20130713005733, "detector": 0})

texts = st.text(st.characters(codec="utf-8"), max_size=20)
keys = texts.filter(lambda key: not key.startswith("$"))
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.uuids(),
    st.just(REF),
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(keys, inner, max_size=4)
    ),
)


def travelled(document: object) -> object:
    return json.loads(json.dumps(document))


@given(values)
def test_a_value_survives_the_wire_with_its_types(value: object) -> None:
    back = decode_value(travelled(encode_value(value)))
    assert back == value
    assert type(back) is type(value)


@given(st.dictionaries(keys, values, max_size=4))
def test_a_pair_travels_as_two_args_and_comes_back(kwargs: dict[str, object]) -> None:
    args = encode_element((REF, kwargs))
    assert len(args) == 2
    assert decode_element(travelled(args)) == (REF, kwargs)


@given(values)
def test_any_other_element_travels_as_one_arg(value: object) -> None:
    args = encode_element([REF, value])
    assert len(args) == 1
    assert decode_element(travelled(args)) == [REF, value]


@given(st.floats(2400000, 2500000), st.floats(-0.5, 0.5), st.sampled_from(["utc", "tai", "tt"]))
def test_a_time_survives_to_the_last_bit(jd1: float, jd2: float, scale: str) -> None:
    time = Time(jd1, jd2, format="jd", scale=scale)
    back = decode_value(travelled(encode_value(time)))
    assert (back.jd1, back.jd2, back.scale) == (time.jd1, time.jd2, time.scale)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": {"b": object()}}, "kwargs.a.b"),
        ({"a": [1, np.float64(1.0)]}, r"kwargs.a\[1\]"),
        ({"a": (1, {2})}, r"kwargs.a\[1\] is a builtins.set"),
        ({"a": float("nan")}, "kwargs.a"),
        ({"$ref": 1}, r"\$ref"),
        ({"a": {1: 2}}, "keys are texts"),
        ({"a": b"bytes"}, "bytes"),
        ({"a": "\ud800"}, "surrogate"),
        ({"a": Time(["2026-01-01", "2026-01-02"])}, "array of times"),
    ],
)
def test_kwargs_that_are_not_json_are_refused_naming_the_place(value: dict[str, object], where: str) -> None:
    with pytest.raises(UsageError, match=where):
        encode_element((REF, value))


def test_a_message_over_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(UsageError, match=r"is 262\d\d\d bytes; the limit is 262144") as caught:
        encode_element((REF, {"text": "x" * (SIZE_LIMIT_BYTES - 20)}))
    assert caught.value.fields["limit"] == SIZE_LIMIT_BYTES


@pytest.mark.parametrize(
    "document", [{"$pickle": "x"}, {"$ref": 1, "other": 2}, {"$dataset": "no uuid"}, {"$time": 3}, {"$tuple": {"a": 1}}]
)
def test_a_tag_outside_the_closed_table_does_not_decode(document: object) -> None:
    with pytest.raises(MessageError):
        decode_value(document)


@pytest.mark.parametrize("args", [[], [1, 2, 3], "text", [{"v": 1}, {}], [{"v": 7}, {}]])
def test_args_of_another_shape_do_not_decode(args: object) -> None:
    with pytest.raises(MessageError):
        decode_element(args)


def test_the_human_text_shows_data_id_and_kwargs() -> None:
    args = encode_element((REF, {"threshold": 3.0}))
    assert describe(args) == ("exposure=20130713005733 detector=0 instrument='STE3'", "threshold=3.0")


def refs_of(*exposures: int) -> list[DataRef]:
    return [DataRef("demo", {"instrument": "STE3", "exposure": exposure, "detector": 0}) for exposure in exposures]


def test_references_with_kwargs_travel_as_gen2_made_them() -> None:
    element = (refs_of(1, 2), {"skyCorr": (0.5, None)})
    args = encode_element(element)
    assert len(args) == 1
    assert decode_element(travelled(args)) == element


@pytest.mark.parametrize(
    ("element", "words"),
    [
        (refs_of(7), ("exposure=7 detector=0 instrument='STE3'", "")),
        (refs_of(7, 9), ("exposure=7^9 detector=0 instrument='STE3'", "")),
        (refs_of(7, 12, 9, 8), ("exposure=7..12 (4 values) detector=0 instrument='STE3'", "")),
        ((refs_of(7, 9), {"near": refs_of(3)}), ("exposure=7^9 detector=0 instrument='STE3'",
                                                 "near=exposure=3 detector=0 instrument='STE3'")),
        ([{"warps": refs_of(1, 2)}], ("exposure=1^2 detector=0 instrument='STE3'", "")),
        ([1, 2], ("[1, 2]", "")),
    ],
)  # fmt: skip
def test_several_references_are_named_by_their_data_ids(element: object, words: tuple[str, str]) -> None:
    assert describe(tuple(travelled(encode_element(element)))) == words  # type: ignore[arg-type]


def test_the_digest_tells_task_args_and_config_apart() -> None:
    args = encode_element((REF, {"threshold": 3.0}))
    other = encode_element((REF, {"threshold": 3.5}))
    digests = {
        digest_of("a", args, "c"),
        digest_of("b", args, "c"),
        digest_of("a", args, "d"),
        digest_of("a", other, "c"),
    }
    assert len(digests) == 4
    assert digest_of("a", args, "c") == digest_of("a", tuple(travelled(args)), "c")  # type: ignore[arg-type]


envelopes = st.builds(
    Envelope,
    job=st.uuids(),
    target=st.uuids(),
    send_no=st.integers(1, 10**6),
    digest=texts,
    config=texts,
    sent_at=st.floats(0, 4e9),
    traceparent=st.none() | texts,
)


@given(envelopes)
def test_the_header_survives_the_wire(envelope: Envelope) -> None:
    assert Envelope.from_json(travelled(envelope.to_json())) == envelope


@pytest.mark.parametrize("document", [None, [], {}, {"v": 1}, {"v": 1, "job": "x"}, {"v": 2, "job": str(uuid.uuid4())}])
def test_a_header_that_is_not_ours_is_refused(document: object) -> None:
    with pytest.raises(MessageError):
        Envelope.from_json(document)
