"""Values of a stream: external ones, missing ones, of any shape and type; and what a stream shows of itself."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from tests.support.catalog.openings import any_filler
from tests.support.catalog.runs import SCALAR, NpyHandler, data_key, fields_run, image_key, image_run
from underbutler.catalog import BlueskyRun
from underbutler.catalog.callables import CallableSource


def test_external_values_are_filled_and_keep_their_dtype(tmp_path: Path) -> None:
    dataset = image_run(tmp_path).run({"NPY": NpyHandler}).primary.read()
    assert dataset["image"].dtype == np.uint16
    np.testing.assert_array_equal(dataset["image"], np.arange(60).reshape(3, 4, 5))


def test_values_filled_before_stay_among_unfilled_ones(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    event = memory.of("event")[1]
    event["data"]["image"], event["filled"] = np.full((4, 5), 7).tolist(), {"image": event["data"]["image"]}
    del memory.of("event")[0]["filled"]["image"]
    run = memory.run({"NPY": NpyHandler})
    for page_size in (1, 10):
        memory.page_size = page_size
        if page_size == 10:
            memory.of("event")[0]["filled"]["image"] = False
        assert run.primary.read()["image"].values[:, 0, 0].tolist() == [0, 7, 40]
        assert run.primary.to_dask()["image"].compute().values[:, 0, 0].tolist() == [0, 7, 40]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("said", [image_key(), image_key(dtype_numpy="<u2")])
def test_an_image_that_an_event_lacks_is_nan_among_the_others(tmp_path: Path, lazy: bool, said: dict[str, Any]) -> None:
    memory = image_run(tmp_path, key=said)
    memory.of("event")[1]["data"]["image"] = None
    run = memory.run({"NPY": NpyHandler})
    image = (run.primary.to_dask() if lazy else run.primary.read())["image"].compute()
    assert image.dtype == np.float64
    assert np.isnan(image.values[1]).all()
    assert image.values[[0, 2], 0, 0].tolist() == [0.0, 40.0]
    [page] = [doc for name, doc in run.documents(fill="yes") if name == "event_page"]
    assert page["data"]["image"][1] is None


def test_files_of_an_open_run_are_opened_again_on_a_new_read(tmp_path: Path) -> None:
    class Opened:
        def __init__(self, path: str) -> None:
            self.array = np.load(path)

        def __call__(self, i: int) -> Any:
            return self.array[i]

    memory = image_run(tmp_path, rows=2)
    memory.pairs.pop()
    run = memory.run({"NPY": Opened})
    assert run.primary.read().sizes["time"] == 2
    np.save(tmp_path / "images.npy", np.arange(60).reshape(3, 4, 5))
    resource = memory.of("resource")[0]["uid"]
    memory.pairs.append(("datum", {"datum_id": "new", "resource": resource, "datum_kwargs": {"i": 2}}))
    event = memory.of("event")[-1]
    data = {"fwhm": 1.0, "image": "new"}
    memory.pairs.append(("event", {**event, "uid": "e3", "seq_num": 3, "data": data}))
    assert run.primary.read()["image"].values[:, 0, 0].tolist() == [0, 20, 40]
    assert len([name for name, _ in run.documents(fill="yes")]) == 5


def test_a_handler_may_be_any_function_that_returns_a_function(tmp_path: Path) -> None:
    def opened(path: str) -> Callable[..., Any]:
        return lambda i: np.load(path)[i].tolist()

    np.testing.assert_array_equal(
        image_run(tmp_path).run({"NPY": opened}).primary.read()["image"], np.arange(60).reshape(3, 4, 5)
    )


def test_missing_numbers_are_nan_and_missing_words_are_none() -> None:
    memory = fields_run(
        3,
        {
            "n": (SCALAR, lambda row: None if row == 1 else float(row)),
            "line": (data_key("array", [2]), lambda row: [row, None]),
            "gap": (data_key("array", [2]), lambda row: None if row == 1 else [row, row]),
            "word": (data_key("string"), lambda row: None if row == 1 else "w"),
        },
    )
    dataset = memory.run().primary.read()
    assert np.isnan(dataset["n"].values).tolist() == [False, True, False]
    assert np.isnan(dataset["line"].values[:, 1]).all()
    assert np.isnan(dataset["gap"].values).tolist() == [[False] * 2, [True] * 2, [False] * 2]
    assert dataset["word"].values.tolist() == ["w", None, "w"]


def test_arrays_of_no_fixed_shape_join_or_become_objects() -> None:
    memory = fields_run(
        3,
        {
            "same": (data_key("array", [None]), lambda row: [row, row]),
            "ragged": (data_key("array", [None]), lambda row: list(range(row))),
            "old": (data_key("array", [2, 2, 0]), lambda row: [[row, 1], [2, 3]]),
        },
    )
    dataset = memory.run().primary.read()
    assert dataset["same"].shape == (3, 2)
    assert dataset["ragged"].dims == ("time",)
    assert [value.tolist() for value in dataset["ragged"].values] == [[], [0], [0, 1]]
    assert dataset["old"].shape == (3, 2, 2)


def test_the_dtype_that_is_named_is_the_one_that_is_read() -> None:
    memory = fields_run(
        2,
        {
            "small": (data_key("array", [2], dtype_numpy="|u1"), lambda row: [row, 255]),
            "single": (data_key("number", dtype_numpy="<f4"), lambda row: row),
            "old": (data_key("array", [2], dtype_str="<i2"), lambda row: [row, 1]),
        },
    )
    dataset = memory.run().primary.read()
    assert dataset["small"].dtype == np.uint8
    assert dataset["single"].dtype == np.float32
    assert dataset["old"].dtype == np.int16


def test_images_with_the_shape_of_an_old_ophyd_are_read(tmp_path: Path) -> None:
    memory = image_run(tmp_path, key=image_key([5, 4, 0]))
    np.save(tmp_path / "images.npy", np.arange(120, dtype="uint16").reshape(3, 2, 4, 5))
    for dataset in (memory.run({"NPY": NpyHandler}).primary.read(), memory.run({"NPY": NpyHandler}).primary.to_dask()):
        assert dataset["image"].shape == (3, 2, 4, 5)
        assert int(dataset["image"][2, 1, 3, 4]) == 119


def test_one_long_string_does_not_make_all_of_them_long() -> None:
    memory = fields_run(2000, {"log": (data_key("string"), lambda row: "x" * 100_000 if row == 7 else "ok")})
    tracemalloc.start()
    array = memory.run().primary.read()["log"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6  # 800 MB, if all were as long as the longest
    assert array.dtype == object
    assert array.values[8] == "ok"
    assert len(array.values[7]) == 100_000


def test_the_seeds_callables_are_enough(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    memory.ranges = False
    run = BlueskyRun(
        get_run_start=memory.start,
        get_run_stop=memory.stop,
        get_event_descriptors=memory.descriptors,
        get_event_pages=memory.all_pages,
        get_event_count=memory.count,
        get_resource=memory.resource,
        get_resources=memory.resources,
        lookup_resource_for_datum=memory.lookup,
        get_datum_pages=memory.datum_pages,
        get_filler=any_filler(),
    )
    stream = run.primary
    assert stream.read()["image"].shape == (3, 4, 5)
    assert [name for name, _ in stream.read_partition(1, fill="no", partition_size=2)][-1] == "event_page"


def test_events_instead_of_pages_will_do() -> None:
    memory = fields_run(4, {"n": (SCALAR, float)})
    source = CallableSource.of(memory.source(), get_event_pages=memory.events)
    assert BlueskyRun.of(source).primary.read()["n"].values.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert [len(page["uid"]) for page in source.get_event_pages(memory.descriptors()[0]["uid"], skip=1, limit=2)] == [
        1,
        1,
    ]


def test_a_stream_pickles_and_reads_the_same(tmp_path: Path) -> None:
    stream = image_run(tmp_path).run({"NPY": NpyHandler}).primary(include=["image"])
    stream.read()
    back = pickle.loads(pickle.dumps(stream))
    xarray.testing.assert_identical(back.read(), stream.read())
    lazy = pickle.loads(pickle.dumps(stream.to_dask()))
    assert int(lazy["image"][2, 3, 4].compute()) == 59


def test_what_a_stream_shows_of_itself(tmp_path: Path) -> None:
    memory = image_run(tmp_path, key=image_key(units="adu<"))
    stream = memory.run().primary
    assert repr(stream) == f"<BlueskyEventStream 'primary' from Run {memory.start()['uid'][-8:]}...>"
    assert stream.name == "primary"
    html = stream._repr_html_()
    assert "3 events" in html
    assert "4×5" in html
    assert "adu&lt;" in html

    class Printer:
        def text(self, text: str) -> None:
            self.said = text

    printer = Printer()
    stream._repr_pretty_(printer, False)
    assert "image: array 4×5 adu< external" in printer.said
    assert (stream.has_been_persisted, stream.is_persisted) == (False, False)
    with pytest.raises(NotImplementedError, match="underbutler runs export"):
        stream.persist()
