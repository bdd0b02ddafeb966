"""The submission API, with a real server: what happens, what can be submitted, how the service is, and its page."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.api.server import SKY, ApiServer
from tests.support.stack.site import Site
from underbutler.model.bearer import SCOPES

pytestmark = pytest.mark.xdist_group("site")

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "submit-over-http.md"


@pytest.fixture(scope="module")
def ann(api: ApiServer) -> Iterator[httpx.Client]:
    with api.client("ann") as client:
        yield client


def told(stream: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    """Yield id, name and data of the events of a stream."""
    fields: dict[str, str] = {}
    for line in stream.iter_lines():
        if line:
            name, _, text = line.partition(": ")
            fields[name] = text
        elif "data" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


def test_what_happens_is_told_again_from_where_it_was_cut(ann: httpx.Client) -> None:
    with ann.stream("GET", "/v1/events") as live:
        lines = live.iter_lines()
        begin = next(line.removeprefix("id: ") for line in lines if line.startswith("id: "))
    job = ann.post("/v1/jobs", json=SKY).json()["id"]
    seen = []
    with ann.stream("GET", "/v1/events", params={"job": job}, headers={"Last-Event-ID": begin}) as stream:
        for place, kind, data in told(stream):
            seen.append((place, kind, data))
            if data.get("phase") == "COMPLETED":
                break
    phases = [data["phase"] for _, kind, data in seen if kind == "job"]
    assert phases == ["QUEUED", "EXECUTING", "COMPLETED"]
    ends = [data["ordinal"] for _, kind, data in seen if kind == "target" and data["state"] == "done"]
    assert sorted(ends) == [0, 1]
    assert sum(kind == "notice" for _, kind, _ in seen) == 2
    again = []
    with ann.stream("GET", "/v1/events", params={"job": job}, headers={"Last-Event-ID": seen[2][0]}) as stream:
        for place, kind, data in told(stream):
            again.append((place, kind, data))
            if data.get("phase") == "COMPLETED":
                break
    assert again == seen[3:]


def test_events_of_others_and_wrong_places_are_refused(api: ApiServer, ann: httpx.Client) -> None:
    job = ann.post("/v1/jobs", json=SKY).json()["id"]
    with api.client("bob") as bob, bob.stream("GET", "/v1/events", headers={"Last-Event-ID": "0-0"}) as stream:
        own = bob.post("/v1/jobs", json=SKY).json()["id"]
        _, _, first = next(told(stream))
    assert first["job"] == own != job
    assert ann.get("/v1/notices", headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_job_is_cancelled_and_run_again_in_every_way(site: Site, ann: httpx.Client) -> None:
    slow = SKY | {"steps": [SKY["steps"][0] | {"task": "probeFail"}]}
    job = ann.post("/v1/jobs", json=slow).json()
    while job["phase"] != "ERROR":
        job = ann.get(f"/v1/jobs/{job['id']}", params={"wait": -1}).json()
    assert ann.post(f"/v1/jobs/{job['id']}/cancel").status_code == 409
    targets = ann.get(f"/v1/jobs/{job['id']}/targets", params={"state": "failed", "limit": 1}).json()
    one = targets["targets"][0]
    assert targets["next"] == "0"
    chosen = {"targets": [one["id"]], "config": ["words=again"]}
    again = ann.post(f"/v1/jobs/{job['id']}/retry", json=chosen).json()
    assert (again["n_targets"], again["parent"], again["user"]) == (1, job["id"], "ann")
    rest = ann.post(f"/v1/jobs/{job['id']}/recover").json()
    assert rest["n_targets"] == 1
    assert ann.post(f"/v1/jobs/{job['id']}/recover").status_code == 422, "each is run again once"
    whole = ann.post(f"/v1/jobs/{job['id']}/rerun", json={"config": ["words=other"]}).json()
    assert whole["n_targets"] == 2
    cancelled = ann.post(f"/v1/jobs/{whole['id']}/cancel")
    assert cancelled.status_code in {200, 409}
    shown = ann.get(f"/v1/jobs/{job['id']}/targets/{one['id']}", params={"log": "true"}).json()
    assert [attempt["end"] for attempt in shown["attempts"]] == ["failed"]
    assert "ArithmeticError" in shown["attempts"][0]["log"]
    assert ann.get(f"/v1/jobs/{job['id']}/targets/{uuid.uuid4()}").status_code == 404


def test_tasks_tell_how_they_are_configured(ann: httpx.Client) -> None:
    names = [task["name"] for task in ann.get("/v1/tasks").json()["tasks"]]
    assert {"processCcd", "probeWrite", "probeBroken"} <= set(names)
    task = ann.get("/v1/tasks/processCcd").json()
    threshold = task["config"]["properties"]["detect"]["properties"]["threshold"]
    assert (threshold["type"], threshold["default"]) == ("number", 1.5)
    assert threshold["description"]
    assert ann.get("/v1/tasks/nothing").status_code == 404


def test_the_service_says_how_it_is(api: ApiServer, ann: httpx.Client) -> None:
    assert httpx.get(f"{api.url}/health").json() == {"status": "alive"}
    ready = httpx.get(f"{api.url}/ready", timeout=30)
    assert ready.json()["parts"] == dict.fromkeys(("records", "broker", "annex", "worker", "repositories"), "ok")
    assert "underbutler_records_up 1.0" in ann.get("/metrics").text
    assert ann.get("/v1/schedules").status_code == 403
    with api.admin() as admin:
        assert admin.get("/v1/schedules").json() == {"schedules": []}
        assert admin.get("/v1/audit", params={"limit": 1}).json()["audit"][0]["result"]
        assert admin.get("/v1/quarantine").json().keys() == {"held", "groups"}
    assert "groups" not in ann.get("/v1/quarantine").json()


def test_the_description_holds_every_schema_that_it_names(api: ApiServer) -> None:
    document = httpx.get(f"{api.url}/openapi.json").json()
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert "JobRequest" in named
    assert named <= document["components"]["schemas"].keys()


def test_every_block_on_submitting_over_http_runs(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNDERBUTLER_API_URL", api.url)
    monkeypatch.setenv("UNDERBUTLER_API_TOKEN", api.token("page", tuple(SCOPES)).secret)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) == 7
    assert capsys.readouterr().out.startswith("2 []\nCOMPLETED {'done': 2}\n")
