"""Runs over HTTP, as any client sees them: lists, facts, documents, columns, and refusals that say the cure."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from tests.support.catalog.runs import SCALAR, Memory, NpyHandler, Recording, data_key, fields_run, image_key, image_run
from tests.support.catalog.served_runs import Catalogue, MemoryShelf

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of which HTTP client the test client is made
    from starlette.testclient import TestClient

from underbutler.api import catalog_app
from underbutler.catalog.remote.wire_format import VERSION_HEADER, unpack, unpacked

MSGPACK = {"Accept": "application/msgpack"}


class Site:
    """Runs, and a client of the application that serves them."""

    def __init__(self, *runs: Memory) -> None:
        self.runs = list(runs)
        self.shelf = MemoryShelf(self.runs)
        self.client = TestClient(catalog_app(Catalogue(self.shelf, {"NPY": NpyHandler})), raise_server_exceptions=False)

    def get(self, path: str, headers: dict[str, str] | None = None, status: int = 200, **params: Any) -> Any:
        answer = self.client.get(path, params=params or None, headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.headers[VERSION_HEADER] == "1"
        return answer

    def json(self, path: str, **params: Any) -> Any:
        return self.get(path, **params).json()

    def packed(self, path: str, **params: Any) -> Any:
        return unpack(self.get(path, MSGPACK, **params).content)

    def error(self, path: str, status: int, headers: dict[str, str] | None = None, **params: Any) -> Any:
        said = self.get(path, headers, status, **params).json()["error"]
        assert said["kind"] == ("transient" if status == 503 else "fatal" if status == 500 else "usage")
        assert said["text"]
        assert said["cure"]
        return said


def run_at(time: float, uid: str, **start: Any) -> Memory:
    return Memory([("start", {"uid": uid, "time": time, **start})])


def uid_of(run: Memory) -> str:
    return str(run.start()["uid"])


@pytest.fixture
def night() -> Site:
    runs = [
        run_at(100.0 + number // 2, f"run-{number}", task="isr" if number % 3 else "measure") for number in range(10)
    ]
    return Site(*runs)


@pytest.fixture
def images(tmp_path: Path) -> Site:
    NpyHandler.loads.clear()
    return Site(image_run(tmp_path, rows=10, key=image_key(dtype_numpy="<u2")))


def test_runs_are_listed_newest_first(night: Site) -> None:
    listed = night.json("/runs")
    assert [run["uid"] for run in listed["runs"]] == [f"run-{number}" for number in range(9, -1, -1)]
    assert listed["runs"][0]["start"] == {"uid": "run-9", "time": 104.0, "task": "measure"}
    assert listed["runs"][0]["stop"] is None
    assert (listed["version"], listed["next"]) == (1, None)


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 10, 11])
def test_pages_follow_each_other_without_gap_or_repetition(night: Site, limit: int) -> None:
    seen, query = [], f"?limit={limit}"
    while query:
        page = night.json(f"/runs{query}")
        assert len(page["runs"]) <= limit
        seen += [run["uid"] for run in page["runs"]]
        query = page["next"]
    assert seen == [f"run-{number}" for number in range(9, -1, -1)]


def test_a_run_that_arrives_while_paging_moves_no_page(night: Site) -> None:
    first = night.json("/runs?limit=4")
    night.shelf.runs.append(run_at(999.0, "new"))
    assert [run["uid"] for run in night.json(f"/runs{first['next']}")["runs"]] == ["run-5", "run-4", "run-3", "run-2"]


def test_runs_are_searched_by_a_query_that_the_next_page_keeps(night: Site) -> None:
    where = json.dumps({"task": "measure", "time": {"$gte": 101}})
    page = night.json("/runs", where=where, limit=1, count="yes")
    assert ([run["uid"] for run in page["runs"]], page["count"]) == (["run-9"], 3)
    assert [run["uid"] for run in night.json(f"/runs{page['next']}")["runs"]] == ["run-6"]
    assert [run["uid"] for run in night.json("/runs", where=where, skip=2)["runs"]] == ["run-3"]
    assert night.json("/runs", limit=0, count="yes") == {
        "version": 1,
        "count": 10,
        "runs": [],
        "before": None,
        "next": None,
    }


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"limt": 3}, "No parameter is called 'limt' here. Did you mean 'limit'?"),
        ({"limit": 1001}, "an integer from 0 to 1000"),
        ({"limit": "many"}, "an integer from 0 to 1000"),
        ({"skip": -1}, "an integer from 0 on"),
        ({"count": "maybe"}, "count as yes or no"),
        ({"where": "{"}, "a mapping in JSON"),
        ({"where": "[1]"}, "a mapping in JSON"),
        ({"where": '{"time": {"$near": 3}}'}, "$near"),
        ({"before": "yesterday"}, "before='yesterday' is not a position"),
        ({"before": "nan,x"}, "is not a position"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_the_cure(night: Site, params: dict[str, Any], text: str) -> None:
    assert text in night.error("/runs", 400, **params)["text"]


def test_a_run_says_its_streams_fields_shapes_and_counts(images: Site) -> None:
    (run,) = images.runs
    said = images.json(f"/runs/{uid_of(run)}", partition_size=4)
    assert (said["start"], said["stop"]) == (run.start(), run.stop())
    stream = said["streams"]["primary"]
    assert stream["descriptors"] == run.descriptors()
    assert stream["counts"] == {run.descriptors()[0]["uid"]: 10}
    assert (stream["events"], stream["partitions"], stream["partition_size"]) == (10, 3, 4)
    assert stream["fields"]["image"] == {
        "dtype": "array",
        "dtype_numpy": "<u2",
        "shape": [4, 5],
        "object": None,
        "external": True,
    }
    assert images.packed(f"/runs/{uid_of(run)}")["streams"]["primary"]["events"] == 10


def test_a_run_that_nobody_knows_is_not_found_and_paths_neither(night: Site) -> None:
    assert "nobody" in night.error("/runs/nobody", 404)["text"]
    assert night.error("/runs/run-1/streams/primary/partitions/0", 404)["type"] == "UnknownNameError"
    assert night.error("/somewhere", 404)["text"].startswith("There is nothing at /somewhere. Ask GET /runs")
    refused = night.client.post("/runs")
    assert (refused.status_code, refused.json()["error"]["type"]) == (405, "NoSuchPlaceError")


def test_documents_are_lines_of_json(images: Site) -> None:
    (run,) = images.runs
    answer = images.get(f"/runs/{uid_of(run)}/documents")
    assert answer.headers["content-type"] == "application/x-ndjson"
    pairs = [json.loads(line) for line in answer.text.splitlines()]
    assert [name for name, _ in pairs] == ["start", "descriptor", "resource", "datum_page", "event_page", "stop"]
    assert pairs[4][1]["data"]["image"] == [datum["datum_id"] for datum in run.of("datum")]


def test_documents_are_messagepack_and_filled_when_asked(images: Site) -> None:
    (run,) = images.runs
    answer = images.get(f"/runs/{uid_of(run)}/documents", MSGPACK, fill="yes")
    pairs = dict(unpacked([answer.content]))
    np.testing.assert_array_equal(pairs["event_page"]["data"]["image"], np.arange(200).reshape(10, 4, 5))
    unfilled = dict(unpacked([images.get(f"/runs/{uid_of(run)}/documents", MSGPACK).content]))
    assert unfilled["event_page"]["data"]["image"] == [datum["datum_id"] for datum in run.of("datum")]


def test_arrays_are_not_sent_as_json(images: Site) -> None:
    path = f"/runs/{uid_of(images.runs[0])}"
    json_only = {"Accept": "application/json"}
    for asked, params in (("/documents", {"fill": "yes"}), ("/streams/primary/partitions/0", {})):
        said = images.error(f"{path}{asked}", 406, json_only, **params)
        assert "application/msgpack" in said["cure"]
    assert images.error(f"{path}/documents", 400, fill="delayed")["text"].startswith("fill='delayed' is not understood")


def test_a_non_finite_number_is_null_in_json_only() -> None:
    run = fields_run(2, {"x": (SCALAR, lambda row: math.nan if row else math.inf)})
    path, site = f"/runs/{uid_of(run)}/documents", Site(run)
    lines = [json.loads(line, parse_constant=pytest.fail) for line in site.get(path).text.splitlines()]
    assert dict(lines)["event_page"]["data"]["x"] == [None, None]
    packed = dict(unpacked([site.get(path, MSGPACK).content]))["event_page"]["data"]["x"]
    assert packed[0] == math.inf
    assert math.isnan(packed[1])


def test_references_come_without_events(images: Site) -> None:
    (run,) = images.runs
    pairs = [json.loads(line) for line in images.get(f"/runs/{uid_of(run)}/references").text.splitlines()]
    assert [name for name, _ in pairs] == ["resource", "datum_page"]
    assert pairs[1][1]["datum_id"] == [datum["datum_id"] for datum in run.of("datum")]


def test_documents_are_sent_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from underbutler.api import responses as answers

    read: list[int] = []

    def pairs() -> Iterator[tuple[str, Any]]:
        for number in range(1000):
            read.append(number)
            yield "event_page", {"number": number}

    chunks = answers._chunks(pairs(), answers.json_line)
    assert json.loads(next(chunks)) == ["event_page", {"number": 0}]
    assert read == [0]
    monkeypatch.setattr(answers, "CHUNK_BYTES", 100)
    assert next(chunks).count(b"\n") > 1  # small ones together
    assert len(read) < 1000


def test_what_fails_in_the_middle_is_the_last_line(tmp_path: Path) -> None:
    run = image_run(tmp_path)
    (tmp_path / "images.npy").unlink()
    site = Site(run)
    *pairs, (name, said) = unpacked([site.get(f"/runs/{uid_of(run)}/documents", MSGPACK, fill="yes").content])
    assert [kind for kind, _ in pairs][:2] == ["start", "descriptor"]
    assert (name, said["type"], said["kind"]) == ("error", "DataGoneError", "usage")
    assert "images.npy" in said["text"]


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


def test_a_lost_external_file_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    run = image_run(tmp_path)
    (tmp_path / "images.npy").unlink()
    site, path = Site(run), f"/runs/{uid_of(run)}/streams/primary/partitions/0"
    said = site.error(path, 410)
    assert (said["type"], said["fields"]["field"]) == ("DataGoneError", "image")
    assert site.packed(path, exclude="image")[0]["data"]["fwhm"].tolist() == [1.5, 2.5, 3.5]


def test_a_server_fault_is_fatal_and_hides_its_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_at(1.0, "a")

    def fail() -> Any:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(run, "descriptors", fail)
    said = Site(run).error("/runs/a", 500)
    assert "ZeroDivisionError" in said["text"]
    assert "secret" not in said["text"]


def test_a_store_that_is_away_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    from underbutler.errors import RecordsUnavailableError

    run = run_at(1.0, "a")

    def away() -> Any:
        raise RecordsUnavailableError("The database does not answer.")

    monkeypatch.setattr(run, "descriptors", away)
    site = Site(run)
    assert site.error("/runs/a", 503)["cure"] == "Send the same request again later."
    assert "Retry-After" in site.get("/runs/a", status=503).headers
    assert msgpack.unpackb(site.get("/runs/a", MSGPACK, 503).content)["error"]["type"] == "RecordsUnavailableError"


def test_an_open_run_is_served_as_far_as_it_is(tmp_path: Path) -> None:
    recording = Recording()
    descriptor = recording.stream("primary", {"x": SCALAR})
    recording.event(descriptor, {"x": 0.0})
    site, path = Site(recording.memory), f"/runs/{uid_of(recording.memory)}"
    assert site.json(path)["streams"]["primary"]["events"] == 1
    recording.event(descriptor, {"x": 1.0})
    assert site.json(path)["streams"]["primary"]["events"] == 2
    assert site.packed(f"{path}/streams/primary/partitions/0")[0]["data"]["x"].tolist() == [0.0, 1.0]
    assert json.loads(site.get(f"{path}/documents").text.splitlines()[-1])[0] == "event_page"
    assert site.json(path)["stop"] is None
