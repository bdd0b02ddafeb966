"""What is lazy is read when it is computed, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest

from tests.support.catalog.runs import SCALAR, Memory, NpyHandler, Recording, data_key, fields_run, image_key, image_run
from underbutler.catalog import BlueskyRun
from underbutler.catalog.callables import CallableSource


@pytest.fixture(autouse=True)
def _no_loads_yet() -> None:
    NpyHandler.loads.clear()


def test_only_the_image_that_is_asked_for_is_fetched(tmp_path: Path) -> None:
    dataset = image_run(tmp_path, rows=10).run({"NPY": NpyHandler}).primary.to_dask()
    assert isinstance(dataset["image"].data, dask.array.Array)
    assert NpyHandler.loads == []
    np.testing.assert_array_equal(dataset["image"][3].compute(), np.arange(60, 80).reshape(4, 5))
    assert NpyHandler.loads == [3]
    dataset.isel(time=slice(5, 7), dim_0=1).load()
    assert sorted(NpyHandler.loads) == [3, 5, 6]


def test_not_even_the_datum_of_another_image_is_looked_up(tmp_path: Path) -> None:
    memory = image_run(tmp_path, rows=10)
    asked: list[list[str]] = []

    def datums(ids: Any) -> Any:
        asked.append(list(ids))
        return memory.datums(ids)

    run = BlueskyRun.of(memory.source(get_datums=datums), _filler())
    image = run.primary.to_dask()["image"]
    assert asked == []
    image[4].compute()
    assert asked == [[memory.of("datum")[4]["datum_id"]]]


def test_all_images_are_looked_up_together(tmp_path: Path) -> None:
    recording = Recording()
    descriptor = recording.stream("primary", {"image": image_key([5])})
    np.save(tmp_path / "a.npy", np.arange(20).reshape(4, 5))
    for row in range(4):
        datum = recording.datum(recording.resource(tmp_path / "a.npy"), i=row)
        recording.event(descriptor, {"image": datum}, {"image": False})
    memory = recording.stop()
    asked: list[int] = []

    def datums(ids: Any) -> Any:
        asked.append(len(ids))
        return memory.datums(ids)

    source = memory.source(get_datums=datums)
    run = BlueskyRun.of(CallableSource.of(source, get_resource=asked.append), _filler())
    assert run.primary.read()["image"].values[:, 0].tolist() == [0, 5, 10, 15]
    assert asked == [4]


def _filler() -> Any:
    from underbutler.catalog import FillerFactory

    return FillerFactory({"NPY": NpyHandler})


def test_lazy_and_eager_reading_give_the_same(tmp_path: Path) -> None:
    primary = image_run(tmp_path, key=image_key(dtype_numpy="<u2")).run({"NPY": NpyHandler}).primary
    lazy, eager = primary.to_dask(), primary.read()
    assert lazy["image"].dtype == eager["image"].dtype == np.uint16
    assert lazy.compute().identical(eager)


def test_an_image_without_a_dtype_is_given_as_float(tmp_path: Path) -> None:
    image = image_run(tmp_path).run({"NPY": NpyHandler}).primary.to_dask()["image"]
    assert image.dtype == image.compute().dtype == np.float64


def test_an_image_of_undeclared_shape_is_loaded_to_learn_it(tmp_path: Path) -> None:
    image = image_run(tmp_path, key=image_key([4, None])).run({"NPY": NpyHandler}).primary.to_dask()["image"]
    assert NpyHandler.loads == [0]
    assert (image.shape, image.dtype) == ((3, 4, 5), np.uint16)


def test_excluded_images_are_never_fetched(tmp_path: Path) -> None:
    primary = image_run(tmp_path).run({"NPY": NpyHandler}).primary
    assert primary(exclude=["image"]).read().sizes == {"time": 3}
    assert NpyHandler.loads == []


def large_run(**options: Any) -> Memory:
    """32 events of 64 KiB in each: 2 MiB."""
    memory = fields_run(
        32,
        {"n": (SCALAR, float), "plane": (data_key("array", [64, 128]), lambda row: np.full((64, 128), row).tolist())},
    )
    for name, value in options.items():
        setattr(memory, name, value)
    return memory


@pytest.mark.parametrize("short_way", [False, True])
def test_large_arrays_in_events_are_read_when_they_are_computed(short_way: bool) -> None:
    memory = large_run()
    run = BlueskyRun.of(memory.source(get_columns=memory.columns) if short_way else memory.source())
    dataset = run.primary.to_dask()
    assert isinstance(dataset["plane"].data, dask.array.Array)
    assert isinstance(dataset["n"].data, np.ndarray)
    if short_way:
        assert memory.asked == ["columns ['plane'] 0:1", "columns ['n'] 0:None"]
    assert float(dataset["plane"][31, 0, 0].compute()) == 31.0
    np.testing.assert_array_equal(dataset["plane"].compute()[:, 3, 3], np.arange(32))


def test_large_arrays_in_events_come_some_events_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underbutler.catalog.arrays.lazy_columns.CHUNK_BYTES", 4 * 64 * 128 * 8)
    memory = large_run()
    plane = BlueskyRun.of(memory.source(get_columns=memory.columns)).primary.to_dask()["plane"]
    assert plane.chunks == ((4,) * 8, (64,), (128,))
    memory.asked.clear()
    plane[8:12].compute()
    assert memory.asked == ["columns ['plane'] 8:4"]


def test_large_arrays_out_of_order_are_put_in_order() -> None:
    memory = large_run()
    memory.pairs[2:4] = [memory.pairs[3], memory.pairs[2]]
    dataset = memory.run().primary.to_dask()
    assert (
        dataset["plane"][:, 0, 0].compute().values.tolist() == dataset["n"].values.tolist() == [*map(float, range(32))]
    )


def test_lazy_arrays_of_two_descriptors_are_one(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(40, dtype="f8").reshape(2, 4, 5))
    recording = Recording()
    for row in range(2):
        descriptor = recording.stream("primary", {"image": image_key()})
        resource = recording.resource(tmp_path / "a.npy")
        recording.event(descriptor, {"image": recording.datum(resource, i=row)}, {"image": False}, seq_num=row + 1)
    dataset = recording.stop().run({"NPY": NpyHandler}).primary.to_dask()
    assert dataset["image"].shape == (2, 4, 5)
    assert NpyHandler.loads == []
    assert float(dataset["image"][1, 0, 0].compute()) == 20.0
    assert NpyHandler.loads == [1]


def test_a_lazy_value_of_another_shape_is_named_when_computed(tmp_path: Path) -> None:
    image = image_run(tmp_path, key=image_key([5, 4])).run({"NPY": NpyHandler}).primary.to_dask()["image"]
    assert image.shape == (3, 5, 4)
    with pytest.raises(
        ValueError, match=r"Field 'image' .* declared with shape \[5, 4\].*has shape \(4, 5\) in event 3"
    ):
        image[2].compute()


def test_one_filler_keeps_few_files_open(tmp_path: Path) -> None:
    recording = Recording()
    descriptor = recording.stream("primary", {"image": image_key([5])})
    np.save(tmp_path / "a.npy", np.arange(20).reshape(4, 5))
    for _ in range(100):
        resource = recording.resource(tmp_path / "a.npy")
        recording.event(descriptor, {"image": recording.datum(resource, i=1)}, {"image": False})
    run = recording.stop().run({"NPY": NpyHandler})
    assert run.primary.read()["image"].shape == (100, 5)
    assert len(run.fillers["yes"]._handler_cache) == 64
