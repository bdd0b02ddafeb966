"""Messages that no worker can run, each form with what is said of it, and the place that they are put in."""

from __future__ import annotations

import base64
import json
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.programs.transport_app import said
from tests.support.services import eventually
from underbutler.broker import connection, make_app, queue_depth, task_queue
from underbutler.embedded.process import Process
from underbutler.model.message import HEADER
from underbutler.records import JobStore, Outgoing, ParkedRow
from underbutler.settings import Settings

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


def task_headers(name: str = "processCcd", **others: Any) -> dict[str, Any]:
    return {"task": name, "id": str(uuid.uuid4()), "lang": "py", "retries": 0, "eta": None, "expires": None} | others


BODY = json.dumps([[], {}, {}])
NOT_THREE = "[args, kwargs, embed]"
FORMS: dict[str, tuple[Any, dict[str, Any] | None, dict[str, Any], str, str]] = {
    "an unregistered task": (BODY, task_headers("nobodysTask"), {}, "foreign", "no 'underbutler' header"),
    "a compressed body": (
        base64.b64encode(zlib.compress(BODY.encode())).decode(),
        task_headers() | {"compression": "application/x-gzip"},
        {},
        "undecodable",
        "is compressed",
    ),
    "a body that is too large": (
        json.dumps([["x" * 600_000], {}, {}]),
        task_headers(),
        {},
        "arguments",
        "524288 are the most",
    ),
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
        "is compressed",
    ),
}


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
