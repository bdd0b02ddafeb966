"""Messages of every malformed kind, on a real worker of each broker: parked with their bytes, and the next one runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import kombu.serialization
import pytest
from kombu import Connection

from tests.support.poison import CONFIG, ENVELOPES, FORMS, Place, task_headers
from tests.support.programs.transport_app import said
from tests.support.records.rows import new_job, new_target
from tests.support.services import eventually
from tests.support.transport_site import all_said, worker
from underbutler.broker import connection, make_app, queue_depth
from underbutler.migrations import upgrade
from underbutler.model.dataref import DataRef
from underbutler.model.job import TargetState
from underbutler.model.message import HEADER, digest_of, encode_element
from underbutler.records import JobStore, Outgoing
from underbutler.settings import Settings
from underbutler.sql import open_engine


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
