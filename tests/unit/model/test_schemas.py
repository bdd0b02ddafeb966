"""What the JSON Schemas say is what is written, and what they refuse is refused by the program."""

from __future__ import annotations

import uuid
from typing import Any

import jsonschema
import pytest
from astropy.time import Time

from underbutler.errors import MessageError
from underbutler.model.dataref import DataRef
from underbutler.model.message import Envelope, encode_element
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.model.schemas import message_schema, notice_schema

REF = DataRef(
    "demo",
    {"instrument": "SIMCAM", "exposure": 7, "detector": 0},
    dataset_type="raw",
    out="demo",
    collections=("SIMCAM/raw",),
    run="u/ann/x",
    universe=("daf_butler", 7),
)
ENVELOPE = Envelope(
    job=uuid.UUID(int=1), target=uuid.UUID(int=2), send_no=1, digest="0" * 64, config="1" * 64, sent_at=1.5
)
NOTICE = LargeFileObjectAvailable(
    url="s3://rubinobs-lfa-local-simcam/a/b.fits",
    generator="processCcd.calexp",
    version=1.0,
    byteSize=10,
    checkSum="0" * 64,
    mimeType="application/fits",
    id="x",
    data_id={"detector": 0},
)


def message_of(element: object) -> dict[str, Any]:
    return {"task": "processCcd", "args": list(encode_element(element)), "underbutler": ENVELOPE.to_json()}


@pytest.mark.parametrize(
    "element",
    [
        (REF, {}),
        (REF, {"offset": 2.5, "others": [REF], "dataset": uuid.UUID(int=3), "when": Time(61364.5, format="mjd")}),
        [REF, REF],
        {"words": ["a", None, True]},
    ],
)
def test_a_message_as_it_is_sent_is_valid(element: object) -> None:
    jsonschema.validate(message_of(element), message_schema())


@pytest.mark.parametrize(
    "args",
    [
        pytest.param([], id="none"),
        pytest.param([REF.to_json(), {}, 1], id="three"),
        pytest.param([{**REF.to_json(), "v": 9}, {}], id="version"),
        pytest.param([REF.to_json(), {"$pickle": "x"}], id="tag"),
    ],
)
def test_args_that_no_worker_takes_are_not_valid(args: list[Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(message_of((REF, {})) | {"args": args}, message_schema())


@pytest.mark.parametrize("field", message_schema()["$defs"]["header"]["required"])
def test_what_a_header_requires_the_program_requires_too(field: str) -> None:
    header = ENVELOPE.to_json()
    del header[field]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(message_of((REF, {})) | {"underbutler": header}, message_schema())
    with pytest.raises(MessageError):
        Envelope.from_json(header)


def test_a_notice_has_the_fields_of_its_schema_and_is_valid() -> None:
    document = NOTICE.to_json()
    assert list(document) == list(notice_schema()["properties"])
    jsonschema.validate(document, notice_schema())


@pytest.mark.parametrize("field", notice_schema()["required"])
def test_what_a_notice_requires_the_program_requires_too(field: str) -> None:
    document = NOTICE.to_json()
    del document[field]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, notice_schema())
    with pytest.raises(MessageError):
        LargeFileObjectAvailable.from_json(document)
