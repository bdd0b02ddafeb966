"""UWS 1.1 with a real server, worker and broker, driven by pyvo and judged by the schemas of the IVOA."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator

import httpx
import pytest
import requests
from pyvo.dal.exceptions import DALQueryError
from pyvo.dal.tap import AsyncTAPJob

from tests.support.api.schemas import faults
from tests.support.api.server import SKY, ApiServer
from tests.support.services import eventually
from tests.support.stack.site import Site
from underbutler.model.bearer import Bearer

pytestmark = pytest.mark.xdist_group("site")

FORM = {
    "task": "probeWrite",
    "Label": "demo",
    "ID": "instrument=SIMCAM detector=0",
    "WHERE": "exposure.observation_type = 'science'",
    "CONFIG": "words=one two",
    "RUNID": "night-1",
    "REQUEST": "doQuery",
    "LANG": "ADQL",
}


@pytest.fixture(scope="module")
def bearer(api: ApiServer) -> Bearer:
    return api.token("ann")


@pytest.fixture(scope="module")
def ann(api: ApiServer, bearer: Bearer) -> Iterator[httpx.Client]:
    with api.client_with(bearer.secret) as client:
        yield client


@pytest.fixture(scope="module")
def session(bearer: Bearer) -> requests.Session:
    made = requests.Session()
    made.headers["Authorization"] = f"Bearer {bearer.secret}"
    return made


def made(client: httpx.Client, **form: str) -> str:
    answer = client.post("/async", data=FORM | form)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_pyvo_runs_a_job_and_fetches_what_it_made(
    site: Site, api: ApiServer, ann: httpx.Client, session: requests.Session
) -> None:
    job = AsyncTAPJob(made(ann), session=session, delete=False)
    assert (job.phase, job.owner, job.quote, job.result_uris) == ("PENDING", "ann", None, [])
    assert site.context.jobs.read.targets(uuid.UUID(job.job_id)) == []
    job.run().wait()
    assert job.phase == "COMPLETED"
    job.raise_if_error()
    table = job.fetch_result().to_table()
    assert len(table) == len(job.result_uris) - 1
    (picture, _) = [row for row in table if row["dataset_type"] == "probePicture"]
    held = session.get(picture["access_url"])
    assert held.content == b"\x89PNG\r\n\x1a\none two"
    assert [one.status_code for one in held.history] == [303]
    signed = held.history[0].headers["Location"]
    assert "X-Amz-Expires=900" in signed
    assert session.head(picture["access_url"], allow_redirects=True).headers["Content-Length"] == str(len(held.content))
    part = session.get(picture["access_url"], headers={"Range": "bytes=1-3"})
    assert part.content == b"PNG"
    (small, _) = [row for row in table if row["dataset_type"] == "probeTable"]
    assert "words: one two" in session.get(small["access_url"]).text
    document = ann.get(f"/async/{job.job_id}").content
    assert document == ann.get(f"/async/{job.job_id}").content, "a document does not change when it is read"
    assert b"Signature" not in document
    assert b"night-1" in document
    job.delete()


def test_pyvo_changes_limits_and_aborts_a_pending_job(ann: httpx.Client, session: requests.Session) -> None:
    job = AsyncTAPJob(made(ann), session=session, delete=False)
    job.execution_duration = 90
    job.destruction = "2036-12-02T00:00:00.000000Z"
    posted = ann.post(f"/async/{job.job_id}/parameters", data={"config": "words=three"})
    assert posted.status_code == 303
    assert ann.get(f"/async/{job.job_id}/parameters/CONFIG").text == "words=three"
    assert ann.get(f"/async/{job.job_id}/executionduration").text == "90"
    assert ann.get(f"/async/{job.job_id}/destruction").text == "2036-12-02T00:00:00.000Z"
    job.abort()
    assert job.phase == "ABORTED"
    document = ann.get(f"/async/{job.job_id}").text
    assert re.search(r"<uws:endTime>\S+Z</uws:endTime>", document)
    assert ann.post(f"/async/{job.job_id}/phase", data={"PHASE": "RUN"}).status_code == 409
    assert ann.post(f"/async/{job.job_id}/parameters", data={"TASK": "x"}).status_code == 409


def test_a_job_that_is_not_understood_ends_with_its_faults(ann: httpx.Client, session: requests.Session) -> None:
    job = AsyncTAPJob(made(ann, task="probeWrit", Label="nowhere", PHASE="RUN"), session=session, delete=False)
    job.wait()
    assert job.phase == "ERROR"
    with pytest.raises(DALQueryError, match=r"probeWrite"):
        job.raise_if_error()
    told = ann.get(f"/async/{job.job_id}/error").text
    assert "steps[0].task" in told
    assert "nowhere" in told


def test_a_job_with_held_targets_ends_for_who_waits(site: Site, ann: httpx.Client, session: requests.Session) -> None:
    """Clients raise on HELD: what is in quarantine is counted, and the phase is ERROR."""
    job = AsyncTAPJob(made(ann, task="probeDie", CONFIG="words=", PHASE="RUN"), session=session, delete=False)
    job.wait()
    assert job.phase == "ERROR"
    document = ann.get(f"/async/{job.job_id}")
    assert 'held="2"' in document.text
    assert faults(document.content) == []
    with pytest.raises(DALQueryError, match="2 held"):
        job.raise_if_error()
    job.delete()


def test_every_document_is_valid_and_a_spoilt_one_is_not(ann: httpx.Client) -> None:
    job = made(ann)
    for path in ("/async", job, f"{job}/parameters", f"{job}/results", "/async?PHASE=ERROR&LAST=2"):
        answer = ann.get(path)
        assert (answer.headers["content-type"], faults(answer.content)) == ("application/xml", [])
    spoilt = ann.get(job).content.replace(b"PENDING", b"PENDIN")
    assert faults(spoilt) != []
    assert faults(ann.get("/availability").content, "VOSIAvailability") == []
    told = ann.get("/capabilities").content
    assert faults(told, "VOSICapabilities") == []
    assert b'standardID="ivo://ivoa.net/std/UWS#async-1.1"' in told
    assert b"securityMethod" in told


def test_the_list_is_filtered_as_the_standard_says(ann: httpx.Client) -> None:
    names = [made(ann).rsplit("/", 1)[-1] for _ in range(3)]
    created = re.search(r"<uws:creationTime>(\S+)</uws:creationTime>", ann.get(f"/async/{names[0]}").text)
    assert created is not None

    def listed(query: str) -> list[str]:
        return re.findall(r'jobref id="([^"]+)"', ann.get(f"/async?{query}").text)

    assert listed("LAST=2&phase=PENDING") == names[:0:-1]
    assert set(names) <= set(listed(f"AFTER={created[1]}&PHASE=PENDING")) | {names[0]}
    before = listed("PHASE=ARCHIVED")
    ann.delete(f"/async/{names[0]}")
    assert listed("PHASE=ARCHIVED") == [names[0], *before]
    assert names[0] not in listed("")
    assert ann.get(f"/async/{names[0]}/phase").text == "ARCHIVED"
    assert ann.get("/async?LAST=0").status_code == 422
    assert ann.get("/async?PHASE=RUNNIN").json()["faults"][0]["field"] == "PHASE"


def test_waiting_ends_with_the_phase_and_at_once_elsewhere(site: Site, ann: httpx.Client) -> None:
    job = made(ann)
    assert ">PENDING<" in ann.get(f"{job}?WAIT=20&PHASE=QUEUED").text, "it is in another phase already"
    ended = made(ann, task="nothing", PHASE="RUN")
    assert ">ERROR<" in ann.get(f"{ended}?WAIT=-1").text
    ann.post(f"{job}/phase", data={"PHASE": "RUN"})
    while not re.search(">(COMPLETED|ERROR)<", told := ann.get(f"{job}?WAIT=-1").text):
        pass
    assert ">COMPLETED<" in told


def test_destruction_never_removes_a_dataset_or_an_object(site: Site, ann: httpx.Client) -> None:
    job = made(ann, PHASE="RUN")
    identity = uuid.UUID(job.rsplit("/", 1)[-1])
    eventually(lambda: site.context.jobs.read.job(identity).phase == "COMPLETED", 60, "the end of a job")
    row = site.context.jobs.read.job(identity)
    notices = site.context.jobs.read.notices(identity)
    assert ann.delete(job).headers["Location"].endswith("/async")
    eventually(lambda: ann.get(f"{job}/phase").text == "ARCHIVED", 60, "a job that is destroyed")
    assert site.context.jobs.read.targets(identity) == []
    with site.context.repositories.butler("demo") as butler:
        assert len(butler.query_datasets("probePicture", collections=[row.run])) == 2
    for notice in notices:
        bucket, _, key = notice.url.removeprefix("s3://").partition("/")
        assert site.context.s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == notice.byteSize


def test_parameters_are_refused_by_name(ann: httpx.Client) -> None:
    told = ann.post("/async", data={"TASKS": "x", "LABEL": "demo", "CONFIG": "a", "label": "b"})
    assert told.status_code == 422
    assert [one["field"] for one in told.json()["faults"]] == ["TASKS", "CONFIG", "label"]
    assert "Did you mean 'TASK'" in told.text
    file = ann.post("/async", files={"TASK": ("a.txt", b"x")})
    assert file.status_code in {400, 422}


def test_a_request_in_json_comes_as_query_or_multipart(ann: httpx.Client, session: requests.Session) -> None:
    text = json.dumps(SKY)
    posted = ann.post("/async", files={"QUERY": (None, text), "PHASE": (None, "RUN")})
    job = AsyncTAPJob(posted.headers["Location"], session=session, delete=False).wait()
    assert job.phase == "COMPLETED"
    assert json.loads(ann.get(f"/async/{job.job_id}/parameters/JOBREQUEST").text) == SKY


def test_a_synchronous_job_answers_with_its_results(ann: httpx.Client) -> None:
    told = ann.post("/sync", data=FORM)
    assert told.status_code == 303
    table = ann.get(told.headers["Location"])
    assert table.headers["content-type"] == "application/x-votable+xml"
    assert b"probePicture" in table.content
    refused = ann.post("/sync", data=FORM | {"task": "nothing"})
    assert refused.status_code == 422
    assert "No task is called 'nothing'" in refused.text
