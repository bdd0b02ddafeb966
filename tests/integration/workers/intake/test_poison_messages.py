"""Messages of every malformed kind, on a real worker of each broker: parked with their bytes, and the next one runs."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kombu.serialization
import pytest
from kombu import Connection

from tests.support.programs.transport_app import said
from tests.support.records.rows import new_job, new_target
from tests.support.services import eventually
from tests.support.transport_site import all_said, worker
from underbutler.broker import connection, make_app, queue_depth, task_queue
from underbutler.embedded.process import Process
from underbutler.migrations import upgrade
from underbutler.model.dataref import DataRef
from underbutler.model.job import TargetState
from underbutler.model.message import HEADER, digest_of, encode_element
from underbutler.records import JobStore, Outgoing, ParkedRow
from underbutler.settings import Settings
from underbutler.sql import open_engine

CONFIG = "c" * 64


@dataclass
class Place:
    """A worker of one broker, its records, and a way to put anything into its queue."""

    settings: Settings
    jobs: JobStore
    folder: Path
    process: Process

    @property
    def on_redis(self) -> bool:
        return self.settings.broker_url.startswith("redis")

    def publish(self, body: Any, headers: dict[str, Any] | None, **options: Any) -> None:
        """Publish a body as it is."""
        queue = task_queue(self.settings)
        defaults = {"content_type": "application/json", "content_encoding": "utf-8"}
        with connection(self.settings) as opened, opened.Producer() as producer:
            producer.publish(
                body,
                headers=headers,
                exchange=queue.exchange,
                routing_key=queue.name,
                declare=[queue],
                **(defaults | options),
            )

    def push(self, item: bytes) -> None:
        """Push bytes into the queue's list in Redis."""
        import redis

        with redis.Redis.from_url(self.settings.broker_url) as client:
            client.lpush(self.settings.broker_prefix + self.settings.queue, item)

    def send_outgoing(self, outgoing: Outgoing, **changed: Any) -> None:
        """Send a target's message as a submitter does, with something changed."""
        message = outgoing.message
        with make_app(self.settings) as app:
            app.send_task(
                changed.pop("task", message.task),
                args=changed.pop("args", message.args),
                task_id=changed.pop("task_id", message.envelope.task_id),
                queue=self.settings.queue,
                headers={HEADER: message.envelope.to_json() | changed.pop("header", {})},
                **changed,
            )

    def good_one_runs(self) -> None:
        """Send a good message, and see it run."""
        word = uuid.uuid4().hex
        make_app(self.settings).send_task("say", (word, str(self.folder)), queue=self.settings.queue)
        eventually(lambda: word in said(self.folder), 30, "the good message to run")
        assert self.process.exit_code is None

    def nothing_left(self) -> None:
        """See that everything was acknowledged."""

        def empty() -> bool:
            with connection(self.settings) as opened:
                depth = queue_depth(opened, self.settings, self.settings.queue)
            return depth.ready == 0 and not depth.unacked

        eventually(empty, 20, "an empty queue")

    def one_parked(self) -> ParkedRow:
        """Return the one parked message, and forget it."""
        (row,) = eventually(self.jobs.quarantine.parked, 30, "a parked message")
        self.jobs.quarantine.discard(row.id)
        return row


@pytest.fixture(scope="module", params=["redis", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("poison")
    home = folder / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNDERBUTLER_HOME", str(home))
        if request.param == "redis":
            base, numbers = request.getfixturevalue("redis_server")
            urls = iter([f"{base}/{next(numbers)}"])
        else:
            node = request.getfixturevalue("rabbitmq_node")
            virtual_host = node.fresh_vhost()
            urls = iter([virtual_host.__enter__()])
        settings = Settings(_env_file=None, home=home, broker_url=next(urls), unknown_wait_s=600)
        upgrade(settings.records_url)
        engine = open_engine(settings.records_url)
        with worker(settings, folder, "-c", "2", app="tests.support.programs.poison_app") as process:
            yield Place(settings, JobStore(engine), folder, process)
        engine.dispose()
        if request.param == "rabbitmq":
            virtual_host.__exit__(None, None, None)


def task_headers(name: str = "processCcd", **others: Any) -> dict[str, Any]:
    return {"task": name, "id": str(uuid.uuid4()), "lang": "py", "retries": 0, "eta": None, "expires": None} | others


BODY = json.dumps([[], {}, {}])
NOT_THREE = "[args, kwargs, embed]"
FORMS: dict[str, tuple[Any, dict[str, Any] | None, dict[str, Any], str, str]] = {
    "an unregistered task": (BODY, task_headers("nobodysTask"), {}, "foreign", "no 'underbutler' header"),
    "a body of broken JSON": ('[[], {}, {"a"', task_headers(), {}, "undecodable", "does not decode"),
    "content type pickle": (
        b"\x80\x04.",
        task_headers(),
        {"content_type": "application/x-python-serialize", "content_encoding": "binary"},
        "undecodable",
        "pickle",
    ),
    "an unknown content type": (
        b"???",
        task_headers(),
        {"content_type": "application/x-nonsense"},
        "undecodable",
        "x-nonsense",
    ),
    "no headers": (json.dumps({"some": "JSON"}), None, {}, "foreign", "names no Celery task"),
    "wrong arguments": (json.dumps([[1, 2], {}, {}]), task_headers(), {}, "foreign", "`underbutler submit`"),
    "a body that is not three things": (json.dumps({"args": []}), task_headers(), {}, "arguments", NOT_THREE),
    "a list of two": (json.dumps([[], {}]), task_headers(), {}, "arguments", NOT_THREE),
    "a header that is not an object": (BODY, task_headers(underbutler="mine"), {}, "header", "no 'underbutler' header"),
    "a header without its fields": (BODY, task_headers(underbutler={"v": 1}), {}, "header", "does not decode"),
    "a newer header without a target": (BODY, task_headers(underbutler={"v": 99}), {}, "header", "version 99"),
    "a task of Celery's own": (BODY, task_headers("celery.map"), {}, "foreign", "celery.map"),
    "protocol 1": (json.dumps({"task": "processCcd", "id": "1"}), {}, {}, "foreign", "names no Celery task"),
    "a body that does not decompress": (
        b"???",
        task_headers(compression="application/x-gzip"),
        {},
        "undecodable",
        "does not decode",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_malformed_message_is_parked_and_the_next_one_runs(place: Place, form: str) -> None:
    body, headers, options, kind, words = FORMS[form]
    place.publish(body, headers, **options)
    place.good_one_runs()
    row = place.one_parked()
    assert row.kind == kind
    assert words in row.reason
    assert row.queue == place.settings.queue
    assert row.raw == (body if isinstance(body, bytes) else body.encode())
    assert row.task == (headers or {}).get("task")
    place.nothing_left()


def broken_envelope(**changed: Any) -> bytes:
    envelope = {
        "body": base64.b64encode(BODY.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": task_headers(),
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "reduce", "routing_key": "reduce"},
        },
    }
    return json.dumps(envelope | changed).encode()


ENVELOPES = {
    "a body that is not base64": lambda: broken_envelope(body="abc"),
    "an envelope that is not JSON": lambda: b"{this is not JSON",
    "an envelope of bytes": lambda: b"\x00\xff\xfe",
    "an envelope that is a list": lambda: b'[1, {"properties": 2}]',
    "an envelope without properties": lambda: json.dumps({"body": "e30="}).encode(),
    "an envelope with null headers": lambda: broken_envelope(headers=None),
}


@pytest.mark.parametrize("form", ENVELOPES)
def test_what_is_no_message_in_redis_is_parked_as_it_is(place: Place, form: str) -> None:
    if not place.on_redis:
        pytest.skip("RabbitMQ carries no envelope")
    item = ENVELOPES[form]()
    place.push(item)
    place.good_one_runs()
    row = place.one_parked()
    assert row.kind == "undecodable"
    assert json.loads(row.raw) == json.loads(item) if "base64" in form else row.raw == item
    place.nothing_left()


def test_the_same_bytes_again_are_one_row_that_counts(place: Place) -> None:
    for _ in range(5):
        place.publish(json.dumps({"some": "other"}), None)
    place.good_one_runs()
    eventually(lambda: sum(row.count for row in place.jobs.quarantine.parked()) == 5, 30, "five of them")
    assert place.one_parked().count == 5
    place.nothing_left()


def test_celery_call_is_told_to_submit(place: Place) -> None:
    make_app(place.settings).send_task("processCcd", queue=place.settings.queue)
    row = place.one_parked()
    assert "processCcd" in row.reason
    assert "Submit with `underbutler submit`" in row.reason
    place.good_one_runs()


ELEMENT = encode_element((DataRef("demo", {"instrument": "SIMCAM", "detector": 0}, run="u/ann/1"), {"n": 1.5}))


def outgoing(place: Place, task: str = "processCcd", args: tuple[Any, ...] = ELEMENT) -> Outgoing:
    """Record a job of one target, as submitted, and take its message for sending."""
    job = place.jobs.submissions.create_job(
        new_job(
            [new_target(args=list(args), digest=digest_of(task, args, CONFIG))],
            task=task,
            config_digest=CONFIG,
            queue=place.settings.queue,
        )
    )
    (taken,) = place.jobs.outbox.take(job=job.id)
    envelope = taken.message.envelope
    place.jobs.outbox.mark_sent([(envelope.target, envelope.send_no)])
    return taken


def state_of(place: Place, taken: Outgoing) -> Any:
    envelope = taken.message.envelope
    return next(row for row in place.jobs.read.targets(envelope.job) if row.id == envelope.target)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"countdown": 3600}, "eta, countdown"),
        ({"expires": 3600}, "expires"),
        ({"retries": 3}, "retries"),
        ({"group_id": "g"}, "group"),
        ({"time_limit": 5}, "time limits"),
        ({"link": {"task": "other"}}, "link"),
        ({"link_error": {"task": "other"}}, "link_error"),
        ({"chord": {"task": "other"}}, "chord"),
        ({"chain": [{"task": "other"}]}, "chain"),
    ],
)
def test_what_celery_would_do_with_a_target_is_refused(place: Place, changed: dict[str, Any], words: str) -> None:
    taken = outgoing(place)
    place.send_outgoing(taken, **changed)
    row = place.one_parked()
    assert row.kind == "workflow"
    assert words in row.reason
    assert row.headers is not None
    assert row.headers[HEADER]["target"] == str(taken.message.envelope.target)
    assert state_of(place, taken).state == TargetState.QUEUED
    place.good_one_runs()
    place.nothing_left()


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"task_id": "another"}, "header", "Celery id"),
        ({"args": [{"v": 1, "repo": ""}, {}]}, "digest", "repo"),
        ({"args": [1, 2, 3]}, "digest", "one or two args"),
        ({"args": [{"$unknown": 1}]}, "digest", "tagged value"),
        ({"kwargs": {"a": 1}}, "arguments", "kwargs"),
    ],
)
def test_a_target_whose_message_was_garbled_is_parked(
    place: Place, changed: dict[str, Any], kind: str, words: str
) -> None:
    place.send_outgoing(outgoing(place), **changed)
    row = place.one_parked()
    assert row.kind == kind
    assert words in row.reason
    place.good_one_runs()
    place.nothing_left()


def test_an_unreadable_target_is_held_and_not_sent_for_ever(place: Place) -> None:
    taken = outgoing(place, args=({"$unknown": 1},))
    place.send_outgoing(taken)
    eventually(lambda: state_of(place, taken).state == TargetState.HELD, 30, "the target to be held")
    assert "$unknown" in str(state_of(place, taken).error_text)
    assert place.jobs.quarantine.parked() == []
    place.good_one_runs()
    place.nothing_left()


def test_a_message_with_the_header_of_another_target_is_not_run(place: Place) -> None:
    """The header says what was recorded; the args were changed on the way."""
    taken = outgoing(place)
    ref, _ = taken.message.args
    place.send_outgoing(taken, args=(ref, {"n": 1e6}))
    row = place.one_parked()
    assert row.kind == "digest"
    assert state_of(place, taken).state == TargetState.QUEUED


@pytest.mark.parametrize(
    ("task", "changed", "words"),
    [
        ("tomorrowsTask", {}, "no task is called 'tomorrowsTask'"),
        ("processCcd", {"header": {"v": 2}}, "version 2"),
        ("processCcd", {"args": ({"v": 2, "repo": "demo"}, {})}, "version 2"),
    ],
)
def test_what_another_worker_may_know_waits(place: Place, task: str, changed: dict[str, Any], words: str) -> None:
    taken = outgoing(place, task)
    place.send_outgoing(taken, **changed)
    row = eventually(lambda: (row := state_of(place, taken)).waiting_reason and row, 30, "a target that waits")
    assert row.state == TargetState.QUEUED
    assert words in row.waiting_reason
    assert place.jobs.quarantine.parked() == []
    place.good_one_runs()
    place.nothing_left()


def test_a_target_that_the_records_do_not_know_is_parked(place: Place) -> None:
    taken = outgoing(place, "tomorrowsTask")
    place.send_outgoing(taken, header={"target": str(uuid.uuid4())}, task_id="x")
    assert place.one_parked().kind == "header"
    stranger = uuid.uuid4()
    place.send_outgoing(taken, header={"target": str(stranger)}, task_id=f"{stranger}.{taken.message.envelope.send_no}")
    row = place.one_parked()
    assert row.kind == "unknown_target"
    place.nothing_left()


def test_no_worker_accepts_pickle(place: Place) -> None:
    """A pickle is not even looked at: its bytes are kept, and whoever looks sees what it would have done."""
    kombu.serialization.enable_insecure_serializers(["pickle"])
    try:
        body, content_type, encoding = "marker", "application/x-python-serialize", "binary"
        data = kombu.serialization.registry._encoders["pickle"].encoder([[], {}, {}, body])
    finally:
        kombu.serialization.disable_insecure_serializers(["json"])
    place.publish(data, task_headers(), content_type=content_type, content_encoding=encoding)
    row = place.one_parked()
    assert row.raw == data
    place.good_one_runs()


def test_while_the_records_are_away_nothing_is_acknowledged(place: Place) -> None:
    """The database file is moved away: the message stays with the broker, and is parked when it is back."""
    database = place.settings.home / "records.db"
    hidden = database.with_name("hidden")
    hidden.mkdir()
    files = list(place.settings.home.glob("records.db*"))
    for file in files:
        file.rename(hidden / file.name)
    database.mkdir()
    log = place.folder / "worker.log"
    try:
        place.publish(json.dumps({"nobody": "home"}), None)
        eventually(lambda: "records_not_reachable" in log.read_text(), 60, "the worker to notice")
        place.good_one_runs()
        if place.on_redis:
            with Connection(place.settings.broker_url), connection(place.settings) as opened:
                assert queue_depth(opened, place.settings, place.settings.queue).unacked == 1
    finally:
        database.rmdir()
        for file in files:
            (hidden / file.name).rename(file)
        hidden.rmdir()
    assert "names no Celery task" in place.one_parked().reason
    place.nothing_left()


def test_all_forms_at_once_leave_a_working_worker(place: Place) -> None:
    for body, headers, options, _, _ in FORMS.values():
        for _ in range(3):
            place.publish(body, headers, **options)
    if place.on_redis:
        for make in ENVELOPES.values():
            for _ in range(3):
                place.push(make())
    words = [uuid.uuid4().hex for _ in range(10)]
    app = make_app(place.settings)
    for word in words:
        app.send_task("say", (word, str(place.folder)), queue=place.settings.queue)
    eventually(lambda: set(words) <= set(said(place.folder)), 60, "all good ones")
    place.nothing_left()
    expected = 3 * (len(FORMS) + (len(ENVELOPES) if place.on_redis else 0))
    eventually(lambda: sum(row.count for row in place.jobs.quarantine.parked()) >= expected, 30, "all of them parked")
    for row in place.jobs.quarantine.parked():
        place.jobs.quarantine.discard(row.id)
    assert all_said(place.folder, 1)
    assert place.process.exit_code is None
