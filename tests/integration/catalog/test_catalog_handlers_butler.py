"""Datasets of a real repository as a run reads them: by UUID, through a label."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import event_model
import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from PIL import Image

from tests.support.command_line import CommandLine
from tests.support.services import S3Endpoint
from underbutler.annex import ensure_bucket
from underbutler.butlers import CcdImage, Repositories, create_repository
from underbutler.catalog import export_run
from underbutler.catalog.handlers.butler_dataset import ButlerDataset, close_repositories, to_array
from underbutler.catalog.handlers.parquet_table import ParquetTable, UnknownColumnError
from underbutler.catalog.handlers.resource_file import HandlerArgumentError, UnreadableFileError
from underbutler.errors import LostDatasetError, TransientError, UnknownNameError, UsageError
from underbutler.s3 import make_client
from underbutler.settings import Settings, load_settings

PLANE = np.arange(12, dtype=np.float32).reshape(3, 4)
IMAGE = CcdImage(PLANE, np.full((3, 4), 2, np.uint8), PLANE * 2, mask_planes={"BAD": 1})
SOURCES = Table(
    {
        "id": np.arange(3, dtype=np.int64),
        "x": np.array([0.5, 1.5, 2.5], np.float32),
        "name": np.array(["a", "bb", ""], "U4"),
        "count": MaskedColumn([1, 2, 3], mask=[False, True, False], dtype=np.int32),
    }
)
PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def picture() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, format="PNG")
    return stream.getvalue()


DATASETS: dict[str, tuple[str, Any]] = {
    "calexp": ("CcdImage", IMAGE),
    "src": ("ArrowAstropy", SOURCES),
    "preview": ("PngBytes", picture()),
    "numbers": ("NumpyArray", np.array([1, 2, 3])),
    "settings": ("StructuredDataDict", {"a": 1}),
    "vector": ("NumpyArray", np.arange(3.0)),
}


@dataclass(frozen=True)
class Site:
    """Settings whose index names the repository, and the UUID of each dataset in it."""

    settings: Settings
    ids: dict[str, str]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Make a repository, ``demo``, with one dataset of each storage class."""
    from lsst.daf.butler import DatasetType

    folder = tmp_path_factory.mktemp("site")
    settings = load_settings(home=folder / "home")
    create_repository(folder / "repo", "demo", settings, [])
    ids: dict[str, str] = {}
    with Repositories(settings) as repositories, repositories.butler("demo", writeable=True, run="u/ann/1") as butler:
        for name, (storage, value) in DATASETS.items():
            butler.registry.registerDatasetType(DatasetType(name, (), storage, universe=butler.dimensions))
            ids[name] = str(butler.put(value, name).id)
    return Site(settings, ids)


@pytest.fixture
def site(stocked: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Have the process's settings lead to the repository."""
    monkeypatch.setenv("UNDERBUTLER_HOME", str(stocked.settings.home))
    yield stocked
    close_repositories()


@pytest.fixture
def put(site: Site) -> dict[str, str]:
    """Return the UUID of each dataset."""
    return site.ids


def test_an_image_is_read_and_each_component_of_it(put: dict[str, str]) -> None:
    handler = ButlerDataset(f"butler://demo/{put['calexp']}")
    np.testing.assert_array_equal(handler(), PLANE)
    np.testing.assert_array_equal(handler(component="mask"), IMAGE.mask)
    np.testing.assert_array_equal(ButlerDataset(f"butler://demo/{put['calexp']}", component="variance")(), PLANE * 2)


@pytest.mark.parametrize("path", ["demo", "butler://demo", "butler://demo/"])
def test_the_uuid_may_be_in_the_path_the_resource_or_the_datum(put: dict[str, str], path: str) -> None:
    np.testing.assert_array_equal(ButlerDataset(path)(dataset=put["vector"]), [0, 1, 2])
    np.testing.assert_array_equal(ButlerDataset(path, dataset=put["vector"])(), [0, 1, 2])


def test_a_table_a_picture_and_numbers_are_arrays(put: dict[str, str]) -> None:
    demo = ButlerDataset("demo")
    np.testing.assert_array_equal(demo(dataset=put["preview"]), PIXELS)
    np.testing.assert_array_equal(demo(dataset=put["numbers"]), [1, 2, 3])
    table = demo(dataset=put["src"])
    assert table.dtype.names == ("id", "x", "name", "count")
    assert demo(dataset=put["src"], column="x").tolist() == [0.5, 1.5, 2.5]
    assert demo(dataset=put["src"], columns=["name", "id"]).tolist() == [("a", 0), ("bb", 1), ("", 2)]


def test_a_table_is_the_same_through_the_butler_and_as_a_file(put: dict[str, str]) -> None:
    demo = ButlerDataset("demo")
    (path,) = demo.get_file_list([{"dataset": put["src"]}])
    by_file, by_butler = ParquetTable(path)(), demo(dataset=put["src"])
    assert by_file.dtype == by_butler.dtype
    for name in by_file.dtype.names or ():
        np.testing.assert_array_equal(by_file[name], by_butler[name])
    np.testing.assert_array_equal(by_file["count"], [1, np.nan, 3])


def test_the_files_of_several_datums_are_told(put: dict[str, str]) -> None:
    files = ButlerDataset("demo").get_file_list({"dataset": put[name]} for name in ("calexp", "preview", "calexp"))
    assert sorted(Path(file).suffix for file in files) == [".fits", ".png"]
    assert all(Path(file).exists() for file in files)
    (file,) = ButlerDataset(f"butler://demo/{put['vector']}").get_file_list([])
    assert Path(file).exists()


def test_a_filler_reads_it_and_root_map_leads_to_another_label(put: dict[str, str]) -> None:
    run = event_model.compose_run()
    key = {"source": "butler", "dtype": "array", "shape": [3, 4], "external": "FILESTORE:"}
    descriptor = run.compose_descriptor(name="primary", data_keys={"calexp": key})
    resource = run.compose_resource(
        spec="BUTLER", root="butler://gone", resource_path=put["calexp"], resource_kwargs={}
    )
    datum = resource.compose_datum({"component": "image"})
    event = descriptor.compose_event(
        data={"calexp": datum["datum_id"]}, timestamps={"calexp": 0.0}, filled={"calexp": False}
    )
    filler = event_model.Filler({"BUTLER": ButlerDataset}, root_map={"butler://gone": "butler://demo"}, inplace=False)
    filler("start", run.start_doc)
    filler("descriptor", descriptor.descriptor_doc)
    filler("resource", resource.resource_doc)
    filler("datum", datum)
    np.testing.assert_array_equal(filler("event", event)[1]["data"]["calexp"], PLANE)


def test_a_handler_pickles(put: dict[str, str]) -> None:
    handler = ButlerDataset(f"butler://demo/{put['calexp']}", component="mask")
    handler()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(handler))(), IMAGE.mask)


def test_a_missing_dataset_is_named_with_its_repository(site: Site) -> None:
    uuid = uuid4()
    with pytest.raises(LostDatasetError, match=rf"'demo' \(.*/repo/?\) has no dataset {uuid}.*root_map"):
        ButlerDataset("demo")(dataset=str(uuid))
    with pytest.raises(UnknownNameError, match=r"No repository is called 'dmo'. Did you mean 'demo'"):
        ButlerDataset("dmo")(dataset=str(uuid))


def test_a_picture_of_a_gone_object_is_of_the_dataset(
    put: dict[str, str], moto_endpoint: S3Endpoint, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`runs plot` shows the Butler's own, and says so: the annex has only a copy."""
    monkeypatch.setenv("UNDERBUTLER_S3_ENDPOINT_URL", moto_endpoint.url)
    monkeypatch.setenv("UNDERBUTLER_S3_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("UNDERBUTLER_S3_SECRET_ACCESS_KEY", "testing")
    ensure_bucket(make_client(load_settings()), "rubinobs-lfa-test-plots")
    run = event_model.compose_run(metadata={"label": "demo", "task": "processCcd"})
    key = {"source": "butler", "dtype": "array", "shape": [3, 4], "external": "FILESTORE:"}
    descriptor = run.compose_descriptor(name="primary", data_keys={"calexp": key})
    arguments = {"size": 2880, "sha256": "0" * 64, "dataset": put["calexp"]}
    url = "s3://rubinobs-lfa-test-plots/gone.fits"
    resource = run.compose_resource(spec="ANNEX_FITS", root="", resource_path=url, resource_kwargs=arguments)
    datum = resource.compose_datum({"hdu": "IMAGE"})
    event = descriptor.compose_event(
        data={"calexp": datum["datum_id"]}, timestamps={"calexp": 0.0}, filled={"calexp": False}
    )
    documents: list[tuple[str, Any]] = [
        ("start", run.start_doc),
        ("descriptor", descriptor.descriptor_doc),
        ("resource", resource.resource_doc),
        ("datum", datum),
        ("event", event),
        ("stop", run.compose_stop()),
    ]
    export_run(documents, tmp_path / "runs")
    picture = tmp_path / "picture.png"
    said = CommandLine(capsys)("runs", "plot", "-1", "calexp", "--catalog", tmp_path / "runs", "-o", picture)
    assert (said.code, picture.exists()) == (0, True), said.err
    whose = f"{url} is gone from the annex: this is the Butler's own dataset {put['calexp']} in 'demo'."
    assert whose in " ".join(said.err.split())


def test_an_artifact_that_is_gone_is_named(put: dict[str, str]) -> None:
    demo = ButlerDataset("demo")
    (path,) = demo.get_file_list([{"dataset": put["numbers"]}])
    away = Path(path).rename(f"{path}.away")
    try:
        with pytest.raises(LostDatasetError, match=f"artifact of numbers .*{put['numbers']}.* is gone"):
            demo(dataset=put["numbers"])
    finally:
        away.rename(path)


def test_a_registry_that_does_not_answer_is_no_lost_dataset(site: Site, put: dict[str, str]) -> None:
    demo = ButlerDataset("demo")
    demo(dataset=put["vector"])
    (registry,) = (site.settings.home.parent / "repo").glob("*.sqlite3")
    away = registry.rename(f"{registry}.away")
    registry.mkdir()
    close_repositories()
    try:
        with pytest.raises((TransientError, UsageError)) as caught:
            demo(dataset=put["vector"])
        assert not isinstance(caught.value, LostDatasetError)
        assert "'demo'" in str(caught.value)
    finally:
        registry.rmdir()
        away.rename(registry)


@pytest.mark.parametrize(
    ("dataset", "arguments", "said"),
    [
        (
            "calexp",
            {"component": "imge"},
            "calexp.* has no component 'imge'. Did you mean 'image'. It has header, image",
        ),
        ("vector", {"component": "image"}, "no component 'image'"),
        ("src", {"column": "y"}, "has no column 'y'.* It has id, x"),
        ("vector", {"column": "y"}, "It has no columns"),
        ("vector", {"part": 1}, "'BUTLER' knows no 'part' in datum_kwargs"),
        ("src", {"columns": "x"}, "a list of names"),
    ],
)
def test_a_missing_part_is_refused_with_those_there_named(
    put: dict[str, str], dataset: str, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(HandlerArgumentError, match=said) as caught:
        ButlerDataset("demo")(dataset=put[dataset], **arguments)
    assert isinstance(caught.value, UnknownColumnError) == ("column" in arguments)


def test_what_no_array_holds_is_refused(put: dict[str, str]) -> None:
    with pytest.raises(UnreadableFileError, match=r"settings.* is of storage class StructuredDataDict, which no array"):
        ButlerDataset("demo")(dataset=put["settings"])
    with pytest.raises(
        UnreadableFileError, match=r"class CcdHeader, which no array holds\. Choose component=…, one of header, image"
    ):
        ButlerDataset("demo")(dataset=put["calexp"], component="header")


@pytest.mark.parametrize(
    ("path", "arguments", "said"),
    [
        ("butler://", {}, "names no repository"),
        ("", {}, "names no repository"),
        ("butler://demo/12", {}, "'12' is not a UUID"),
        ("demo", {"dataset": 5}, "5 is not a UUID"),
        ("demo", {"label": "x"}, "knows no 'label' in resource_kwargs"),
        ("demo", {"component": 1}, "takes as component a name"),
        ("demo", {"settings": {}}, "takes as settings"),
    ],
)
def test_a_wrong_resource_is_refused_before_opening_the_butler(path: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(HandlerArgumentError, match=said):
        ButlerDataset(path, **arguments)


def test_a_datum_that_names_no_dataset_is_refused() -> None:
    with pytest.raises(HandlerArgumentError, match="No dataset is named of repository 'demo'"):
        ButlerDataset("demo")()


def test_frames_and_tables_of_other_packages_are_arrays() -> None:
    import pandas as pd
    from astropy.nddata import CCDData

    np.testing.assert_array_equal(to_array(CCDData(PLANE, unit="adu"), "raw"), PLANE)
    frame = to_array(pd.DataFrame({"name": ["a", "bcd"], "x": [1.0, 2.0]}), "frame")
    assert frame.dtype == [("name", "U3"), ("x", "f8")]
    for value in ({"a": 1}, b"bytes", object(), ["a", None], None):
        with pytest.raises(TypeError, match="thing holds"):
            to_array(value, "thing")
