"""Nothing that could run is taken from the wire: JSON of a closed table of types, no pickle, no import path."""

from __future__ import annotations

import json
import os
import pickle
import uuid
from pathlib import Path

import pytest
from kombu import Connection
from kombu.exceptions import ContentDisallowed
from kombu.message import Message
from kombu.serialization import prepare_accept_content

from underbutler.broker import make_app
from underbutler.errors import MessageError
from underbutler.model.dataref import DataRef
from underbutler.model.message import Envelope, decode_element, encode_element
from underbutler.settings import Settings

WORDS = {
    "job", "target", "send_no", "digest", "config", "sent_at", "traceparent", "token", "v",
    "repo", "out", "dataset_type", "data_id", "collections", "run", "universe",
}  # fmt: skip


class Bomb:
    """Makes a folder as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("content_type", ["application/x-python-serialize", "application/x-yaml", "pickle"])
def test_a_body_of_another_kind_is_not_even_looked_at(settings: Settings, tmp_path: Path, content_type: str) -> None:
    app = make_app(settings)
    with Connection("memory://") as connection, connection.channel() as channel:
        message = Message(
            pickle.dumps(Bomb(tmp_path / "exploded")),
            channel=channel,
            content_type=content_type,
            content_encoding="binary",
            accept=prepare_accept_content(app.conf.accept_content),
        )
        with pytest.raises(ContentDisallowed):
            message.decode()
    assert not (tmp_path / "exploded").exists()
    pickle.loads(pickle.dumps(Bomb(tmp_path / "exploded")))
    assert (tmp_path / "exploded").exists(), "the bomb would have gone off"


def test_an_app_of_ours_reads_and_writes_json_alone(settings: Settings) -> None:
    conf = make_app(settings).conf
    assert conf.accept_content == conf.result_accept_content == ["json"]
    assert conf.task_serializer == conf.result_serializer == conf.event_serializer == "json"
    assert conf.result_backend is None


@pytest.mark.parametrize(
    "value",
    [
        {"$pickle": "gASVAAAA"},
        {"$class": "os.system"},
        {
            "$ref": {
                "v": 1,
                "repo": "demo",
                "out": "demo",
                "data_id": {"__class__": ["os", "system"]},
                "collections": [],
            }
        },
        {"$time": {"jd": ["__import__('os')", 0], "scale": "tai"}},
    ],
)
def test_a_value_that_asks_for_code_does_not_decode(value: object) -> None:
    with pytest.raises(MessageError):
        decode_element([{"v": 1, "repo": "demo", "out": "demo", "data_id": {}, "collections": []}, {"k": value}])


def test_a_message_has_the_words_of_its_schema_and_no_other() -> None:
    """No import path, no file and no config: only digests of it, and names."""
    ref = DataRef("demo", {"detector": 0}, run="u/ann/x", dataset_type="raw", universe=("daf_butler", 8))
    envelope = Envelope(
        job=uuid.uuid4(), target=uuid.uuid4(), send_no=1, digest="d", config="c", sent_at=1.0, token="handle"
    )
    body, kwargs = encode_element((ref, {}))
    assert kwargs == {}
    assert set(body) | set(envelope.to_json()) == WORDS


def test_a_handle_travels_and_a_message_without_one_is_read_too() -> None:
    envelope = Envelope(job=uuid.uuid4(), target=uuid.uuid4(), send_no=1, digest="d", config="c", sent_at=1.0)
    with_handle = json.loads(json.dumps(envelope.to_json() | {"token": "a-handle"}))
    assert Envelope.from_json(with_handle).token == "a-handle"
    before = {key: value for key, value in envelope.to_json().items() if key != "token"}
    assert Envelope.from_json(before) == envelope, "of a submitter of the release before"
