"""A run replays into any consumer of Bluesky documents: valid, in order, nothing before what it points to."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import dask.array
import event_model
import numpy as np
import pytest

from tests.support.catalog.runs import SCALAR, Memory, NpyHandler, Recording, fields_run, image_key, image_run
from underbutler.catalog import BlueskyRun, FillerFactory
from underbutler.catalog.callables import CallableSource


def names_of(run: BlueskyRun, **how: Any) -> list[str]:
    return [name for name, _ in run.documents(**how)]


def pages_of(run: BlueskyRun, **how: Any) -> list[Any]:
    return [doc for name, doc in run.documents(**how) if name == "event_page"]


def test_documents_come_in_an_order_that_can_be_understood(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    expected = ["start", "descriptor", "resource", "datum_page", "event_page", "stop"]
    assert names_of(memory.run({}), fill="no") == expected
    short = BlueskyRun.of(memory.source(get_datums=memory.datums))
    assert names_of(short, fill="no") == expected
    memory.page_size = 1
    assert names_of(memory.run({}), fill="no") == [*expected[:4], *["event_page"] * 3, "stop"]
    assert names_of(short, fill="no") == [*expected[:3], *["datum_page", "event_page"] * 3, "stop"]


@pytest.mark.parametrize("strict_order", [True, False])
def test_documents_validate_against_the_schemas_and_are_json(tmp_path: Path, strict_order: bool) -> None:
    run = image_run(tmp_path).run({})
    for name, doc in run.documents(fill="no", strict_order=strict_order):
        event_model.schema_validators[event_model.DocumentNames[name]].validate(json.loads(json.dumps(doc)))


def test_a_replay_gives_a_filler_that_fills_in_place(tmp_path: Path) -> None:
    run = image_run(tmp_path).run({})
    filler = event_model.Filler({"NPY": NpyHandler}, inplace=True)
    for name, doc in run.documents(fill="no"):
        filled = filler(name, doc)[1]
        if name == "event_page":
            assert filled["data"]["image"][2][3, 4] == 59
    assert pages_of(run, fill="no")[0]["filled"] == {"image": [False] * 3}


def test_a_replay_passes_through_a_run_router(tmp_path: Path) -> None:
    seen: list[str] = []

    def factory(name: str, doc: Any) -> Any:
        return [lambda name, doc: seen.append(name)], []

    router = event_model.RunRouter([factory])
    for name, doc in image_run(tmp_path).run({}).documents(fill="no"):
        router(name, doc)
    assert seen == ["start", "descriptor", "resource", "datum_page", "event_page", "stop"]


def test_filled_pages_hold_arrays_and_keep_the_datum_ids(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    run = memory.run({"NPY": NpyHandler})
    [page] = pages_of(run, fill="yes")
    assert page["filled"]["image"] == [doc["datum_id"] for doc in memory.of("datum")]
    np.testing.assert_array_equal(page["data"]["image"][1], np.arange(20, 40).reshape(4, 5))
    assert page["data"]["fwhm"] == [1.5, 2.5, 3.5]


def test_large_filled_pages_are_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underbutler.catalog.replay.FILLED_BYTES", 2 * 4 * 5 * 8)
    run = image_run(tmp_path).run({"NPY": NpyHandler})
    assert [len(page["uid"]) for page in pages_of(run, fill="yes")] == [2, 1]
    assert [len(page["uid"]) for page in pages_of(run, fill="no")] == [3]


def test_delayed_pages_hold_dask_arrays_that_load_when_computed(tmp_path: Path) -> None:
    run = image_run(tmp_path).run({"NPY": NpyHandler})
    NpyHandler.loads.clear()
    [page] = pages_of(run, fill="delayed")
    assert NpyHandler.loads == []
    assert all(isinstance(image, dask.array.Array) for image in page["data"]["image"])
    assert int(page["data"]["image"][2].compute()[3, 4]) == 59
    assert NpyHandler.loads == [2]


def test_a_handler_that_delays_by_itself_is_left_alone(tmp_path: Path) -> None:
    class Lazy:
        return_type = {"delayed": True}

        def __init__(self, path: str) -> None:
            self.array = dask.array.from_array(np.load(path), chunks=(1, 2, 5))

        def __call__(self, i: int) -> Any:
            return self.array[i]

    run = image_run(tmp_path).run({"NPY": Lazy})
    [page] = pages_of(run, fill="delayed")
    assert page["data"]["image"][0].chunks == ((2, 2), (5,))
    assert isinstance(pages_of(run, fill="yes")[0]["data"]["image"][0], np.ndarray)
    assert run.primary.read()["image"].values[2, 3, 4] == 59


class LazyHandler(NpyHandler):
    """Has a method of its own for what is not read yet."""

    def delayed(self, i: int) -> Any:
        return dask.array.from_array(np.load(self.path, mmap_mode="r")[i], name=f"lazy-{i}")


def test_a_handler_that_delays_in_its_own_way_is_asked(tmp_path: Path) -> None:
    memory = image_run(tmp_path, key=image_key((4, None), dtype_numpy="<f4"))
    for handler in (LazyHandler, functools.partial(LazyHandler, bound=1)):
        LazyHandler.loads = []
        [page] = pages_of(memory.run({"NPY": handler}), fill="delayed")
        assert [array.dtype for array in page["data"]["image"]] == [np.dtype("float32")] * 3
        np.testing.assert_array_equal(page["data"]["image"][1][:, 2].compute(), [22, 27, 32, 37])
        assert LazyHandler.loads == []  # it was not asked for a whole image, whatever the descriptor leaves open
    with pytest.raises(ValueError, match=r"Field 'image'.*shape"):
        pages_of(image_run(tmp_path, key=image_key((9, 9))).run({"NPY": LazyHandler}), fill="delayed")
    (tmp_path / "images.npy").unlink()
    with pytest.raises(event_model.DataNotAccessible, match=r"event 1 of stream 'primary'.*is gone"):
        pages_of(memory.run({"NPY": LazyHandler}), fill="delayed")


@pytest.mark.parametrize("fill", ["maybe", None, True, "YES"])
def test_a_choice_that_there_is_not_is_refused_at_the_call(fill: Any) -> None:
    run = fields_run(1, {"n": (SCALAR, float)}).run()
    with pytest.raises(ValueError, match="'yes', 'no', 'delayed'"):
        run.documents(fill=fill)
    with pytest.raises(TypeError, match="fill"):
        run.documents()


def two_streams() -> Memory:
    recording = Recording()
    primary, problems = recording.stream("primary", {"n": SCALAR}), recording.stream("problems", {"n": SCALAR})
    for number, descriptor in enumerate([primary, primary, problems, primary, problems, problems]):
        recording.event(descriptor, {"n": number})
    return recording.stop()


def test_events_of_all_streams_come_by_time_or_by_stream() -> None:
    run = two_streams().run()
    pages = pages_of(run, fill="no")
    assert [page["data"]["n"] for page in pages] == [[0, 1], [2], [3], [4, 5]]
    assert [page["data"]["n"] for page in pages_of(run, fill="no", strict_order=False)] == [[0, 1, 3], [2, 4, 5]]


def test_each_document_comes_once_and_doubled_events_warn(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    memory.pairs += [pair for pair in memory.pairs if pair[0] != "start"]
    for page_size in (1, 2, 100):
        memory.page_size = page_size
        with pytest.warns(UserWarning, match="3 events are there twice"):
            pairs = list(memory.run({}).documents(fill="no"))
        assert [name for name, _ in pairs if name in {"start", "descriptor", "resource", "stop"}] == [
            "start",
            "descriptor",
            "resource",
            "stop",
        ]
        assert [uid for name, doc in pairs if name == "event_page" for uid in doc["seq_num"]] == [1, 2, 3]
        datums = [datum_id for name, doc in pairs if name == "datum_page" for datum_id in doc["datum_id"]]
        assert len(datums) == len(set(datums)) == 3


def test_a_page_whose_events_are_out_of_order_is_put_in_order() -> None:
    memory = fields_run(3, {"n": (SCALAR, float)})
    memory.pairs[2:5] = [memory.pairs[4], memory.pairs[2], memory.pairs[3]]
    [page] = pages_of(memory.run(), fill="no")
    assert page["seq_num"] == [1, 2, 3]
    assert page["data"]["n"] == [0.0, 1.0, 2.0]


def test_datums_that_no_event_points_to_are_not_lost(tmp_path: Path) -> None:
    recording = Recording()
    descriptor = recording.stream("primary", {"image": image_key()})
    used, unused = recording.resource(tmp_path / "a.npy"), recording.resource(tmp_path / "b.npy")
    recording.event(descriptor, {"image": recording.datum(used, i=0)}, {"image": False})
    recording.datum(unused, i=0)
    memory = recording.stop()
    for run in (memory.run({}), BlueskyRun.of(memory.source(get_datums=memory.datums))):
        pages = [doc for name, doc in run.documents(fill="no") if name == "datum_page"]
        assert {page["resource"] for page in pages} == {used, unused}


def test_a_consumers_change_of_a_page_does_not_reach_the_store(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    pages = list(memory.pages(memory.descriptors()[0]["uid"]))
    source = memory.source()
    held = BlueskyRun.of(CallableSource.of(source, get_event_pages=lambda uid: pages))
    for name, doc in held.documents(fill="no"):
        if name == "event_page":
            doc["data"].clear()
            doc["seq_num"] = []
    assert pages[0]["seq_num"] == [1, 2, 3]
    assert sorted(pages[0]["data"]) == ["fwhm", "image"]


def test_the_old_names_of_documents_warn(tmp_path: Path) -> None:
    run = image_run(tmp_path).run({"NPY": NpyHandler})
    with pytest.warns(DeprecationWarning, match=r"run\.documents"):
        old = list(run.canonical(fill="no"))
    assert [name for name, _ in old] == names_of(run, fill="no")
    with pytest.warns(DeprecationWarning, match=r"fill='yes'"):
        filled = dict(run.read_canonical())
    assert filled["event_page"]["data"]["image"][0].shape == (4, 5)


def test_partitions_make_the_stream_and_each_stands_alone(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    primary = memory.run({"NPY": NpyHandler}).primary
    assert primary.npartitions == 1
    parts = [primary.read_partition(index, partition_size=2) for index in range(2)]
    assert [name for name, _ in parts[0]] == ["start", "descriptor", "resource", "datum_page", "event_page"]
    assert [name for name, _ in parts[1]] == ["resource", "datum_page", "event_page"]
    assert [image[0, 0] for part in parts for image in part[-1][1]["data"]["image"]] == [0, 20, 40]
    asked = primary.read_partition({"index": 1, "fill": "no", "partition_size": 2})
    assert asked[-1][1]["data"]["image"] == [memory.of("datum")[2]["datum_id"]]


def test_partitions_span_descriptors_and_grow_with_an_open_run() -> None:
    memory = two_streams()
    second = {**memory.descriptors()[0], "uid": "second"}
    memory.pairs.insert(2, ("descriptor", second))
    primary = memory.run().primary
    events = memory.of("event")
    memory.pairs.append(("event", {**events[0], "uid": "x", "descriptor": "second"}))
    assert [doc["data"]["n"] for name, doc in primary.read_partition(0) if name == "event_page"] == [[0, 1, 3], [0]]
    assert primary.read_partition({"index": 4, "partition_size": 1}) == []
    memory.pairs.append(("event", {**events[0], "uid": "y", "descriptor": "second"}))
    assert len(primary.read_partition({"index": 4, "partition_size": 1})) == 1


@pytest.mark.parametrize("index", [2, -1, 99])
def test_a_partition_past_the_end_is_an_index_error(index: int, tmp_path: Path) -> None:
    primary = image_run(tmp_path).run({}).primary
    with pytest.raises(IndexError, match=f"no partition of number {index}: it has 2, 0 to 1"):
        primary.read_partition(index, fill="no", partition_size=2)


@pytest.mark.parametrize("partition", ["0", None, 1.5, {"fill": "no"}, {"index": "first"}])
def test_what_is_no_number_of_a_partition_is_an_index_error_too(partition: Any, tmp_path: Path) -> None:
    with pytest.raises(IndexError, match=r"names no partition.*counted from 0"):
        image_run(tmp_path).run({}).primary.read_partition(partition)


@pytest.mark.parametrize("size", [0, -1, 1.5, "big", None])
def test_a_partition_of_no_size_is_refused(size: Any, tmp_path: Path) -> None:
    primary = image_run(tmp_path).run({}).primary
    with pytest.raises(ValueError, match="partition_size"):
        primary.read_partition(0, partition_size=size)
    with pytest.raises(ValueError, match="fill='maybe'"):
        primary.read_partition(0, fill="maybe")


def test_the_default_fillers_do_not_wait_for_files(tmp_path: Path) -> None:
    assert FillerFactory({})().retry_intervals == []
