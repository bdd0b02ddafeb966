"""Runs over HTTP, as any client sees them: lists, facts, documents, columns, and refusals that say the cure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from tests.support.catalog.api_site import MSGPACK, Site, run_at, served_images, uid_of  # noqa: F401 - a fixture
from tests.support.catalog.runs import SCALAR, Recording, fields_run, image_run
from underbutler.catalog.remote.wire_format import unpacked


@pytest.fixture
def night() -> Site:
    runs = [
        run_at(100.0 + number // 2, f"run-{number}", task="isr" if number % 3 else "measure") for number in range(10)
    ]
    return Site(*runs)


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
