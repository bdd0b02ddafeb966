"""A broker finds runs by all the names that people have for them, in a database and in a folder alike."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import event_model
import numpy as np
import pytest

from tests.support.catalog.rows import imaged_run, run_of
from underbutler.catalog import Broker, CatalogStore, TimeRange, export_run
from underbutler.errors import UnknownNameError, UsageError

RUNS = {
    "1a2b3c": {"time": 1.0, "scan_id": 5, "task": "makeBias"},
    "1a2fff": {"time": 4.0, "scan_id": 6, "task": "processCcd"},
    "7890ab": {"time": 2.0, "scan_id": 5, "task": "processCcd"},
    "42": {"time": 3.0, "scan_id": 1234, "task": "processCcd"},
}
NEWEST_FIRST = ["1a2fff", "42", "7890ab", "1a2b3c"]


def in_database(url: str, folder: Path, documents: Any) -> str:
    CatalogStore.open(url).import_run(documents)
    return url


def in_jsonl(url: str, folder: Path, documents: Any) -> str:
    return str(export_run(documents, folder / "runs", "jsonl").parent)


def in_msgpack(url: str, folder: Path, documents: Any) -> str:
    return str(export_run(documents, folder / "runs", "msgpack").parent)


@pytest.fixture(params=[in_database, in_jsonl, in_msgpack], ids=["database", "jsonl", "msgpack"])
def cat(request: pytest.FixtureRequest, catalogue_url: str, tmp_path: Path) -> Broker:
    keep: Callable[[str, Path, Any], str] = request.param
    for uid, start in RUNS.items():
        place = keep(catalogue_url, tmp_path, run_of(uid, **start))
    return Broker(place)


def test_runs_are_found_by_index_scan_id_uid_and_prefix(cat: Broker) -> None:
    assert [cat[-number].uid for number in (1, 2, 3, 4)] == NEWEST_FIRST
    assert cat[5].uid == "7890ab"
    assert cat[np.int64(6)].uid == "1a2fff"
    assert cat["1a2b3c"].uid == "1a2b3c"
    assert cat["1a2b"].uid == "1a2b3c"
    assert cat["789"].uid == "7890ab"
    assert cat["90ab"].uid == "7890ab", "its end"
    assert cat["1234"].uid == "42"
    assert cat["42"].uid == "42"
    assert cat["-2"].uid == "42"


def test_what_there_is_not_is_said(cat: Broker) -> None:
    with pytest.raises(KeyError, match=r"No run of .* has a uid that begins or ends with 'ffff'"):
        cat["ffff"]
    with pytest.raises(KeyError, match="has scan_id 77"):
        cat[77]
    with pytest.raises(IndexError, match=r"there is no run -5: it has 4"):
        cat[-5]
    with pytest.raises(ValueError, match=r"Several runs begin or end with '1a2': 1a2fff, 1a2b3c\. Write more"):
        cat["1a2"]
    for key in (None, 1.5, True, ("a",), ""):
        with pytest.raises(UnknownNameError):
            cat[key]


def test_it_is_a_mapping_newest_first(cat: Broker) -> None:
    assert list(cat) == list(cat.keys()) == [uid for uid, _ in cat.items()] == NEWEST_FIRST
    assert [run.uid for run in cat.values()] == NEWEST_FIRST
    assert len(cat) == len(cat.items()) == 4
    assert "1a2b" in cat
    assert 5 in cat
    assert -4 in cat
    assert not any(key in cat for key in ("1a2", "zz", 99, -5, None))
    assert cat.get("zz") is None
    assert cat.v2 is cat
    assert repr(cat).startswith("<Broker ")


def test_searches_narrow_each_other(cat: Broker) -> None:
    reduced = cat.search({"task": "processCcd"})
    assert list(reduced) == ["1a2fff", "42", "7890ab"]
    late = reduced.search(TimeRange(since=2.5))
    assert list(late) == ["1a2fff", "42"]
    assert late[-2].uid == "42"
    assert len(late) == 2
    assert list(late.search({"$or": [{"scan_id": 6}, {"scan_id": 5}]})) == ["1a2fff"]
    assert list(cat.search({})) == NEWEST_FIRST
    assert "1a2b3c" not in late
    with pytest.raises(KeyError):
        late["7890ab"]
    with pytest.raises(UsageError, match=r"'\$near' is not supported"):
        late.search({"x": {"$near": 3}})
    assert len(cat) == 4


def test_runs_are_read(cat: Broker) -> None:
    run = cat["7890"]
    assert run.metadata["stop"]["exit_status"] == "success"
    assert run.primary.read()["x"].values.tolist() == [0.125, 0.25, 0.375]


class TwoByTwo:
    specs = ("TEST",)

    def __init__(self, path: str, **kwargs: Any) -> None:
        self.path = path

    def __call__(self, index: int) -> Any:
        return np.full((2, 2), index, dtype="u2")


class Paths(TwoByTwo):
    seen: list[str]

    def __call__(self, index: int) -> Any:
        self.seen.append(self.path)
        return super().__call__(index)


def test_handlers_are_given_or_registered(catalogue_url: str) -> None:
    CatalogStore.open(catalogue_url).import_run(imaged_run(images=2))
    cat = Broker(catalogue_url, handler_registry={})
    assert dict(cat.handler_registry) == {}
    cat.register_handler("TEST", TwoByTwo)
    assert cat.handler_registry["TEST"] is TwoByTwo
    assert cat[-1].primary.read()["image"].values.max(axis=(1, 2)).tolist() == [0, 1]
    with pytest.raises(event_model.DuplicateHandler):
        cat.register_handler("TEST", Paths)
    assert cat.deregister_handler("TEST") is TwoByTwo
    assert "TEST" not in cat.handler_registry
    given = Broker(catalogue_url, handler_registry={"TEST": f"{__name__}.TwoByTwo"})
    assert given.search({})[-1].primary.read()["image"].shape == (2, 2, 2)


def test_files_that_were_moved_are_found_by_the_root_map(catalogue_url: str) -> None:
    CatalogStore.open(catalogue_url).import_run(imaged_run(images=1))
    handler = type("Seen", (Paths,), {"seen": []})
    cat = Broker(catalogue_url, handler_registry={"TEST": handler}, root_map={"/data": Path("/moved")})
    cat[-1].primary.read()
    cat.root_map["/data"] = "/moved/again"
    cat[-1].primary.read()
    assert handler.seen == ["/moved/images.npy", "/moved/again/images.npy"]


def test_a_relative_root_map_is_refused(catalogue_url: str) -> None:
    with pytest.raises(ValueError, match=r"sends '/data' to 'here', which is relative"):
        Broker(catalogue_url, root_map={"/data": "here"})
    assert Broker(catalogue_url, root_map={"/data": "s3://bucket/data"}).root_map == {"/data": "s3://bucket/data"}


def test_fillers_are_of_the_class_that_was_given(catalogue_url: str) -> None:
    CatalogStore.open(catalogue_url).import_run(imaged_run(images=1))
    made = []

    class Counting(event_model.Filler):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append(kwargs)
            super().__init__(*args, **kwargs)

    Broker(catalogue_url, handler_registry={"TEST": TwoByTwo}, filler_class=Counting)[-1].primary.read()
    assert made
    assert Broker(catalogue_url, filler_class="event_model.NoFiller")


def test_transforms_patch_what_is_read(cat: Broker) -> None:
    patched = Broker(cat.place, transforms={"start": lambda start: {**start, "owner": "ann"}})
    assert patched[-1].start["owner"] == "ann"
    assert len(patched.search({"owner": "ann"})) == 0
    with pytest.raises(NotImplementedError):
        Broker(cat.place, transforms={"event": lambda event: event})


def test_documents_are_inserted_where_that_is_possible(cat: Broker) -> None:
    documents = run_of("new", time=9.0)
    if cat.place.startswith("sqlite"):
        for name, document in documents:
            cat.insert(name, document)
        assert cat[-1].uid == "new"
    else:
        with pytest.raises(UsageError, match="is only read"):
            cat.insert(*documents[0])


def test_a_copy_of_a_broker_is_the_same_catalogue(cat: Broker) -> None:
    assert list(copy.copy(cat)) == NEWEST_FIRST
    assert cat == cat  # noqa: PLR0124 - it is not compared run by run
    assert cat != copy.copy(cat)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("mongodb://host/db", "No catalogue can be read from mongodb://"),
        ("/no/such/folder", "There is no folder or file /no/such/folder"),
        ("/no/such/folder/*.msgpack", "There is no folder or file /no/such/folder"),
        ("", "No place of runs is given"),
        ([], "No place of runs is given"),
        (None, "in an object of type NoneType"),
        ("http:///runs", "is not an address of a server"),
    ],
)
def test_a_place_that_is_none_is_refused(place: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Broker(place)


def test_a_file_that_holds_no_run_is_refused_unlike_a_database(catalogue_url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"{tmp_path}/records\.db is not a file of a run\. .*write {catalogue_url}"):
        Broker(tmp_path / "records.db")
    (tmp_path / "night.log").write_text("calm")
    with pytest.raises(UsageError, match=r"night\.log is not a file of a run\. Write"):
        Broker(tmp_path / "night.log")


def test_a_search_may_be_narrowed_often_and_keeps_its_query(cat: Broker) -> None:
    query = {"task": {"$in": ["processCcd"]}}
    found = cat.search(query)
    query["task"]["$in"].append("makeBias")
    for number in range(50):
        found = found.search({"scan_id": {"$ne": 1000 + number}})
    assert list(found) == [uid for uid in NEWEST_FIRST if RUNS[uid]["task"] == "processCcd"]


def test_a_run_that_is_not_there_may_be_something_else(cat: Broker) -> None:
    assert cat.get(-1).uid == "1a2fff"
    assert [cat.get(key, "none") for key in (-9, 77, "nobody", "1a2", None)] == ["none"] * 5


def test_a_broker_has_databrokers_name_too() -> None:
    from underbutler.catalog import v1, v2

    assert v2.Broker is Broker
    assert v1.Broker is not Broker


def test_words_of_intake_are_taken_and_others_are_not(catalogue_url: str) -> None:
    assert len(Broker(catalogue_url, description="this site", ttl=60)) == 0
    with pytest.raises(TypeError, match=r"no parameter 'rootmap'\. Did you mean 'root_map'"):
        Broker(catalogue_url, rootmap={})
    with pytest.raises(TypeError, match="registry is a mapping of specs to handlers"):
        Broker(catalogue_url, handler_registry=["NPY"])  # type: ignore[arg-type]


def test_a_database_without_tables_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="the file does not exist"):
        len(Broker(f"sqlite:///{tmp_path / 'none.db'}"))
