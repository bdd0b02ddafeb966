"""A run is a mapping of its streams; it shows itself, pickles, and refuses what runs do not do."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import event_model
import pytest

from tests.support.catalog.runs import SCALAR, Memory, NpyHandler, Recording, fields_run, image_run
from underbutler.catalog import BlueskyRun, FillerFactory, Start, Stop, register_handler
from underbutler.catalog.handlers.registry import deregister_handler
from underbutler.errors import UsageError


def two_streams() -> Memory:
    recording = Recording(task="processCcd", scan_id=7)
    primary = recording.stream("primary", {"fwhm": SCALAR})
    problems = recording.stream("problems", {"code": SCALAR})
    recording.event(primary, {"fwhm": 1.0})
    recording.event(problems, {"code": 3})
    recording.event(primary, {"fwhm": 2.0})
    return recording.stop()


def test_a_run_maps_names_to_streams_which_are_attributes_too() -> None:
    run = two_streams().run()
    assert list(run) == ["primary", "problems"]
    assert len(run) == 2
    assert "primary" in run
    assert "nope" not in run
    assert [name for name, _ in run.items()] == ["primary", "problems"]
    assert run["primary"].read()["fwhm"].values.tolist() == [1.0, 2.0]
    assert run.problems.read()["code"].values.tolist() == [3]
    assert {"primary", "problems", "documents"} <= set(dir(run))
    assert run._ipython_key_completions_() == ["primary", "problems"]


def test_an_unknown_stream_is_a_key_error_or_attribute_error() -> None:
    run = two_streams().run()
    with pytest.raises(KeyError, match=r"'primry'\. Did you mean 'primary'"):
        run["primry"]
    with pytest.raises(AttributeError, match="primary, problems"):
        _ = run.nope
    assert not hasattr(run, "_repr_something_")


def test_metadata_are_start_and_stop_and_what_else_is_known() -> None:
    memory = two_streams()
    run = memory.run(metadata={"catalog_dir": "here"})
    assert run.metadata == {"start": memory.start(), "stop": memory.stop(), "catalog_dir": "here"}
    assert type(run.metadata["start"]) is Start
    assert type(run.metadata["stop"]) is Stop
    assert run.primary.metadata["descriptors"] == [memory.descriptors()[0]]
    assert run.primary.metadata["start"] == memory.start()
    assert run.uid == run.name == memory.start()["uid"]


def test_an_open_run_has_no_stop_and_gets_one_when_it_ends() -> None:
    memory = two_streams()
    _, stop = memory.pairs.pop()
    run = memory.run()
    assert run.metadata["stop"] is None
    assert run.stop is None
    assert [name for name, _ in run.documents(fill="no")][-1] == "event_page"
    assert "still running" in run._repr_html_()
    memory.pairs.append(("stop", stop))
    assert run.metadata["stop"] == stop


def test_a_run_that_has_only_begun_is_empty() -> None:
    run = Memory([("start", {"uid": "abc", "time": 1.0})]).run()
    assert list(run) == []
    assert [name for name, _ in run.documents(fill="yes")] == ["start"]
    with pytest.raises(NotImplementedError, match="no streams yet"):
        run.read()


@pytest.mark.parametrize("method", ["read", "to_dask"])
def test_a_run_is_not_read_as_a_whole_and_names_its_streams(method: str) -> None:
    with pytest.raises(
        NotImplementedError, match=rf"run\['primary'\].{method}\(\), run\['problems'\].{method}"
    ) as caught:
        getattr(two_streams().run(), method)()
    assert isinstance(caught.value, UsageError)


def test_a_run_is_not_persisted_but_exported() -> None:
    run = two_streams().run()
    assert (run.has_been_persisted, run.is_persisted) == (False, False)
    with pytest.raises(NotImplementedError, match=f"underbutler runs export {run.uid}"):
        run.persist(ttl=3)


def test_a_run_is_itself_until_it_is_configured_anew() -> None:
    run = two_streams().run()
    assert run.get() is run()
    assert run.configure_new() is run
    other = run(transforms={"start": lambda doc: {**doc, "sample": "sky"}})
    assert type(other) is BlueskyRun
    assert other.metadata["start"]["sample"] == "sky"
    assert "sample" not in run.metadata["start"]
    assert len({run, other, run}) == 2
    assert run != other


def test_the_seeds_constructor_takes_its_callables_by_position(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    memory.ranges = False
    made: list[str] = []

    def get_filler(coerce: str) -> event_model.Filler:
        made.append(coerce)
        return event_model.Filler({"NPY": NpyHandler}, coerce=coerce, inplace=False)

    run = BlueskyRun(
        memory.start,
        memory.stop,
        memory.descriptors,
        memory.all_pages,
        memory.count,
        memory.resource,
        memory.resources,
        memory.lookup,
        memory.datum_pages,
        get_filler,
        None,
        name="x",
    )
    assert made == []
    assert run.primary.read()["image"].shape == (3, 4, 5)
    assert len(made) == 1
    assert sorted(run.fillers) == ["delayed", "no", "yes"]


def test_a_get_filler_that_takes_nothing_will_do(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    run = BlueskyRun.of(memory.source(), lambda: event_model.Filler({"NPY": NpyHandler}, inplace=False))
    assert run.primary.read()["image"].shape == (3, 4, 5)


def test_the_filler_that_delays_gives_dask_arrays_to_others_too(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    run = memory.run({"NPY": NpyHandler})
    NpyHandler.loads.clear()
    filled = [run.fillers["delayed"](name, doc)[1] for name, doc in memory.pairs]
    image = filled[-2]["data"]["image"]
    assert NpyHandler.loads == []
    assert image.shape == (4, 5)
    assert int(image.compute()[0, 0]) == 40


def test_a_handler_registered_later_is_found_by_an_older_run(tmp_path: Path) -> None:
    run = BlueskyRun.of(image_run(tmp_path, spec="LATE").source())
    with pytest.raises(KeyError, match="'LATE' has no handler"):
        run.primary.read()
    register_handler("LATE", NpyHandler)
    try:
        assert run.primary.read()["image"].shape == (3, 4, 5)
    finally:
        deregister_handler("LATE")


def test_root_map_says_where_files_are_now(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    root, moved = tmp_path / "was", tmp_path
    memory.resources()[0]["root"] = str(root)
    run = BlueskyRun.of(memory.source(), FillerFactory({"NPY": NpyHandler}, {str(root): str(moved)}))
    assert run.primary.read()["image"].shape == (3, 4, 5)


def test_a_filler_class_may_be_ones_own(tmp_path: Path) -> None:
    class Doubling(event_model.Filler):
        def fill_event(self, doc: Any, **kwargs: Any) -> Any:
            filled = super().fill_event(doc, **kwargs)
            filled["data"]["image"] = filled["data"]["image"] * 2
            return filled

    factory = FillerFactory({"NPY": NpyHandler}, filler_class=Doubling)
    dataset = BlueskyRun.of(image_run(tmp_path).source(), factory).primary.read()
    assert int(dataset["image"][2, 3, 4]) == 118


def test_file_lists_come_from_the_handler(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    run = memory.run({"NPY": NpyHandler})
    path = tmp_path / "images.npy"
    assert run.get_file_list(memory.resources()[0]) == [f"{path}#{row}" for row in range(3)]


def test_a_file_resource_is_its_own_list_and_others_are_unknown(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    run = memory.run({"NPY": lambda path: None})
    assert run.get_file_list(memory.resources()[0]) == [str(tmp_path / "images.npy")]
    with pytest.raises(AttributeError, match="spec 'NPY' has no get_file_list"):
        run.get_file_list({**memory.resources()[0], "resource_path": "gone.npy"})
    with pytest.raises(KeyError, match="'OTHER' has no handler"):
        run.get_file_list({**memory.resources()[0], "spec": "OTHER"})


def test_transforms_patch_every_kind_but_not_what_is_stored(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    (tmp_path / "images.npy").rename(tmp_path / "renamed.npy")

    def patch_descriptor(doc: Any) -> Any:
        doc["data_keys"]["image"]["dims"] = ["y", "x"]
        return doc

    run = memory.run(
        {"NPY": NpyHandler},
        transforms={
            "start": lambda doc: {**doc, "sample": "sky"},
            "stop": lambda doc: {**doc, "reason": "patched"},
            "descriptor": patch_descriptor,
            "resource": lambda doc: {**doc, "resource_path": "renamed.npy"},
        },
    )
    assert run.metadata["start"]["sample"] == "sky"
    assert run.metadata["stop"]["reason"] == "patched"
    assert run.primary.read()["image"].dims == ("time", "y", "x")
    assert dict(run.documents(fill="no"))["resource"]["resource_path"] == "renamed.npy"
    assert "dims" not in memory.descriptors()[0]["data_keys"]["image"]


def test_a_run_pickles_as_its_source_does(tmp_path: Path) -> None:
    run = image_run(tmp_path).run({"NPY": NpyHandler})
    run.primary.read()
    back = pickle.loads(pickle.dumps(run))
    assert back.metadata == run.metadata
    assert back.primary.read().identical(run.primary.read())
    assert len(list(back.documents(fill="yes"))) == len(list(run.documents(fill="yes")))


def test_what_a_run_shows_of_itself() -> None:
    memory = two_streams()
    memory.start()["task"] = "<b>"
    run = memory.run()
    assert repr(run) == f"<BlueskyRun uid={run.uid!r}>"
    html = run._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<td>problems</td><td>1</td><td>code</td>" in html.replace(' style="text-align: left"', "")

    class Printer:
        def text(self, text: str) -> None:
            self.said = text

    printer = Printer()
    run._repr_pretty_(printer, False)
    assert "exit status: success" in printer.said
    assert "* primary: 2 events" in printer.said
    run._repr_pretty_(printer, True)
    assert printer.said == repr(run)


def test_stored_transforms_and_unknown_parameters_are_refused() -> None:
    memory = fields_run(1, {"n": (SCALAR, float)})
    with pytest.raises(NotImplementedError, match="'event' cannot be transformed"):
        memory.run(transforms={"event": lambda doc: doc})
    with pytest.raises(TypeError, match=r"no parameter 'transfroms'\. Did you mean 'transforms'"):
        BlueskyRun.of(memory.source(), transfroms={})
