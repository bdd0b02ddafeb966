"""Decoding of lists of references: equal things become one object, and only within one message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lsst.daf.butler import DataCoordinate, DatasetRef, DatasetType, DimensionUniverse
from lsst.daf.butler.persistence_context import PersistenceContextVars

from underbutler.butlers.decoding import coordinate, decode, decode_refs, encode_refs
from underbutler.errors import MessageError

UNIVERSE = DimensionUniverse()
TYPES = [
    DatasetType(name, ("instrument", "detector", "exposure"), "StructuredDataDict", universe=UNIVERSE)
    for name in ("raw", "calexp", "src", "preview")
]


def references(exposures: int = 5) -> list[DatasetRef]:
    return [
        DatasetRef(
            kind,
            DataCoordinate.standardize(instrument="CAM", detector=0, exposure=exposure, universe=UNIVERSE),
            run="r",
        )
        for exposure in range(exposures)
        for kind in TYPES
    ]


def test_references_come_back_equal_through_json() -> None:
    before = references()
    after = decode_refs(json.loads(json.dumps(encode_refs(before))), UNIVERSE)
    assert after == before
    assert [ref.run for ref in after] == [ref.run for ref in before]


def test_equal_data_ids_and_types_of_one_message_are_one_object() -> None:
    decoded = decode_refs(encode_refs(references()), UNIVERSE)
    assert len({id(ref.dataId) for ref in decoded}) == 5
    assert len({id(ref.datasetType) for ref in decoded}) == 4
    alone = [DatasetRef.from_simple(ref.to_simple(), universe=UNIVERSE) for ref in references()]
    assert len({id(ref.dataId) for ref in alone}) == 20


def test_two_messages_share_nothing() -> None:
    encoded = encode_refs(references(1))
    first, second = (decode_refs(encoded, UNIVERSE) for _ in range(2))
    assert first[0].dataId is not second[0].dataId


def test_coordinates_of_one_message_are_one_object() -> None:
    def two() -> tuple[Any, Any]:
        data_id = {"instrument": "CAM", "detector": 0, "exposure": 1}
        return coordinate(UNIVERSE, data_id), coordinate(UNIVERSE, dict(reversed(data_id.items())))

    inside = decode(two)
    outside = two()
    assert inside[0] is inside[1]
    assert outside[0] == outside[1]
    assert outside[0] is not outside[1]


def test_the_context_ends_with_the_decoder_also_when_it_fails() -> None:
    def fails() -> None:
        assert PersistenceContextVars.dataCoordinates.get() == {}
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        decode(fails)
    assert PersistenceContextVars.dataCoordinates.get() is None


@pytest.mark.parametrize("broken", [{}, {"id": "x"}, {"id": 1, "run": "r"}])
def test_an_element_that_is_no_reference_is_told_by_its_place(broken: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match="Element 1"):
        decode_refs([*encode_refs(references(1))[:1], broken], UNIVERSE)


def test_a_data_id_of_another_universe_is_refused() -> None:
    (document,) = encode_refs(references(1)[:1])
    document["dataId"]["dataId"]["telescope"] = "x"
    with pytest.raises(MessageError, match="Element 0"):
        decode_refs([document], UNIVERSE)
