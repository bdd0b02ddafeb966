"""A message that says that it is compressed: refused as it is."""

from __future__ import annotations

import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import compression
from kombu.message import Message

from workers.intake.inspection import LARGEST_BYTES, Park, judged, raw_bytes
from workers.transport.compression import refuse_compressed


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_decoders", dict(compression._decoders))
    refuse_compressed()


@pytest.mark.parametrize("content_type", ["application/x-gzip", "gzip", "zlib", "bzip2", "application/x-bz2", "lzma"])
def test_a_compressed_body_is_kept_as_it_came(content_type: str) -> None:
    body = zlib.compress(b"[[], {}, {}]")
    headers = {"task": "processCcd", "compression": content_type}
    message = Message(body, content_type="application/json", content_encoding="utf-8", headers=headers)
    verdict = judged(message, {})
    assert isinstance(verdict, Park)
    assert verdict.kind == "undecodable"
    assert "is compressed" in verdict.reason
    assert raw_bytes(message) == body


def test_a_large_body_is_not_read() -> None:
    def decode() -> Any:
        raise AssertionError("it was read")

    message = SimpleNamespace(
        headers={"task": "x"}, body=b"x" * (LARGEST_BYTES + 1), content_type="application/json", decode=decode
    )
    verdict = judged(message, {})
    assert isinstance(verdict, Park)
    assert verdict.kind == "arguments"
