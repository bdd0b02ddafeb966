"""A run on a server is as the run is: with a real server process, over real connections."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from tests.support.catalog.remote_runs import MANY, Served, plain
from tests.support.catalog.runs import SCALAR, NpyHandler, Recording, data_key, fields_run, image_key, image_run
from underbutler.catalog import (
    Start,
)
from underbutler.catalog.arrays.filling import FillChoiceError
from underbutler.catalog.arrays.partitions import PartitionIndexError, PartitionSizeError
from underbutler.catalog.stream import SelectionError


def test_a_stream_reads_as_it_does_where_it_is(served: Served) -> None:
    here, there = served.both(fields_run(100, MANY))
    xarray.testing.assert_identical(there.primary.read(), here.primary.read())
    xarray.testing.assert_identical(there["primary"].to_dask().compute(), here.primary.read())
    assert {key: array.dtype for key, array in there.primary.read().items()} == {
        key: array.dtype for key, array in here.primary.read().items()
    }


def test_arrays_of_different_lengths_stay_apart(served: Served) -> None:
    here, there = served.both(fields_run(5, {"x": (data_key("array", [None]), lambda row: [1.0] * row)}))
    read, expected = there.primary.read()["x"].values, here.primary.read()["x"].values
    assert [one.tolist() for one in read] == [one.tolist() for one in expected]


def test_more_events_than_one_partition_holds_are_all_read(served: Served, asked: list[dict[str, Any]]) -> None:
    here, there = served.both(fields_run(25_000, {"x": (SCALAR, float), "word": (data_key("string"), str)}))
    read = there.primary.read()
    assert [call["index"] for call in asked] == [0, 1, 2]
    xarray.testing.assert_identical(read, here.primary.read())


def test_images_come_filled_by_the_server(served: Served, tmp_path: Path) -> None:
    key = image_key(dtype_numpy="<u2", dims=["y", "x"], units="adu")
    here, there = served.both(image_run(tmp_path, rows=10, key=key))
    NpyHandler.loads.clear()
    read = there.primary.read()
    assert NpyHandler.loads == []  # not in this process
    assert read["image"].dims == ("time", "y", "x")
    np.testing.assert_array_equal(read["image"], np.arange(200).reshape(10, 4, 5))
    xarray.testing.assert_identical(read, here.primary.read())
    xarray.testing.assert_identical(there.primary.to_dask().compute(), here.primary.to_dask().compute())


def test_only_the_large_image_that_is_asked_for_is_fetched(
    served: Served, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    np.save(tmp_path / "large.npy", np.arange(8 * 600 * 500, dtype="f4").reshape(8, 600, 500))
    recording = Recording()
    descriptor = recording.stream("primary", {"image": image_key([600, 500], dtype_numpy="<f4")})
    resource = recording.resource(tmp_path / "large.npy")
    for row in range(8):
        recording.event(descriptor, {"image": recording.datum(resource, i=row)}, {"image": False})
    there = served.there(served.take(recording.stop()))
    lazy = there.primary.to_dask()["image"]
    assert all(call["fill"] is False for call in asked)
    asked.clear()
    np.testing.assert_array_equal(lazy[3].compute(), np.load(tmp_path / "large.npy")[3])
    assert [(call["skip"], call["partition_size"], call["include"]) for call in asked] == [(3, 1, ["image"])]


def test_small_external_values_are_fetched_together(
    served: Served, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    here, there = served.both(image_run(tmp_path, rows=200, key=image_key(dtype_numpy="<u2")))
    read = there.primary.read()
    assert [call["skip"] for call in asked if call["fill"]] == [0]
    xarray.testing.assert_identical(read, here.primary.read())


def test_large_arrays_in_events_are_read_when_they_are_computed(served: Served, asked: list[dict[str, Any]]) -> None:
    make = np.arange(300 * 600, dtype=float).reshape(300, 600)
    here, there = served.both(fields_run(300, {"x": (SCALAR, float), "row": (data_key("array", [600]), lambda row: make[row].tolist())}))  # fmt: skip  # noqa: E501
    lazy = there.primary.to_dask()
    assert {name for call in asked for name in call["include"] if call["partition_size"] > 1} == {"x"}
    np.testing.assert_array_equal(lazy["row"][7].compute(), make[7])
    xarray.testing.assert_identical(lazy.compute(), here.primary.read())


@pytest.mark.parametrize("strict_order", [True, False])
@pytest.mark.parametrize("fill", ["yes", "no"])
def test_documents_are_the_same_and_in_the_same_order(
    served: Served, tmp_path: Path, fill: str, strict_order: bool
) -> None:
    memory = image_run(tmp_path, rows=5)
    recording = Recording(plan="two streams")
    for name in ("primary", "baseline", "primary"):
        descriptor = recording.stream(name, {"x": SCALAR})
        recording.event(descriptor, {"x": 1.0})
    for run in (memory, recording.stop()):
        here, there = served.both(run)
        told = list(there.documents(fill=fill, strict_order=strict_order))
        assert plain(told) == plain(here.documents(fill=fill, strict_order=strict_order))
        assert isinstance(told[0][1], Start)


def test_documents_of_a_partition_are_the_same(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path, rows=10))
    assert there.primary.npartitions == here.primary.npartitions == 1
    for index, fill in itertools.product(range(3), ("yes", "no")):
        ours = there.primary.read_partition(index, fill=fill, partition_size=4)
        assert plain(ours) == plain(here.primary.read_partition(index, fill=fill, partition_size=4))
    assert there.primary.read_partition({"index": 3, "fill": "no", "partition_size": 4}) == []
    assert there.primary.read_partition({"index": -1}) == []
    with pytest.raises(PartitionIndexError, match="no partition of number 3"):
        there.primary.read_partition(3, partition_size=4)
    with pytest.raises(PartitionIndexError):
        there.primary.read_partition(-1)
    with pytest.raises(PartitionSizeError, match="10000 or less"):
        there.primary.read_partition(0, partition_size=20_000)


def test_what_is_selected_of_a_stream_is_all_that_is_asked_for(
    served: Served, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    here, there = served.both(image_run(tmp_path))
    for choice in ({"include": ["fwhm"]}, {"exclude": ["image"]}, {"include": ["nothing"]}):
        asked.clear()
        xarray.testing.assert_identical(there.primary.configure_new(**choice).read(), here.primary(**choice).read())
        assert not any("image" in call["include"] for call in asked)
    xarray.testing.assert_identical(there.primary.timestamps.read(), here.primary.timestamps.read())
    chosen = there.primary(include=["fwhm"])(exclude=["fwhm"])
    assert list(chosen.read()) == ["image"]
    with pytest.raises(SelectionError):
        there.primary(include=["a"], exclude=["b"])


def test_configuration_is_read_over_http(served: Served) -> None:
    recording = Recording()
    camera = {"data": {"gain": 1.5}, "timestamps": {"gain": 3.0}, "data_keys": {"gain": SCALAR}}
    descriptor = recording.stream(
        "primary", {"x": SCALAR}, configuration={"camera": camera}, object_keys={"camera": ["x"]}
    )
    for row in range(3):
        recording.event(descriptor, {"x": float(row)})
    here, there = served.both(recording.stop())
    assert list(there.primary.config) == ["camera"]
    xarray.testing.assert_identical(there.primary.config.camera.read(), here.primary.config["camera"].read())
    xarray.testing.assert_identical(
        there.primary.config_timestamps["camera"].read(), here.primary.config_timestamps["camera"].read()
    )


def test_several_descriptors_of_one_stream_are_one_array(served: Served, tmp_path: Path) -> None:
    recording = Recording()
    np.save(tmp_path / "a.npy", np.arange(12).reshape(6, 2))
    for keys in ({"x": SCALAR, "line": image_key([2])}, {"x": SCALAR, "line": image_key([2]), "more": SCALAR}):
        descriptor, resource = recording.stream("primary", keys), recording.resource(tmp_path / "a.npy")
        for row in range(3):
            line = recording.datum(resource, i=row)
            recording.event(descriptor, {"x": 1.0, "line": line} | dict.fromkeys(keys.keys() & {"more"}, 2.0), {"line": False})  # fmt: skip  # noqa: E501
    here, there = served.both(recording.stop())
    xarray.testing.assert_identical(there.primary.read(), here.primary.read())
    xarray.testing.assert_identical(there.primary.to_dask().compute(), here.primary.read())


def test_an_open_run_is_read_again_with_what_came_since(served: Served, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(20).reshape(4, 5))
    recording = Recording()
    write, sent = served.store.writer(), 0

    def send() -> None:
        nonlocal sent
        for name, document in recording.memory.pairs[sent:]:
            write(name, document)
        sent = len(recording.memory.pairs)

    send()
    there = served.there(recording.memory.start()["uid"])
    assert list(there) == []
    assert there.stop is None
    with pytest.raises(AttributeError, match="primary"):
        _ = there.primary
    descriptor = recording.stream("primary", {"x": SCALAR, "line": image_key([5])})
    send()
    stream = there.primary
    assert stream.read()["x"].shape == (0,)
    for row in range(4):
        datum = recording.datum(recording.resource(tmp_path / "a.npy"), i=row)
        recording.event(descriptor, {"x": float(row), "line": datum}, {"line": False})
        send()
        assert stream.read()["x"].values.tolist() == [float(n) for n in range(row + 1)]
        np.testing.assert_array_equal(stream.to_dask()["line"][row].compute(), np.arange(20).reshape(4, 5)[row])
        assert stream.event_count() == row + 1
    assert [name for name, _ in there.documents(fill="no")][-1] == "event_page"
    recording.stop()
    send()
    assert there.metadata["stop"]["exit_status"] == "success"
    assert [name for name, _ in there.documents(fill="no")][-1] == "stop"
    assert stream.metadata["stop"] == there.stop


def test_what_a_run_says_of_itself(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path))
    assert there.metadata == here.metadata
    assert (there.uid, there.name) == (here.uid, here.uid)
    assert (there.start, there.stop, there.descriptors) == (here.start, here.stop, here.descriptors)
    assert list(there) == ["primary"]
    assert "primary" in dir(there)
    assert repr(there) == f"<RemoteBlueskyRun '{served.url}/{here.uid}'>"
    assert "3 events" in there.primary._repr_html_()
    assert (there.has_been_persisted, there.is_persisted) == (False, False)
    extra = served.there(here.uid, metadata={"night": 7}, anything="ignored")
    assert extra.metadata["night"] == 7


def test_files_of_another_machine_have_no_list(served: Served, tmp_path: Path) -> None:
    here, there = served.both(image_run(tmp_path))
    assert hasattr(here, "get_file_list")
    assert not hasattr(there, "get_file_list")
    assert "get_file_list" not in dir(there)
    with pytest.raises(AttributeError, match="on the server's side"):
        there.get_file_list({})


def test_what_cannot_be_done_is_refused(served: Served, tmp_path: Path) -> None:
    _, there = served.both(image_run(tmp_path))
    with pytest.raises(NotImplementedError, match=r"to_dask\(\)"):
        there.documents(fill="delayed")
    with pytest.raises(FillChoiceError):
        there.documents(fill="maybe")
    with pytest.raises(NotImplementedError):
        there.primary.read_partition(0, fill="delayed")
    with pytest.raises(PartitionSizeError, match="partition_size=0"):
        there.primary.read_partition(0, partition_size=0)
    with pytest.raises(PartitionIndexError, match="names no partition"):
        there.primary.read_partition({"fill": "no"})
    with pytest.raises(NotImplementedError, match=r"run\['primary'\]\.read\(\)"):
        there.read()
    with pytest.raises(NotImplementedError, match="runs export"):
        there.persist()
    with pytest.raises(KeyError, match="'nothing'"):
        there["nothing"]
