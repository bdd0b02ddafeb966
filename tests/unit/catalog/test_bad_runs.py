"""What is wrong with a run is said with field, event, URL and a cure; what is not wrong is still read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import event_model
import numpy as np
import pytest

from tests.support.catalog.runs import SCALAR, Memory, NpyHandler, Recording, data_key, fields_run, image_key, image_run
from underbutler.catalog import BlueskyRun
from underbutler.catalog.callables import CallableSource
from underbutler.errors import AnnexUnavailableError, LostDatasetError, TransientError, UsageError


def test_a_lost_file_is_named_by_event_and_the_rest_is_read(tmp_path: Path) -> None:
    memory = image_run(tmp_path)
    (tmp_path / "images.npy").unlink()
    primary = memory.run({"NPY": NpyHandler}).primary
    event = memory.of("event")[0]
    text = (
        rf"Field 'image' of event 1 of stream 'primary' \(uid {event['uid']}\) cannot be read: "
        rf"{tmp_path}/images.npy is gone .*exclude=\['image'\].*root_map"
    )
    for attempt in (
        primary.read,
        primary.to_dask()["image"][0].compute,
        lambda: list(memory.run({"NPY": NpyHandler}).documents(fill="yes")),
        lambda: primary.read_partition(0),
    ):
        with pytest.raises(event_model.DataNotAccessible, match=text) as caught:
            attempt()
        assert isinstance(caught.value, UsageError)
    assert caught.value.fields["url"] == f"{tmp_path}/images.npy"
    assert primary(exclude=["image"]).read()["fwhm"].values.tolist() == [1.5, 2.5, 3.5]
    assert primary.to_dask()["fwhm"].values.tolist() == [1.5, 2.5, 3.5]
    assert len(list(memory.run({}).documents(fill="no"))) == 6


def test_only_the_image_that_is_gone_is_missed(tmp_path: Path) -> None:
    recording = Recording()
    descriptor = recording.stream("primary", {"image": image_key()})
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.ones((1, 4, 5)))
        resource = recording.resource(tmp_path / name)
        recording.event(descriptor, {"image": recording.datum(resource, i=0)}, {"image": False})
    (tmp_path / "b.npy").unlink()
    primary = recording.stop().run({"NPY": NpyHandler}).primary
    lazy = primary.to_dask()["image"]
    assert float(lazy[0].sum().compute()) == 20.0
    for attempt in (primary.read, lazy.compute):
        with pytest.raises(event_model.DataNotAccessible, match=r"event 2 .*b\.npy is gone"):
            attempt()


class Raising:
    """A handler that raises what it is told, when it is opened or when it is read."""

    def __init__(self, path: str, opening: bool, error: Exception) -> None:
        self.error = error
        if opening:
            raise error

    def __call__(self, **kwargs: Any) -> Any:
        raise self.error


class S3Error(Exception):
    """What boto3 raises, as far as it matters."""

    def __init__(self, code: str) -> None:
        super().__init__(f"An error occurred ({code})")
        self.response = {"Error": {"Code": code}}


@pytest.mark.parametrize("opening", [True, False])
@pytest.mark.parametrize(
    ("error", "family", "text"),
    [
        (AnnexUnavailableError("S3 is away"), TransientError, "does not answer .*S3 is away.*Try again later"),
        (TimeoutError("slow"), TransientError, "does not answer .*slow"),
        (LostDatasetError("no dataset 1a2b"), UsageError, "is gone .*no dataset 1a2b"),
        (S3Error("NoSuchKey"), UsageError, "is gone .*NoSuchKey"),
        (S3Error("AccessDenied"), UsageError, "the handler of spec 'BAD' fails on .*AccessDenied"),
        (ValueError("no FITS"), UsageError, "the handler of spec 'BAD' fails on .*ValueError: no FITS"),
        (PermissionError("not yours"), UsageError, "the handler of spec 'BAD' fails on .*not yours"),
    ],
)
def test_what_a_handler_raises_is_told_with_event_and_url(
    error: Exception, family: type[Exception], text: str, opening: bool
) -> None:
    recording = Recording()
    descriptor = recording.stream("primary", {"image": image_key()})
    resource = recording.resource(Path("s3://bucket/key"), "BAD", opening=opening, error=error)
    recording.memory.of("resource")[0].update(root="", resource_path="s3://bucket/key")
    recording.event(descriptor, {"image": recording.datum(resource)}, {"image": False})
    with pytest.raises(family, match=r"Field 'image' of event 1 .*s3://bucket/key") as caught:
        recording.stop().run({"BAD": Raising}).primary.read()
    assert caught.match(text)


def test_a_spec_without_a_handler_says_how_to_register_one(tmp_path: Path) -> None:
    run = image_run(tmp_path, spec="AD_TIF").run({"AD_TIFF": NpyHandler, "NPY": NpyHandler})
    text = (
        r"Field 'image' of event 1 .*images\.npy, whose spec 'AD_TIF' has no handler\. Did you mean 'AD_TIFF'\? "
        r"Known: AD_TIFF, NPY\. .*register_handler\('AD_TIF', Handler\).*handler_registry=.*'underbutler\.handlers'"
    )
    for attempt in (run.primary.read, lambda: list(run.documents(fill="delayed"))):
        with pytest.raises(event_model.UndefinedAssetSpecification, match=text) as caught:
            attempt()
        assert isinstance(caught.value, UsageError)
        assert caught.value.fields["known"] == ["AD_TIFF", "NPY"]
    assert run.primary.to_dask()["fwhm"].shape == (3,)


@pytest.mark.parametrize("short_way", [False, True])
@pytest.mark.parametrize(("lost", "text"), [("datum", "has no such datum"), ("resource", "has no such resource")])
def test_a_datum_or_resource_that_is_lost_is_named(tmp_path: Path, lost: str, text: str, short_way: bool) -> None:
    memory = image_run(tmp_path)
    kept = [pair for pair in memory.pairs if pair[0] != lost]
    broken = Memory(kept)
    source = broken.source(get_datums=broken.datums) if short_way else broken.source()
    if not short_way and lost == "datum":
        source = CallableSource.of(source, lookup_resource_for_datum={}.__getitem__)
    run = BlueskyRun.of(source)
    with pytest.raises(UsageError, match=f"Field 'image' of event 1 .*points to datum .*{text}.*exclude="):
        run.primary.read()
    assert [name for name, _ in run.documents(fill="no")].count("event_page") == 1


WRONG: list[tuple[dict[str, Any], Any, str]] = [
    (data_key("array", [3]), [1, 2], r"declared with shape \[3\] and dtype array, and has shape \(2,\) in event 1"),
    (data_key("array", [2, 2]), [1, 2], r"shape \[2, 2\].*has shape \(2,\)"),
    (SCALAR, [1, 2], r"shape \[\] .*has shape \(2,\)"),
    (SCALAR, "high", r"dtype number, and holds 'high' in event 1"),
    (data_key("integer"), "high", r"dtype integer, and holds 'high' in event 1"),
    (data_key("string"), 3, r"dtype string, and holds dtype int64"),
    (data_key("array", [2], dtype_numpy="<f8"), ["a", "b"], r"dtype <f8, and holds values like 'a'"),
    (data_key("array", [2, 2]), [[1, 2], [3]], r"has rows of different lengths in event 1"),
    (data_key("array", [2], dims=["y", "x"]), [1, 2], r"has shape \(2,\), which the dims \['y', 'x'\] do not name"),
    (data_key("number", dtype_numpy="<z9"), 1.0, r"names a dtype that numpy does not know: '<z9'"),
]


@pytest.mark.parametrize(("said", "value", "text"), WRONG)
def test_a_wrong_shape_or_dtype_is_reported_by_field(said: dict[str, Any], value: Any, text: str) -> None:
    memory = fields_run(2, {"good": (SCALAR, float), "odd": (said, lambda _: value)})
    primary = memory.run().primary
    for read in (primary.read, primary.to_dask):
        with pytest.raises(ValueError, match=f"Field 'odd' of stream 'primary' .*{text}") as caught:
            read()
        assert isinstance(caught.value, UsageError)
        assert "exclude=['odd']" in str(caught.value)
    assert primary(exclude=["odd"]).read()["good"].values.tolist() == [0.0, 1.0]
    assert [name for name, _ in memory.run().documents(fill="no")] == ["start", "descriptor", "event_page", "stop"]


@pytest.mark.parametrize(
    ("said", "values", "text"),
    [
        (data_key("array", [2]), [[1, 2], [1, 2], [1, 2, 3]], r"has shape \(3,\) in event 3"),
        (SCALAR, [1.0, 2.0, "high"], r"holds 'high' in event 3"),
        (data_key("string"), ["a", 2, "b"], r"holds 2 in event 2"),
    ],
)
def test_the_first_event_that_disagrees_is_named(said: dict[str, Any], values: list[Any], text: str) -> None:
    memory = fields_run(3, {"odd": (said, values.__getitem__)})
    with pytest.raises(ValueError, match=text):
        memory.run().primary.read()


def test_numbers_of_another_kind_are_taken_with_a_warning() -> None:
    memory = fields_run(2, {"count": (data_key("integer"), lambda row: row + 0.5)})
    with pytest.warns(UserWarning, match="Field 'count' .*dtype integer, and holds float64 in events 1 to 2"):
        dataset = memory.run().primary.read()
    assert dataset["count"].values.tolist() == [0.5, 1.5]


def test_numbers_that_the_named_dtype_cannot_hold_are_not_bent() -> None:
    memory = fields_run(2, {"count": (data_key("integer", dtype_numpy="|u1"), lambda row: 250 + row * 10)})
    with pytest.warns(UserWarning, match=r"Field 'count' .*dtype \|u1, and holds int64"):
        assert memory.run().primary.read()["count"].values.tolist() == [250, 260]


def test_images_whose_shape_changes_are_reported_by_field(tmp_path: Path) -> None:
    class Growing:
        def __init__(self, path: str) -> None:
            pass

        def __call__(self, i: int) -> Any:
            return np.ones((4 + i, 5))

    primary = image_run(tmp_path).run({"NPY": Growing}).primary
    with pytest.raises(
        ValueError, match=r"Field 'image' .*declared with shape \[4, 5\].*has shape \(5, 5\) in event 2"
    ):
        primary.read()
    free = image_run(tmp_path, key=image_key([None, 5])).run({"NPY": Growing}).primary
    assert [image.shape for image in free.read()["image"].values] == [(4, 5), (5, 5), (6, 5)]
    with pytest.raises(ValueError, match=r"has shape \(6, 5\) in event 3 and \(4, 5\) in others"):
        free.to_dask()["image"].compute()


def test_descriptors_of_other_shapes_are_reported_by_field() -> None:
    recording = Recording()
    for size in (2, 3):
        descriptor = recording.stream("primary", {"line": data_key("array", [size])})
        recording.event(descriptor, {"line": [1.0] * size})
    with pytest.raises(ValueError, match=r"Field 'line' .*shape \(2,\) under one descriptor and \(3,\) under another"):
        recording.stop().run().primary.read()


def test_a_field_that_events_do_not_have_is_named() -> None:
    memory = fields_run(2, {"n": (SCALAR, float)})
    memory.descriptors()[0]["data_keys"]["ghost"] = SCALAR
    for source in (memory.source(), memory.source(get_columns=memory_columns(memory))):
        primary = BlueskyRun.of(source).primary
        with pytest.raises(
            ValueError, match=r"Field 'ghost' .*event 1 \(uid .* has no value of it.*exclude=\['ghost'\]"
        ):
            primary.read()
        assert primary(exclude=["ghost"]).read().sizes == {"time": 2}


def memory_columns(memory: Memory) -> Any:
    def columns(uid: str, keys: Any = None, **kwargs: Any) -> Any:
        return memory.columns(uid, [key for key in keys if key != "ghost"], **kwargs)

    return columns


def test_fields_in_stream_resources_are_left_out_with_a_warning() -> None:
    memory = fields_run(2, {"n": (SCALAR, float)})
    memory.descriptors()[0]["data_keys"]["detector"] = data_key("array", [4, 5], external="STREAM:")
    with pytest.warns(UserWarning, match=r"detector.*stream_resource.*not kept here"):
        assert len(list(memory.run().documents(fill="no"))) == 4
    with pytest.warns(UserWarning, match="detector.*stream_resource"):
        assert list(memory.run().primary.read().data_vars) == ["n"]
    assert memory.run().primary(exclude=["detector"]).read().sizes == {"time": 2}


@pytest.mark.parametrize(
    ("kind", "returns", "text"),
    [
        ("start", None, "transform of 'start' documents, .*returned nothing. Let it end with `return doc`"),
        ("stop", [], "transform of 'stop' documents, .*returned a list"),
        ("descriptor", "x", "transform of 'descriptor' documents, .*returned a str"),
        ("resource", 3, "transform of 'resource' documents, .*returned a int"),
    ],
)
def test_a_transform_that_returns_no_document_is_named(kind: str, returns: Any, text: str, tmp_path: Path) -> None:
    run = image_run(tmp_path).run({"NPY": NpyHandler}, transforms={kind: lambda doc: returns})
    with pytest.raises(TypeError, match=text) as caught:
        list(run.documents(fill="yes"))
    assert isinstance(caught.value, UsageError)


def test_a_transform_may_change_its_document_but_not_the_store() -> None:
    """Databroker gives transforms plain dictionaries, and people change them."""

    def patch(doc: Any) -> Any:
        doc["data_keys"]["n"]["units"] = "px"
        assert doc.to_dict() == doc
        return doc

    memory = fields_run(1, {"n": (dict(SCALAR), float)})
    run = memory.run(transforms={"descriptor": patch})
    assert run.primary.read()["n"].attrs["units"] == "px"
    assert "units" not in memory.descriptors()[0]["data_keys"]["n"]
    with pytest.raises(TypeError, match="cannot be changed"):
        run.descriptors[0]["name"] = "other"


def test_a_transform_that_loses_the_key_of_a_document_is_named() -> None:
    run = fields_run(1, {"n": (SCALAR, float)}).run(transforms={"descriptor": lambda doc: {"uid": doc["uid"]}})
    with pytest.raises(TypeError, match=r"transform of 'descriptor' documents, .*returned one without 'run_start'"):
        run.primary.read()


def test_what_is_no_resource_of_a_run_has_no_files() -> None:
    run = fields_run(1, {"n": (SCALAR, float)}).run()
    for given in ("abc", {}, None):
        with pytest.raises(ValueError, match="is not a resource document"):
            run.get_file_list(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("fillers", [event_model.NoFiller({}, inplace=True), {"yess": None}])
def test_fillers_that_are_not_given_by_choice_are_refused(fillers: Any) -> None:
    primary = fields_run(1, {"n": (SCALAR, float)}).run().primary
    with pytest.raises(TypeError, match="Fillers are a mapping of 'yes', 'no', 'delayed' to fillers"):
        primary.configure_new(fillers=fillers)


def test_an_object_that_was_not_configured_is_refused_by_name() -> None:
    recording = Recording()
    configuration = {"camera": {"data": {"gain": 2.0}, "timestamps": {"gain": 5.0}, "data_keys": {"gain": SCALAR}}}
    recording.event(recording.stream("primary", {"n": SCALAR}, configuration=configuration), {"n": 1.0})
    primary = recording.stop().run().primary
    assert primary(configuration_for="camera").read()["gain"].values.tolist() == [2.0]
    with pytest.raises(KeyError, match=r"'camra'.*Did you mean 'camera'"):
        primary(configuration_for="camra").read()


def test_a_long_value_that_does_not_fit_is_told_in_short() -> None:
    run = fields_run(99, {"n": (SCALAR, lambda row: "x" * 100_000 if row == 1 else "ok")}).run()
    with pytest.raises(ValueError, match=r"Field 'n'.* holds 'ok' in event 1"):
        run.primary.read()
    run = fields_run(99, {"n": (SCALAR, lambda row: "x" * 100_000 if row < 2 else "ok")}).run()
    with pytest.raises(ValueError, match=r"holds 'x+\.\.\.x+' in event 1") as caught:
        run.primary.read()
    assert len(str(caught.value)) < 400


def test_a_flag_may_be_missing_and_words_are_no_flags() -> None:
    flag = data_key("boolean")
    dataset = fields_run(3, {"ok": (flag, [True, None, False].__getitem__)}).run().primary.read()
    assert dataset["ok"].values.tolist() == [True, None, False]
    with pytest.raises(ValueError, match=r"Field 'ok'.*dtype boolean"):
        fields_run(2, {"ok": (flag, [None, {"no": 1}].__getitem__)}).run().primary.read()
