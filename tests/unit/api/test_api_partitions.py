"""Partitions of a run's streams over HTTP: columns, arrays, documents, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.catalog.api_site import Site, served_images, uid_of  # noqa: F401 - a fixture
from tests.support.catalog.runs import SCALAR, NpyHandler, Recording, data_key, fields_run, image_key


def test_a_partition_has_columns_and_arrays(images: Site) -> None:
    (run,) = images.runs
    (part,) = images.packed(f"/runs/{uid_of(run)}/streams/primary/partitions/1", partition_size=4)
    assert part["descriptor"] == run.descriptors()[0]["uid"]
    assert part["skip"] == 4
    assert part["seq_num"].tolist() == [5, 6, 7, 8]
    assert part["uid"] == [event["uid"] for event in run.of("event")][4:8]
    assert part["data"]["fwhm"].tolist() == [5.5, 6.5, 7.5, 8.5]
    assert (part["data"]["image"].dtype, part["data"]["image"].shape) == ("uint16", (4, 4, 5))
    np.testing.assert_array_equal(part["data"]["image"], np.arange(200).reshape(10, 4, 5)[4:8])
    assert sorted(NpyHandler.loads) == [4, 5, 6, 7]
    assert part["filled"]["image"] == [datum["datum_id"] for datum in run.of("datum")][4:8]


def test_the_last_partition_is_shorter_and_none_follows(images: Site) -> None:
    path = f"/runs/{uid_of(images.runs[0])}/streams/primary/partitions"
    (last,) = images.packed(f"{path}/2", partition_size=4)
    assert last["seq_num"].tolist() == [9, 10]
    assert images.packed(f"{path}/3", partition_size=4) == []
    assert images.packed(f"{path}/1") == []
    assert images.packed(f"{path}/999999999999") == []


def test_only_the_fields_that_are_wanted_are_read(images: Site) -> None:
    path = f"/runs/{uid_of(images.runs[0])}/streams/primary/partitions/0"
    assert list(images.packed(path, include=["fwhm"])[0]["data"]) == ["fwhm"]
    assert list(images.packed(path, exclude=["image"])[0]["data"]) == ["fwhm"]
    assert list(images.packed(path, include="")[0]["data"]) == []
    assert list(images.packed(path, include=["nothing"])[0]["data"]) == []
    assert NpyHandler.loads == []
    (unfilled,) = images.packed(path, fill="no")
    assert unfilled["data"]["image"] == [datum["datum_id"] for datum in images.runs[0].of("datum")]
    assert unfilled["filled"]["image"] == [False] * 10
    (stamps,) = images.packed(path, sub_dict="timestamps", include=["image"])
    assert stamps["timestamps"]["image"].tolist() == [
        event["timestamps"]["image"] for event in images.runs[0].of("event")
    ]
    assert NpyHandler.loads == []


def test_partitions_cover_all_descriptors_of_a_stream_or_one() -> None:
    recording = Recording()
    first = recording.stream("primary", {"x": SCALAR})
    for row in range(3):
        recording.event(first, {"x": float(row)})
    second = recording.stream("primary", {"x": SCALAR, "y": SCALAR})
    for row in range(3, 7):
        recording.event(second, {"x": float(row), "y": 1.0})
    run = recording.stop()
    site, path = Site(run), f"/runs/{uid_of(run)}/streams/primary/partitions"
    pages = [site.packed(f"{path}/{index}", partition_size=2) for index in range(5)]
    found = [[(part["descriptor"], part["data"]["x"].tolist()) for part in parts] for parts in pages]
    assert found == [
        [(first, [0.0, 1.0])],
        [(first, [2.0]), (second, [3.0])],
        [(second, [4.0, 5.0])],
        [(second, [6.0])],
        [],
    ]
    (part,) = site.packed(f"{path}/1", partition_size=2, descriptor=second, skip=1)
    assert part["data"]["x"].tolist() == [6.0]
    assert site.packed(f"{path}/1", partition_size=7, descriptor=second) == []
    assert site.error(f"{path}/0", 404, descriptor="unknown")["type"] == "UnknownNameError"


def test_images_of_different_shapes_come_one_by_one(tmp_path: Path) -> None:
    recording = Recording()
    descriptor = recording.stream("primary", {"image": image_key([None, 5])})
    for rows in (2, 3):
        np.save(tmp_path / f"{rows}.npy", np.ones((1, rows, 5)))
        datum = recording.datum(recording.resource(tmp_path / f"{rows}.npy"), i=0)
        recording.event(descriptor, {"image": datum}, {"image": False})
    recording.event(descriptor, {"image": None}, {"image": False})
    run = recording.stop()
    (part,) = Site(run).packed(f"/runs/{uid_of(run)}/streams/primary/partitions/0")
    assert [None if one is None else one.shape for one in part["data"]["image"]] == [(2, 5), (3, 5), None]


@pytest.mark.parametrize(
    ("index", "params", "status", "text"),
    [
        ("-1", {}, 404, "Partitions are numbered from 0"),
        ("first", {}, 400, "'first' is not a partition number"),
        ("0", {"partition_size": 0}, 400, "an integer from 1 on"),
        ("0", {"partition_size": 10_001}, 400, "partition_size=10000 or less"),
        ("0", {"include": "x", "exclude": "y"}, 400, "Give include or exclude, not both"),
        ("0", {"sub_dict": "configuration"}, 400, "data or timestamps"),
        ("0", {"fields": "x"}, 400, "No parameter is called 'fields' here"),
    ],
)
def test_a_partition_that_there_cannot_be_is_refused(
    images: Site, index: str, params: dict[str, Any], status: int, text: str
) -> None:
    said = images.error(f"/runs/{uid_of(images.runs[0])}/streams/primary/partitions/{index}", status, **params)
    assert text in said["text"]


def test_a_too_large_answer_is_refused_with_a_good_size() -> None:
    run = fields_run(1, {"x": (data_key("array", [1000, 1000]), lambda row: [[0.0]])})
    path, site = f"/runs/{uid_of(run)}/streams/primary/partitions/0", Site(run)
    said = site.error(path, 400, partition_size=100)
    assert "Use partition_size=8 or less" in said["text"]
    assert site.packed(path, partition_size=100, include="") != []


def test_a_stream_may_be_called_anything() -> None:
    recording = Recording()
    recording.event(recording.stream("a b/ü?", {"x": SCALAR}), {"x": 1.0})
    run = recording.stop()
    (part,) = Site(run).packed(f"/runs/{uid_of(run)}/streams/a b%2Fü%3F/partitions/0")
    assert part["data"]["x"].tolist() == [1.0]


def test_the_documents_of_a_partition_come_alone(images: Site) -> None:
    path = f"/runs/{uid_of(images.runs[0])}/streams/primary/partitions"
    pairs = [json.loads(line) for line in images.get(f"{path}/1/documents", partition_size=4).text.splitlines()]
    assert [name for name, _ in pairs] == ["resource", "datum_page", "event_page"]
    assert images.get(f"{path}/3/documents", partition_size=4).content == b""
    assert images.error(f"{path}/0/documents", 400, partition_size=99_999)["type"] == "PartitionSizeError"
