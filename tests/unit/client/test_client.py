"""The client against answers that are made up: what it sends again, what it reads, what it raises."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from underbutler_client import (
    Client,
    Job,
    LostEventsError,
    NotFoundError,
    Product,
    RefusedError,
    ServerError,
    UnavailableError,
    WrongFileError,
)

ID = "01a23157-8a3b-7000-b5db-417423dbccd3"
URL = "http://service.test/underbutler"
Answer = Callable[[httpx.Request], httpx.Response]


def job(phase: str = "QUEUED", **more: Any) -> dict[str, Any]:
    return {"id": ID, "phase": phase, "task": "processCcd", "repo": "demo", "user": "ann", "n_targets": 2} | more


class Service:
    """Answers in turn, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.answers: list[Answer | Exception | httpx.Response] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def client(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    for module in ("exchange", "fetching"):
        monkeypatch.setattr(f"underbutler_client.{module}.pause_s", lambda *_: 0.0)
    with Client(URL, "the-token", transport=httpx.MockTransport(service)) as made:
        yield made


def test_a_lost_answer_makes_no_second_job(client: Client, service: Service) -> None:
    service.answers = [httpx.ReadError("cut off"), httpx.Response(503), httpx.Response(200, json=job())]
    made = client.submit(
        task="processCcd", repo="demo", id="instrument=SIMCAM detector=0^1", config=["detect.threshold=5"]
    )
    assert str(made.id) == ID
    keys = {request.headers["Idempotency-Key"] for request in service.asked}
    assert (len(service.asked), len(keys)) == (3, 1)
    assert service.asked[0].headers["Authorization"] == "Bearer the-token"
    assert json.loads(service.asked[0].content) == {
        "repo": "demo",
        "steps": [
            {
                "task": "processCcd",
                "ids": {"id": [["instrument=SIMCAM", "detector=0^1"]]},
                "config": [{"path": "detect.threshold", "value": "5", "is_text": True}],
            }
        ],
    }


def test_what_would_act_twice_is_sent_once(client: Client, service: Service) -> None:
    service.answers = [httpx.ReadError("cut off")]
    with pytest.raises(UnavailableError, match="does not answer"):
        client.retry(ID)
    assert len(service.asked) == 1


def test_each_fault_is_told_with_its_field_and_cure(client: Client, service: Service) -> None:
    faults = [{"field": "steps.0.task", "message": "No task 'x'."}, {"field": "repo", "message": "No label 'y'."}]
    problem = {"detail": "Two fields are wrong.", "cure": "Correct them.", "faults": faults}
    service.answers = [httpx.Response(422, json=problem)]
    with pytest.raises(RefusedError) as refused:
        client.submit({"repo": "y", "steps": [{"task": "x"}]})
    assert str(refused.value).splitlines() == [
        "Two fields are wrong.",
        "  steps.0.task: No task 'x'.",
        "  repo: No label 'y'.",
        "Correct them.",
    ]
    assert (refused.value.status, refused.value.faults) == (422, faults)


@pytest.mark.parametrize(
    ("status", "kind", "times"),
    [(404, NotFoundError, 1), (401, RefusedError, 1), (500, ServerError, 1), (503, UnavailableError, 5)],
)
def test_answers_are_told_apart(
    client: Client, service: Service, status: int, kind: type[Exception], times: int
) -> None:
    service.answers = [httpx.Response(status, text="<html>")] * times
    with pytest.raises(kind, match=str(status)):
        client.job(ID)
    assert len(service.asked) == times


@pytest.mark.parametrize("url", ["service.test", "ftp://service.test", "http://ann:secret@service.test"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(RefusedError) as refused:
        Client(url)
    assert "secret" not in str(refused.value)


def test_a_wait_outlives_the_server(client: Client, service: Service) -> None:
    seen: list[str] = []
    service.answers = [
        httpx.Response(200, json=job("EXECUTING")),
        *([httpx.ConnectError("refused")] * 5),
        httpx.Response(200, json=job("COMPLETED", counts={"done": 2})),
    ]
    ended = client.wait(ID, told=lambda found: seen.append(found.phase))
    assert (ended.succeeded, ended.counts) == (True, {"done": 2})
    assert seen == ["EXECUTING", "COMPLETED"]
    assert float(service.asked[0].url.params["wait"]) < 60


def test_a_wait_that_is_over_says_what_is_open(client: Client, service: Service) -> None:
    service.answers = [httpx.Response(200, json=job("EXECUTING", n_open=1))]
    with pytest.raises(UnavailableError, match="EXECUTING after 0 s: 1 of 2 targets"):
        client.wait(ID, timeout_s=0)


def test_pages_follow_each_other(client: Client, service: Service) -> None:
    targets = [{"id": ID, "state": "done"}, {"id": ID, "state": "failed", "error_text": "no star"}]
    service.answers = [
        httpx.Response(200, json={"targets": targets[:1], "next": "1"}),
        httpx.Response(200, json={"targets": targets[1:], "next": None}),
    ]
    assert [one.state for one in client.targets(ID, state=["done", "failed"])] == ["done", "failed"]
    assert service.asked[0].url.params.get_list("state") == ["done", "failed"]
    assert service.asked[1].url.params["cursor"] == "1"


# Files

BODY = bytes(range(256)) * 40


def product(**more: Any) -> dict[str, Any]:
    said = {"byte_size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest(), "mime_type": "image/fits"}
    href = f"{URL}/async/{ID}/results/one"
    return {"href": href, "dataset_type": "calexp", "data_id": {"detector": 0, "exposure": 7}} | said | more


def listed(*products: dict[str, Any]) -> list[Answer | Exception | httpx.Response]:
    target = {"id": ID, "state": "done"}
    return [
        httpx.Response(200, json={"targets": [target], "next": None}),
        httpx.Response(200, json=target | {"products": list(products)}),
    ]


class Broken(httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> Any:
        yield self._body
        raise httpx.ReadError("cut off")


def test_a_file_that_was_broken_off_goes_on(client: Client, service: Service, tmp_path: Path) -> None:
    def rest(request: httpx.Request) -> httpx.Response:
        assert request.headers["Range"] == "bytes=1000-"
        return httpx.Response(206, content=BODY[1000:])

    told: list[int] = []
    service.answers = [*listed(product()), httpx.Response(200, stream=Broken(BODY[:1000])), rest]
    (path,) = client.results(ID, tmp_path / "night", told=lambda _, came, of: told.append(came))
    assert path == tmp_path / "night" / "calexp-detector=0-exposure=7.fits"
    assert path.read_bytes() == BODY
    assert told == [1000, len(BODY)]
    service.answers = listed(product())
    assert client.results(ID, tmp_path / "night") == [path], "what is there is not fetched again"


def test_a_server_without_ranges_begins_anew(client: Client, service: Service, tmp_path: Path) -> None:
    whole = httpx.Response(200, content=BODY)
    service.answers = [*listed(product()), httpx.Response(200, stream=Broken(BODY[:1000])), whole]
    (path,) = client.results(ID, tmp_path)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("body", "words"), [(BODY[:-1], "10239 bytes instead of 10240"), (BODY[::-1], "its SHA-256 is")]
)
def test_a_wrong_file_leaves_nothing(client: Client, service: Service, tmp_path: Path, body: bytes, words: str) -> None:
    service.answers = [*listed(product()), httpx.Response(200, content=body)]
    with pytest.raises(WrongFileError, match=words):
        client.results(ID, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_token_does_not_follow_to_the_store(client: Client, service: Service, tmp_path: Path) -> None:
    moved = httpx.Response(303, headers={"Location": "https://store.test/bucket/key?signature=1"})
    service.answers = [*listed(product()), moved, httpx.Response(200, content=BODY)]
    client.results(ID, tmp_path)
    assert service.asked[2].headers["Authorization"] == "Bearer the-token"
    assert service.asked[3].url.host == "store.test"
    assert "Authorization" not in service.asked[3].headers


@pytest.mark.parametrize("evil", ["../../x", "/etc/x", "a/../../b", ".."])
def test_a_name_never_leaves_its_folder(evil: str) -> None:
    from underbutler_client.fetching import file_name

    name = file_name(Product(href="h", dataset_type=evil, data_id={"../k": "/v"}))
    assert "/" not in name
    assert name not in {"", ".", ".."}


# Streams

EVENT = 'id: {0}\nevent: job\ndata: {{"number": {0}}}\n\n'


def stream(text: str, end: Exception | None = None) -> httpx.Response:
    content = Broken(text.encode()) if end is not None else text.encode()
    headers = {"Content-Type": "text/event-stream"}
    if isinstance(content, Broken):
        return httpx.Response(200, headers=headers, stream=content)
    return httpx.Response(200, headers=headers, content=content)


def test_a_stream_goes_on_behind_its_last_event(client: Client, service: Service) -> None:
    service.answers = [
        stream(": comment\n\n" + EVENT.format(1) + EVENT.format(2), httpx.ReadError("cut")),
        httpx.ConnectError("refused"),
        stream(EVENT.format(3)),
    ]
    found = client.events()
    numbers = [next(found).data["number"] for _ in range(3)]
    assert numbers == [1, 2, 3]
    assert [request.headers.get("Last-Event-ID") for request in service.asked] == [None, "2", "2"]


def test_notices_are_values(client: Client, service: Service) -> None:
    data = {"id": "a", "url": "s3://b/k", "byteSize": 5, "checkSum": "00", "generator": "processCcd.calexp"}
    service.answers = [stream(f"id: 9\nevent: notice\ndata: {json.dumps(data)}\n\n")]
    notice = next(client.notices(after="8"))
    assert (notice.url, notice.byte_size, notice.sha256) == ("s3://b/k", 5, "00")
    assert service.asked[0].headers["Last-Event-ID"] == "8"


def test_events_that_are_gone_are_told(client: Client, service: Service) -> None:
    lost = 'event: lost\ndata: {"detail": "Older events are gone."}\n\n'
    service.answers = [stream(lost), stream(lost)]
    assert next(client.events(after="1")).kind == "lost"
    with pytest.raises(LostEventsError, match="Older events are gone"):
        next(client.notices(after="1"))


def test_a_place_that_moves_without_an_event_is_kept(client: Client, service: Service) -> None:
    service.answers = [stream("id: 7\n: here\n\nevent: error\ndata: {}\n\n"), stream(EVENT.format(8))]
    assert next(client.events(after="1")).data == {"number": 8}
    assert service.asked[1].headers["Last-Event-ID"] == "7"


def test_what_a_later_release_adds_is_kept() -> None:
    assert Job.model_validate(job(novelty=3)).novelty == 3  # type: ignore[attr-defined]
