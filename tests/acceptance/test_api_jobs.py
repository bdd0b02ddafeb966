"""The submission API, with a real server, worker and broker: jobs as JSON."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from underbutler_client import Client, NotFoundError, RefusedError

from tests.support.api.server import SKY, ApiServer
from tests.support.services import eventually
from tests.support.stack.site import Site

pytestmark = pytest.mark.xdist_group("site")


@pytest.fixture(scope="module")
def ann(api: ApiServer) -> Iterator[httpx.Client]:
    with api.client("ann") as client:
        yield client


def test_a_posted_request_becomes_a_job_that_completes(site: Site, api: ApiServer, ann: httpx.Client) -> None:
    made = ann.post("/v1/jobs", json=SKY)
    assert made.status_code == 201, made.text
    job = made.json()
    assert (job["n_targets"], job["user"], job["task"]) == (2, "ann", "probeWrite")
    assert made.headers["Location"] == f"{api.url}/v1/jobs/{job['id']}"
    while job["phase"] in {"QUEUED", "EXECUTING"}:
        job = ann.get(f"/v1/jobs/{job['id']}", params={"wait": -1}).json()
    assert (job["phase"], job["counts"]) == ("COMPLETED", {"done": 2})
    row = site.context.jobs.read.job(uuid.UUID(job["id"]))
    assert row.run.startswith("u/ann/probeWrite/")


def test_the_client_submits_waits_and_fetches(api: ApiServer, tmp_path: Path) -> None:
    """What `underbutler.Client` calls is what the server serves."""
    told: list[str] = []
    with Client(api.url, api.token("ann").secret) as service:
        made = service.submit(SKY)
        assert service.submit(SKY, key="one").id == service.submit(SKY, key="one").id
        ended = service.wait(made, told=lambda job: told.append(job.phase), timeout_s=120)
        assert (ended.succeeded, ended.counts, told[-1]) == (True, {"done": 2}, "COMPLETED")
        assert made.id in {job.id for job in service.jobs(task="probeWrite")}
        products = list(service.products(made))
        files = service.results(made, tmp_path, types=[products[0].dataset_type])
        assert len(files) == len({file.name for file in files}) == 2
        phases = (one.data.get("phase") for one in service.events(after="0-0") if one.data["job"] == str(made.id))
        assert "COMPLETED" in phases
        assert "probeWrite" in {task["name"] for task in service.tasks()}
        (told_why,) = service.why(made)
        assert (told_why["state"], told_why["alike"]) == ("done", 1)
        assert told_why["reasons"]
        with pytest.raises(NotFoundError, match="has no target"):
            service.why(made, made.id)
        with pytest.raises(RefusedError, match="Did you mean 'probeWrite'"):
            service.submit(task="probeWrit", repo="demo", id="detector=0")


def test_a_dry_run_names_the_targets_and_writes_nothing(site: Site, ann: httpx.Client) -> None:
    before = [row.id for row in site.context.jobs.read.jobs(1)]
    told = ann.post("/v1/jobs", params={"dry_run": "true"}, json=SKY).json()
    assert [target["data_id"]["detector"] for target in told["targets"]] == [0, 0]
    assert told["look"]["findings"] == []
    assert [row.id for row in site.context.jobs.read.jobs(1)] == before


def test_every_fault_of_a_request_names_its_field(ann: httpx.Client) -> None:
    wrong = {"repo": "nowhere", "steps": [{"task": "probeWrit", "ids": {"id": [["detector=0"]]}}]}
    told = ann.post("/v1/jobs", json=wrong)
    assert told.status_code == 422
    assert told.headers["content-type"] == "application/problem+json"
    assert {fault["field"] for fault in told.json()["faults"]} == {"steps[0].task", "repo"}
    assert "Did you mean 'probeWrite'" in told.text


@pytest.mark.parametrize("body", ["[" * 100_000, "{", "null", '{"repo": NaN}', '{"repo": "demo", "steps": [{"a": 1}]}'])
def test_a_body_that_is_not_a_request_is_refused(ann: httpx.Client, body: str) -> None:
    told = ann.post("/v1/jobs", content=body)
    assert (told.status_code, told.json()["kind"]) == (422, "usage")


def test_one_key_makes_one_job_however_often_it_comes(ann: httpx.Client) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ann.post("/v1/jobs", json=SKY, headers=key), range(20)))
    assert sorted(one.status_code for one in answers) == [200] * 19 + [201]
    assert len({one.json()["id"] for one in answers}) == 1
    other = SKY | {"tags": {"a": "b"}}
    assert ann.post("/v1/jobs", json=other, headers=key).status_code == 409


def test_jobs_of_others_look_absent(api: ApiServer, ann: httpx.Client) -> None:
    job = ann.get("/v1/jobs").json()["jobs"][0]["id"]
    with api.client("eve") as bob, api.client("ann", repos=["other"]) as elsewhere, api.admin() as admin:
        absent = bob.get(f"/v1/jobs/{uuid.uuid4()}").json()
        for stranger in (bob, elsewhere):
            told = stranger.get(f"/v1/jobs/{job}")
            assert told.status_code == 404
            assert told.json().keys() == absent.keys()
            assert stranger.get("/v1/jobs").json()["jobs"] == []
        assert admin.get(f"/v1/jobs/{job}").json()["user"] == "ann"
        refused = elsewhere.post("/v1/jobs", json=SKY)
        assert (refused.status_code, refused.json()["faults"][0]["field"]) == (403, "repo")


def test_a_scope_that_is_missing_is_named(api: ApiServer) -> None:
    with api.client("ann", ["read"]) as reader:
        told = reader.post("/v1/jobs", json=SKY)
    assert told.status_code == 403
    assert "'submit'" in told.json()["detail"]


def test_a_revoked_token_is_refused_within_five_seconds(site: Site, api: ApiServer) -> None:
    bearer = api.token("ann")
    with api.client_with(bearer.secret) as client:
        assert client.get("/v1/jobs").status_code == 200
        assert site.run("token", "revoke", bearer.id).code == 0
        eventually(lambda: client.get("/v1/jobs").status_code == 401, 5, "a token that is refused")
    row = api.context.jobs.credentials.get(bearer.id)
    assert row.used_at is not None


def test_a_request_without_a_token_is_told_how_to_get_one(api: ApiServer) -> None:
    told = httpx.get(f"{api.url}/v1/jobs")
    assert (told.status_code, told.headers["www-authenticate"]) == (401, 'Bearer realm="underbutler"')
    assert "underbutler token create" in told.json()["detail"]
    for headers in ({"Authorization": "Bearer ubt_0"}, {"X-Auth-Request-User": "ann"}, {"Authorization": "Basic ="}):
        assert httpx.get(f"{api.url}/v1/jobs", headers=headers).status_code == 401


@pytest.mark.parametrize("begun", [b"", b"GET /health HTTP/1.1\r\nHost: "], ids=["nothing", "half a head"])
def test_a_half_sent_request_is_closed(api: ApiServer, begun: bytes) -> None:
    host = httpx.URL(api.url)
    with socket.create_connection((host.host, host.port or 0), timeout=60) as connection:
        connection.sendall(begun)
        assert connection.recv(1) == b"", "closed without an answer"


def test_another_host_or_origin_may_not_ask(ann: httpx.Client) -> None:
    assert ann.get("/v1/jobs", headers={"Host": "evil.example"}).status_code == 421
    assert ann.post("/v1/jobs", json=SKY, headers={"Origin": "https://evil.example"}).status_code == 403
    told = ann.get("/v1/jobs")
    assert told.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in told.headers["content-security-policy"]


def test_the_list_is_filtered_and_paged(ann: httpx.Client) -> None:
    tagged = [ann.post("/v1/jobs", json=SKY | {"tags": {"night": "n1"}}).json()["id"] for _ in range(3)]
    seen, cursor = [], None
    for _ in range(3):
        page = ann.get(
            "/v1/jobs", params={"tag": "night=n1", "limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == tagged[::-1]
    assert ann.get("/v1/jobs", params={"task": "makeFlat"}).json()["jobs"] == []
    found = ann.get("/v1/jobs", params={"text": tagged[0][-8:]}).json()["jobs"]
    assert [job["id"] for job in found] == [tagged[0]]
    assert ann.get("/v1/jobs", params={"fase": "ERROR"}).status_code == 422


def test_a_reviewed_job_is_begun_by_somebody_else(api: ApiServer, ann: httpx.Client) -> None:
    job = ann.post("/v1/jobs", params={"review": "true"}, json=SKY).json()
    assert (job["phase"], job["n_targets"], job["needs_approval"]) == ("PENDING", 0, True)
    assert ann.post(f"/v1/jobs/{job['id']}/start").status_code == 403
    with api.client("ann", ["read", "submit", "approve"]) as herself:
        assert herself.post(f"/v1/jobs/{job['id']}/approve").status_code == 403
    with api.client("chris", ["read", "approve"]) as chris:
        assert [one["id"] for one in chris.get("/v1/jobs").json()["jobs"]] == [job["id"]]
        begun = chris.post(f"/v1/jobs/{job['id']}/approve").json()
        assert (begun["n_targets"], begun["approved_by"], begun["user"]) == (2, "chris", "ann")
        assert chris.post(f"/v1/jobs/{job['id']}/approve").status_code == 404, "it is not for chris to see any more"
    audit = [(line.who, line.action) for line in api.context.jobs.audit.latest(20) if line.subject == job["id"]]
    assert audit == [("chris", "approve"), ("ann", "store")]
