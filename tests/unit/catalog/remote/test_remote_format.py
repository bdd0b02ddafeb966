"""What travels over HTTP arrives as it was, and what cannot travel is refused in words."""

from __future__ import annotations

import json
import math
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from underbutler.catalog import Start
from underbutler.catalog.arrays.field_types import FieldError
from underbutler.catalog.remote.errors import described, raised
from underbutler.catalog.remote.wire_format import compact, json_line, pack, unpack, unpacked
from underbutler.errors import FatalError, MessageError, TransientError, UnderbutlerError, UsageError

DTYPES = st.one_of(
    hnp.integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(),
    hnp.boolean_dtypes(),
    hnp.unicode_string_dtypes(min_len=1, max_len=5),
    hnp.byte_string_dtypes(min_len=1, max_len=5),
    hnp.datetime64_dtypes(),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(
    DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
)
def test_an_array_arrives_with_its_dtype_shape_and_bytes(array: Any) -> None:
    arrived = unpack(pack({"a": array}))["a"]
    assert (arrived.dtype, arrived.shape, arrived.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert arrived.flags.writeable


@given(VALUES)
def test_a_value_of_a_document_arrives_as_it_was(value: Any) -> None:
    assert unpack(pack(value)) == value


@given(st.lists(VALUES, max_size=5), st.integers(1, 40))
def test_values_are_unpacked_however_their_bytes_are_cut(values: list[Any], size: int) -> None:
    content = b"".join(map(pack, values))
    assert list(unpacked(content[begin : begin + size] for begin in range(0, len(content), size))) == values


def test_a_value_unknown_to_json_is_null_there_only() -> None:
    value = {"a": [1.5, math.nan], "b": (np.float64(math.inf), np.int16(3)), "c": np.array([[1.0, math.nan]])}
    assert json.loads(json_line(value)) == {"a": [1.5, None], "b": [None, 3], "c": [[1.0, None]]}
    assert math.isnan(unpack(pack(value))["a"][1])


def test_a_document_travels_as_the_mapping_that_it_is() -> None:
    start = Start(uid="u", time=1.0)
    assert unpack(pack(("start", start))) == ["start", {"uid": "u", "time": 1.0}]
    assert json.loads(json_line(("start", start))) == ["start", {"uid": "u", "time": 1.0}]


def test_structured_arrays_and_arrays_of_arrays_arrive() -> None:
    stars = np.array([(1, 2.5, [1, 2])], [("id", "<i4"), ("flux", ">f8"), ("xy", "<i2", (2,))])
    arrived = unpack(pack(stars))
    assert arrived.dtype == stars.dtype
    assert arrived.tobytes() == stars.tobytes()
    ragged = np.empty(2, object)
    ragged[:] = [np.arange(2), np.arange(3)]
    assert [one.tolist() for one in unpack(pack(ragged))] == [[0, 1], [0, 1, 2]]


def test_arrays_are_written_as_msgpack_numpy_writes_them() -> None:
    assert msgpack.unpackb(pack(np.array([[1, 2]], "<i2"))) == {
        b"nd": True,
        b"type": "<i2",
        b"kind": b"",
        b"shape": [1, 2],
        b"data": b"\x01\x00\x02\x00",
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xc1",
        b"\x92\x01",
        pack({b"nd": True, b"type": "|O", b"kind": b"O", b"shape": [1], b"data": b"\0" * 8}),
        pack({b"nd": True, b"type": "<f8", b"kind": b"", b"shape": [9], b"data": b"\0" * 8}),
        pack({b"nd": True, b"type": "nonsense", b"kind": b"", b"shape": [1], b"data": b"\0" * 8}),
        pack({b"nd": True}),
    ],
)
def test_bytes_of_another_kind_are_refused_and_never_unpickled(content: bytes) -> None:
    with pytest.raises(MessageError, match="no MessagePack of runs"):
        unpack(content)


def test_values_that_end_in_the_middle_are_refused() -> None:
    with pytest.raises(MessageError, match="ends in the middle"):
        list(unpacked([pack([1, 2]), pack([3, 4])[:-1]]))
    with pytest.raises(MessageError, match="no MessagePack of runs"):
        list(unpacked([pack(1), b"\xc1"]))


@pytest.mark.parametrize("write", [pack, json_line])
def test_what_is_no_value_of_a_document_is_refused(write: Any) -> None:
    with pytest.raises(UsageError, match="A object cannot be sent in a document"):
        write({"a": object()})
    with pytest.raises(UsageError, match="bytes are sent only as application/msgpack"):
        json_line({"a": b"x"})


@pytest.mark.parametrize(
    ("column", "dtype"),
    [([1, 2], "int64"), ([1.0, math.nan], "float64"), ([True, False], "bool"), ([[1.5, 2.5], [3.5, 4.5]], "float64")],
)
def test_columns_of_one_kind_of_number_become_arrays(column: list[Any], dtype: str) -> None:
    array = compact(column)
    assert isinstance(array, np.ndarray)
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, column)


@pytest.mark.parametrize(
    "column", [[], [1, 2.0], [1, None], [True, 1], ["a", "b"], [[1], [1, 2]], [2**70, 1], [2**63, 1], [[], []]]
)
def test_columns_that_an_array_would_change_stay_lists(column: list[Any]) -> None:
    assert compact(column) == column
    assert isinstance(compact(column), list)


def test_arrays_of_one_shape_join_and_others_stay_apart() -> None:
    assert compact([np.ones((2, 3), "f4"), np.zeros((2, 3), "f4")]).shape == (2, 2, 3)
    assert [one.shape for one in compact([np.ones(2), np.ones(3)])] == [(2,), (3,)]
    assert [one.dtype for one in compact([np.ones(2, "f4"), np.ones(2, "f8")])] == ["float32", "float64"]
    assert compact(np.array([None, 1], object)) == [None, 1]


class SeenNowhereElseError(TransientError):
    """An error that a client may not have."""


def test_an_error_arrives_as_the_class_that_it_was() -> None:
    error = FieldError("Field 'a' is odd. Read without it.", field="a", odd=object())
    said = described(error)
    assert said == {
        "kind": "usage",
        "type": "FieldError",
        "text": "Field 'a' is odd. Read without it.",
        "cure": "Correct the request and send it again.",
        "fields": {"field": "a"},
    }
    arrived = raised(json.loads(json_line(said)), "http://host/runs")
    assert isinstance(arrived, FieldError)
    assert isinstance(arrived, ValueError)
    assert str(arrived) == "Field 'a' is odd. Read without it. (reported by http://host/runs)"
    assert arrived.fields == {"field": "a"}


@pytest.mark.parametrize(
    ("error", "kind", "cls"),
    [
        (SeenNowhereElseError("away"), "transient", TransientError),
        (FatalError("broken"), "fatal", FatalError),
        (UnderbutlerError("?"), "fatal", FatalError),
    ],
)
def test_an_errors_fate_arrives_even_if_its_class_is_unknown(
    error: UnderbutlerError, kind: str, cls: type[Exception]
) -> None:
    said = described(error)
    assert said["kind"] == kind
    assert isinstance(raised({**said, "type": "NeverHeardOf"}, "http://host"), cls)


def test_secrets_of_an_error_do_not_travel() -> None:
    said = described(UsageError("sqlite://ann:secret99@host/x is odd", url="s3://ann:secret99@host"))
    assert "secret99" not in json.dumps(said)


def test_what_is_no_error_at_all_is_fatal() -> None:
    assert isinstance(raised("nonsense", "http://host"), FatalError)
    assert isinstance(raised({"fields": 3}, "http://host"), FatalError)
