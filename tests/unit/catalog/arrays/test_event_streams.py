"""A stream is read into named arrays: all shapes, all dtypes, some fields, several descriptors, open runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.catalog.openings import Opening, any_filler, both_ways
from tests.support.catalog.runs import SCALAR, Memory, Recording, data_key, fields_run, image_key, image_run
from underbutler.errors import UsageError


@both_ways
@pytest.mark.parametrize("page_size", [1, 3, 100])
def test_fields_of_0_to_3_dimensions_become_arrays_along_time(opened: Opening, page_size: int) -> None:
    memory = fields_run(
        7,
        {
            "scalar": (SCALAR, lambda row: row / 2),
            "count": (data_key("integer"), lambda row: row),
            "flag": (data_key("boolean"), lambda row: row % 2 == 0),
            "word": (data_key("string"), lambda row: "a" * row),
            "line": (data_key("array", [3]), lambda row: [row, row + 1, row + 2]),
            "plane": (data_key("array", [2, 3]), lambda row: np.full((2, 3), row).tolist()),
            "cube": (data_key("array", [2, 3, 4]), lambda row: np.full((2, 3, 4), row / 4).tolist()),
        },
    )
    memory.page_size = page_size
    dataset = opened(memory).primary.read()
    assert list(dataset.coords) == ["time"]
    times = [event["time"] for event in memory.of("event")]
    np.testing.assert_array_equal(dataset["time"], times)
    np.testing.assert_array_equal(dataset["scalar"], np.arange(7) / 2)
    assert dataset["count"].dtype == np.int64
    assert dataset["flag"].values.tolist() == [True, False, True, False, True, False, True]
    assert dataset["word"].values.tolist() == ["a" * row for row in range(7)]
    assert dataset["line"].dims == ("time", "dim_0")
    assert dataset["line"].values[4].tolist() == [4, 5, 6]
    assert dataset["plane"].shape == (7, 2, 3)
    assert dataset["cube"].dims == ("time", "dim_3", "dim_4", "dim_5")
    assert dataset["cube"].dtype == np.float64
    assert float(dataset["cube"][5, 1, 2, 3]) == 1.25


def test_dims_units_and_objects_come_from_the_descriptor() -> None:
    recording = Recording()
    keys = {"spectrum": data_key("array", [3], dims=["wavelength"], units="adu"), "fwhm": SCALAR}
    descriptor = recording.stream("primary", keys, object_keys={"spectrograph": ["spectrum"], "seeing": ["fwhm"]})
    recording.event(descriptor, {"spectrum": [1, 2, 3], "fwhm": 1.0})
    dataset = recording.stop().run().primary.read()
    assert dataset["spectrum"].dims == ("time", "wavelength")
    assert dataset["spectrum"].attrs == {"object": "spectrograph", "units": "adu"}
    assert dataset["fwhm"].attrs == {"object": "seeing"}


@pytest.mark.parametrize("selected", [{}, {"include": ["preview"]}, {"exclude": ["calexp"]}])
def test_images_of_equal_dims_and_other_sizes_fit_one_dataset(selected: dict[str, Any]) -> None:
    memory = fields_run(
        2,
        {
            "calexp": (data_key("array", [3, 4], dims=["y", "x"]), lambda _: np.ones((3, 4)).tolist()),
            "preview": (data_key("array", [2, 4], dims=["y", "x"]), lambda _: np.ones((2, 4)).tolist()),
        },
    )
    dataset = memory.run().primary.configure_new(**selected).read()
    assert dataset["preview"].dims == ("time", "preview_y", "x")
    if not selected:
        assert dataset["calexp"].dims == ("time", "y", "x")


def test_a_field_named_like_a_dimension_or_time_stays_a_field() -> None:
    memory = fields_run(
        2,
        {
            "x": (SCALAR, float),
            "time": (SCALAR, float),
            "image": (data_key("array", [2, 2], dims=["y", "x"]), lambda _: [[1, 2], [3, 4]]),
            "square": (data_key("array", [2, 2], dims=["k", "k"]), lambda _: [[1, 2], [3, 4]]),
        },
    )
    dataset = memory.run().primary.read()
    assert sorted(dataset.data_vars) == ["image", "square", "time_", "x"]
    assert dataset["image"].dims == ("time", "y", "image_x")
    assert dataset["square"].dims == ("time", "k", "square_k")
    assert dataset["time_"].values.tolist() == [0.0, 1.0]


@both_ways
def test_fields_are_included_or_excluded_unknown_ones_ignored(opened: Opening) -> None:
    memory = fields_run(2, {"a": (SCALAR, float), "b": (SCALAR, float), "c": (SCALAR, float)})
    stream = opened(memory).primary
    assert list(stream.configure_new(include=["b", "none"]).read().data_vars) == ["b"]
    assert list(stream(exclude=["b", "none"]).read().data_vars) == ["a", "c"]
    assert list(stream.get(include=[]).read().variables) == ["time"]
    assert list(stream(include=["b"])(exclude=["b"]).read().data_vars) == ["a", "c"]
    assert stream.configure_new() is stream


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"include": ["a"], "exclude": ["b"]}, "include or exclude, not both"),
        ({"include": "fwhm"}, r"Write a list: include=\['fwhm'\]"),
        ({"sub_dict": "filled"}, "'data' or 'timestamps'"),
    ],
)
def test_a_selection_that_contradicts_itself_is_refused(wrong: dict[str, Any], text: str) -> None:
    stream = fields_run(1, {"a": (SCALAR, float)}).run().primary
    with pytest.raises(ValueError, match=text) as caught:
        stream.configure_new(**wrong)
    assert isinstance(caught.value, UsageError)


def test_an_unknown_parameter_is_a_type_error_unless_of_intake() -> None:
    stream = fields_run(1, {"a": (SCALAR, float)}).run().primary
    with pytest.raises(TypeError, match=r"no parameter 'inclde'\. Did you mean 'include'"):
        stream.configure_new(inclde=["a"])
    assert stream.configure_new(description="x").read().sizes == {"time": 1}


@both_ways
def test_timestamps_are_one_number_per_event_whatever_the_shape(opened: Opening, tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    dataset = opened(memory).primary.timestamps.read()
    assert dataset["image"].dims == ("time",)
    np.testing.assert_array_equal(dataset["image"], dataset["time"] + 0.5)
    np.testing.assert_array_equal(opened(memory).primary.timestamps.to_dask()["fwhm"], dataset["time"] + 0.5)


def configured_run() -> Memory:
    recording = Recording()
    for gain, mask in ((2.0, [1, 2]), (4.0, [3, 4])):
        descriptor = recording.stream(
            "primary",
            {"fwhm": SCALAR},
            configuration={
                "camera": {
                    "data": {"gain": gain, "mode": "fast", "mask": mask},
                    "timestamps": {"gain": gain * 10, "mode": 0.0, "mask": 0.0},
                    "data_keys": {
                        "gain": {**SCALAR, "units": "e/adu"},
                        "mode": data_key("string"),
                        "mask": data_key("array", [2]),
                    },
                }
            },
        )
        recording.event(descriptor, {"fwhm": 1.0})
        recording.event(descriptor, {"fwhm": 2.0})
    return recording.stop()


@both_ways
def test_configuration_is_repeated_along_time_by_descriptor(opened: Opening) -> None:
    primary = opened(configured_run()).primary
    dataset = primary.config["camera"].read()
    assert dataset["gain"].values.tolist() == [2.0, 2.0, 4.0, 4.0]
    assert dataset["gain"].attrs == {"object": "camera", "units": "e/adu"}
    assert dataset["mode"].values.tolist() == ["fast"] * 4
    assert dataset["mask"].values.tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert primary.config_timestamps.camera.read()["gain"].values.tolist() == [20.0, 20.0, 40.0, 40.0]
    np.testing.assert_array_equal(primary.config.camera.to_dask()["gain"], dataset["gain"])
    assert list(primary.configure_new(configuration_for="camera", include=["gain"]).read().data_vars) == ["gain"]


def test_an_object_that_is_not_configured_is_refused_by_name() -> None:
    config = configured_run().run().primary.config
    assert list(config) == ["camera"]
    assert len(config) == 1
    assert "camera" in dir(config)
    assert "camera" in repr(config)
    with pytest.raises(KeyError, match=r"'camra'\. Did you mean 'camera'"):
        config["camra"]
    with pytest.raises(AttributeError, match="camera"):
        _ = config.camra


@both_ways
def test_events_of_several_descriptors_join_with_nan_for_absent(opened: Opening) -> None:
    recording = Recording()
    one = recording.stream("primary", {"fwhm": SCALAR, "note": data_key("string"), "n": data_key("integer")})
    recording.event(one, {"fwhm": 1.0, "note": "x", "n": 5})
    two = recording.stream("primary", {"fwhm": SCALAR, "line": data_key("array", [2])})
    recording.event(two, {"fwhm": 2.0, "line": [1.0, 2.0]}, seq_num=2)
    dataset = opened(recording.stop()).primary.read()
    assert dataset["fwhm"].values.tolist() == [1.0, 2.0]
    assert dataset["note"].values.tolist() == ["x", None]
    assert dataset["n"].values[0] == 5
    assert np.isnan(dataset["n"].values[1])
    assert np.isnan(dataset["line"].values[0]).all()
    assert dataset["line"].values[1].tolist() == [1.0, 2.0]


def test_events_of_interleaved_descriptors_come_in_order() -> None:
    recording = Recording()
    one, two = recording.stream("primary", {"n": SCALAR}), recording.stream("primary", {"n": SCALAR})
    for number, descriptor in enumerate([one, two, two, one], 1):
        recording.event(descriptor, {"n": number}, seq_num=number)
    assert recording.stop().run().primary.read()["n"].values.tolist() == [1, 2, 3, 4]


def test_descriptors_that_count_alone_are_ordered_by_time() -> None:
    recording = Recording()
    one, two = recording.stream("primary", {"n": SCALAR}), recording.stream("primary", {"n": SCALAR})
    for number, descriptor in enumerate([one, two, two, one], 1):
        recording.event(descriptor, {"n": number})
    assert recording.stop().run().primary.read()["n"].values.tolist() == [1, 2, 3, 4]


@both_ways
@pytest.mark.parametrize("lazy", [False, True])
def test_events_out_of_order_are_read_in_order(opened: Opening, lazy: bool, tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    memory.pairs[-4:-1] = [memory.pairs[-2], memory.pairs[-4], memory.pairs[-3]]
    events = [doc for name, doc in memory.pairs if name == "event"]
    stream = opened(memory, get_filler=any_filler()).primary
    dataset = (stream.to_dask() if lazy else stream.read()).load()
    assert dataset["fwhm"].values.tolist() == sorted(event["data"]["fwhm"] for event in events)
    assert dataset["image"].values[:, 0, 0].tolist() == [0, 20, 40]


@both_ways
def test_a_doubled_event_is_read_once_with_a_warning(opened: Opening) -> None:
    memory = fields_run(3, {"n": (SCALAR, float)})
    memory.pairs.insert(-1, memory.pairs[2])
    with pytest.warns(UserWarning, match="Stream 'primary' of run .*: 1 of 4 events are there twice"):
        assert opened(memory).primary.read()["n"].values.tolist() == [0.0, 1.0, 2.0]


@both_ways
def test_a_stream_of_an_open_run_is_read_again_with_new_events(opened: Opening) -> None:
    memory = fields_run(2, {"n": (SCALAR, float)})
    _, stop = memory.pairs.pop()
    stream = opened(memory).primary
    assert stream.metadata["stop"] is None
    lazy = stream.to_dask()
    assert stream.read().sizes["time"] == 2
    memory.pairs.append(("event", {**memory.of("event")[-1], "uid": "new", "seq_num": 3, "data": {"n": 9.0}}))
    assert stream.read()["n"].values.tolist() == [0.0, 1.0, 9.0]
    assert lazy.sizes["time"] == 2
    memory.pairs.append(("stop", stop))
    assert stream.metadata["stop"] == stop


@both_ways
def test_a_stream_without_events_has_empty_arrays_of_its_shapes(opened: Opening) -> None:
    keys = {
        "n": SCALAR,
        "count": data_key("integer"),
        "word": data_key("string"),
        "line": data_key("array", [3], dims=["k"]),
        "image": image_key(dtype_numpy="<u2"),
    }
    recording = Recording()
    recording.stream("primary", keys, configuration={"camera": {"data": {"g": 1}, "timestamps": {}, "data_keys": {}}})
    run = opened(recording.memory)
    for dataset in (run.primary.read(), run.primary.to_dask()):
        assert dataset.sizes == {"time": 0, "k": 3, "dim_0": 4, "dim_1": 5}
        assert dataset["image"].dtype == np.uint16
        assert dataset["count"].dtype == np.int64
    assert run.primary.config["camera"].read()["g"].shape == (0,)
