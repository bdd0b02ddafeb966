"""Deliveries to real S3 servers: moto over HTTP, and OpenStack Swift, which checks what it is sent."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.annex_faults import FaultyS3
from tests.support.programs import annex_memory
from tests.support.services import S3Endpoint
from underbutler.annex import LargeFileObjectAvailable, deliver, ensure_bucket, fetch, make_client
from underbutler.errors import (
    AnnexRefusesError,
    AnnexUnavailableError,
    IntegrityError,
    LostDatasetError,
    UnderbutlerError,
    UsageError,
)
from underbutler.settings import Settings

MIB = 2**20
PART = 5 * MIB
KEY = "2013/07/13/STE3-processCcd.calexp-20130713-2013-07-14T00:57:33.000-detector=0-a.1.fits"
NUMBERS = count(1)


def settings_for(endpoint: S3Endpoint, url: str | None = None) -> Settings:
    return Settings(
        _env_file=None,
        s3_endpoint_url=url or endpoint.url,
        s3_access_key_id=endpoint.access_key,
        s3_secret_access_key=endpoint.secret_key,  # type: ignore[arg-type]
    )


def some_bytes(size: int) -> bytes:
    block = hashlib.sha256(b"seed").digest() * 2048
    return (block * (size // len(block) + 1))[:size]


def send(client: Any, bucket: str, data: bytes, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "bucket": bucket,
        "key": KEY,
        "size": len(data),
        "mime_type": "image/fits",
        "metadata": {"job": "j", "target": "t", "dataset": "d"},
        "part_bytes": PART,
    }
    return deliver(client, io.BytesIO(data), **given | changes)


def exists(client: Any, bucket: str, key: str = KEY) -> bool:
    return key in {found["Key"] for found in client.list_objects_v2(Bucket=bucket).get("Contents", [])}


def open_uploads(client: Any, bucket: str) -> list[Any]:
    uploads: list[Any] = client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return uploads


@pytest.fixture(params=["moto_endpoint", "swift_endpoint"], ids=["moto", "swift"])
def endpoint(request: pytest.FixtureRequest) -> S3Endpoint:
    found: S3Endpoint = request.getfixturevalue(request.param)
    return found


def new_bucket(client: Any) -> str:
    name = f"rubinobs-lfa-test-n{next(NUMBERS)}-{uuid4().hex[:8]}"
    ensure_bucket(client, name)
    return name


@pytest.fixture
def client(endpoint: S3Endpoint) -> Any:
    return make_client(settings_for(endpoint))


@pytest.fixture
def bucket(client: Any) -> str:
    return new_bucket(client)


@pytest.mark.parametrize(
    "size", [0, 1, PART, PART + 1, 3 * PART + 17], ids=["empty", "one byte", "one part", "two parts", "four parts"]
)
def test_an_object_arrives_whole_with_type_metadata_and_digests(client: Any, bucket: str, size: int) -> None:
    data = some_bytes(size)

    sent = send(client, bucket, data)

    assert (sent.byte_size, sent.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert sent.url == f"s3://{bucket}/{KEY}"
    head = client.head_object(Bucket=bucket, Key=KEY)
    assert head["ContentLength"] == size
    assert head["ContentType"] == "image/fits"
    assert head["ETag"].strip('"') == sent.etag
    stored = {name: head["Metadata"].get(name) for name in ("job", "target", "dataset", "sha256")}
    assert stored == {"job": "j", "target": "t", "dataset": "d", "sha256": sent.sha256 if size <= PART else None}
    assert client.get_object(Bucket=bucket, Key=KEY)["Body"].read() == data


@pytest.mark.parametrize("size", [100, PART + 1], ids=["at once", "in parts"])
def test_a_store_that_keeps_checksums_has_ours(moto_endpoint: S3Endpoint, size: int) -> None:
    client = make_client(settings_for(moto_endpoint))
    bucket = new_bucket(client)
    send(client, bucket, some_bytes(size))
    assert "ChecksumCRC32" in client.head_object(Bucket=bucket, Key=KEY, ChecksumMode="ENABLED")


def test_the_source_may_be_an_artifact_of_the_butler(
    moto_endpoint: S3Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file on disk, and one in S3 whose handle reads by ranges."""
    from lsst.resources import ResourcePath

    monkeypatch.setenv("S3_ENDPOINT_URL", moto_endpoint.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_endpoint.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_endpoint.secret_key)
    client = make_client(settings_for(moto_endpoint))
    bucket = new_bucket(client)
    data = some_bytes(2 * PART + 3)
    for artifact in (ResourcePath(tmp_path / "calexp.fits"), ResourcePath(f"s3://{bucket}/datastore/calexp.fits")):
        artifact.write(data)
        with artifact.open("rb") as source:
            sent = deliver(
                client,
                source,
                bucket=bucket,
                key=KEY,
                size=artifact.size(),
                mime_type="image/fits",
                metadata={},
                part_bytes=PART,
            )
        assert sent.sha256 == hashlib.sha256(data).hexdigest()


def test_a_store_that_refuses_checksums_gets_none(moto_endpoint: S3Endpoint) -> None:
    client = make_client(settings_for(moto_endpoint).model_copy(update={"s3_checksums": "when_required"}))
    bucket = new_bucket(client)
    for size in (100, PART + 1):
        send(client, bucket, some_bytes(size))
        assert "ChecksumCRC32" not in client.head_object(Bucket=bucket, Key=KEY, ChecksumMode="ENABLED")


def test_keys_with_spaces_and_letters_of_the_world_work(client: Any, bucket: str) -> None:
    send(client, bucket, b"x", key="a b/ä+ñ=%25.fits")
    assert exists(client, bucket, "a b/ä+ñ=%25.fits")


def test_a_second_delivery_to_the_same_key_replaces_the_first(client: Any, bucket: str) -> None:
    send(client, bucket, b"first")
    send(client, bucket, b"second")
    assert client.get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"second"


def test_making_a_bucket_twice_is_no_error(client: Any, bucket: str) -> None:
    ensure_bucket(client, bucket)


def test_making_a_bucket_twice_says_false_on_swift(swift_endpoint: S3Endpoint) -> None:
    client = make_client(settings_for(swift_endpoint))
    assert ensure_bucket(client, "twice-made") is True
    assert ensure_bucket(client, "twice-made") is False


@pytest.mark.parametrize("size", [100, 3 * PART], ids=["at once", "in parts"])
@pytest.mark.parametrize("told", [-1, 1], ids=["long", "short"])
def test_a_source_of_another_size_leaves_nothing(client: Any, bucket: str, size: int, told: int) -> None:
    with pytest.raises(IntegrityError, match="source of s3://"):
        send(client, bucket, some_bytes(size), size=size + told)
    assert not exists(client, bucket)
    assert not open_uploads(client, bucket)


def test_a_broken_source_raises_its_error_and_leaves_nothing(client: Any, bucket: str) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > PART:
                raise OSError(5, "disk")
            return super().read(size)

    with pytest.raises(OSError, match="disk") as caught:
        deliver(
            client,
            Breaking(some_bytes(3 * PART)),
            bucket=bucket,
            key=KEY,
            size=3 * PART,
            mime_type="image/fits",
            metadata={},
            part_bytes=PART,
        )
    assert not isinstance(caught.value, UnderbutlerError)
    assert not open_uploads(client, bucket)


def test_a_bucket_that_is_missing_is_said_with_the_cure(client: Any) -> None:
    with pytest.raises(AnnexUnavailableError, match=r"no bucket 'nowhere-at-all'. .*underbutler repo create"):
        send(client, "nowhere-at-all", b"x")


def test_refused_credentials_are_said_with_the_cure(swift_endpoint: S3Endpoint) -> None:
    wrong = S3Endpoint(swift_endpoint.url, swift_endpoint.access_key, "wrong")
    with pytest.raises(AnnexRefusesError, match="secret key that belongs to UNDERBUTLER_S3_ACCESS_KEY_ID"):
        send(make_client(settings_for(wrong)), "any-bucket", b"x")


def test_a_store_that_is_away_is_named_with_the_cure(moto_endpoint: S3Endpoint) -> None:
    client = make_client(settings_for(moto_endpoint, "http://127.0.0.1:1"))
    with pytest.raises(AnnexUnavailableError, match=r"http://127\.0\.0\.1:1 does not answer .*S3_ENDPOINT_URL"):
        send(client, "any-bucket", b"x")


def test_metadata_that_s3_cannot_hold_is_a_usage_error(client: Any, bucket: str) -> None:
    with pytest.raises(UsageError):
        send(client, bucket, b"x", metadata={"who": "Ångström"})
    assert not exists(client, bucket)


# Faults on the wire, in front of a store that checks.


@pytest.fixture
def faulty(swift_endpoint: S3Endpoint) -> Iterator[tuple[FaultyS3, Any, Any, str]]:
    """Return the proxy, a client through it, a client around it, and a bucket."""
    straight = make_client(settings_for(swift_endpoint))
    with FaultyS3(swift_endpoint.url) as proxy:
        through = make_client(settings_for(swift_endpoint, proxy.url), timeout_s=2)
        yield proxy, through, straight, new_bucket(straight)


def test_the_proxy_spoils_nothing_unasked(faulty: tuple[FaultyS3, Any, Any, str]) -> None:
    proxy, client, straight, bucket = faulty
    data = some_bytes(2 * PART)
    send(client, bucket, data)
    assert straight.get_object(Bucket=bucket, Key=KEY)["Body"].read() == data
    assert sum("partNumber=" in request for request in proxy.seen) == 2


@pytest.mark.parametrize(
    ("size", "where"), [(100, ""), (4 * PART, "partNumber=3")], ids=["the only part", "the third part"]
)
@pytest.mark.parametrize("kind", ["flip", "cut", "busy", "hang"])
def test_a_spoiled_delivery_is_caught_and_leaves_nothing(
    faulty: tuple[FaultyS3, Any, Any, str], kind: str, size: int, where: str
) -> None:
    proxy, client, straight, bucket = faulty
    proxy.spoil(kind, "PUT", where)

    expected = IntegrityError if kind == "flip" else (AnnexUnavailableError, IntegrityError)
    with pytest.raises(expected):
        send(client, bucket, some_bytes(size))

    assert not exists(straight, bucket)
    assert not open_uploads(straight, bucket)


@pytest.mark.parametrize("kind", ["cut", "busy", "lose"])
def test_a_part_that_fails_once_is_sent_again(faulty: tuple[FaultyS3, Any, Any, str], kind: str) -> None:
    proxy, client, straight, bucket = faulty
    proxy.spoil(kind, "PUT", "partNumber=2", times=1)
    data = some_bytes(3 * PART)
    send(client, bucket, data)
    assert straight.get_object(Bucket=bucket, Key=KEY)["Body"].read() == data


def test_a_lost_answer_to_the_completion_is_no_failure(faulty: tuple[FaultyS3, Any, Any, str]) -> None:
    """The store completed; the repeated request finds no upload; HEAD decides."""
    proxy, client, straight, bucket = faulty
    proxy.spoil("lose", "POST", "uploadId=", times=1)
    data = some_bytes(2 * PART)
    send(client, bucket, data)
    assert straight.get_object(Bucket=bucket, Key=KEY)["Body"].read() == data


def test_wrong_bytes_that_the_store_takes_are_removed(moto_endpoint: S3Endpoint) -> None:
    """Moto takes any Content-MD5: what catches a flipped byte there is the ETag."""
    straight = make_client(settings_for(moto_endpoint).model_copy(update={"s3_checksums": "when_required"}))
    bucket = new_bucket(straight)
    with FaultyS3(moto_endpoint.url) as proxy:
        settings = settings_for(moto_endpoint, proxy.url).model_copy(update={"s3_checksums": "when_required"})
        client = make_client(settings)
        for size, where in ((100, ""), (3 * PART, "partNumber=2")):
            proxy.spoil("flip", "PUT", where, times=1)
            with pytest.raises(IntegrityError, match="ETag"):
                send(client, bucket, some_bytes(size))
            assert not exists(straight, bucket)


# Fetching by a notice.


def notice_of(bucket: str, data: bytes, **changes: Any) -> LargeFileObjectAvailable:
    given: dict[str, Any] = {
        "url": f"s3://{bucket}/{KEY}",
        "generator": "processCcd.calexp",
        "version": 1.0,
        "byteSize": len(data),
        "checkSum": hashlib.sha256(data).hexdigest(),
        "mimeType": "image/fits",
        "id": "a",
    }
    return LargeFileObjectAvailable(**given | changes)


def test_a_notice_fetches_what_was_delivered(client: Any, bucket: str) -> None:
    data = some_bytes(2 * PART + 1)
    send(client, bucket, data)
    fileobj = io.BytesIO()
    assert fetch(client, notice_of(bucket, data), fileobj) == len(data)
    assert fileobj.getvalue() == data


@pytest.mark.parametrize("changes", [{"byteSize": 3}, {"checkSum": "0" * 64}], ids=["size", "digest"])
def test_an_object_that_was_not_announced_leaves_no_half_file(
    client: Any, bucket: str, changes: dict[str, Any]
) -> None:
    send(client, bucket, b"0123456789")
    fileobj = io.BytesIO(b"before")
    fileobj.seek(0, io.SEEK_END)
    with pytest.raises(IntegrityError, match="not what its notice says"):
        fetch(client, notice_of(bucket, b"0123456789", **changes), fileobj)
    assert fileobj.getvalue() == b"before"


def test_an_object_that_is_gone_is_said(client: Any, bucket: str) -> None:
    with pytest.raises(LostDatasetError, match="no object s3://"):
        fetch(client, notice_of(bucket, b"x"), io.BytesIO())


def test_a_url_alone_is_not_enough(client: Any, bucket: str) -> None:
    with pytest.raises(UsageError, match="size= and sha256="):
        fetch(client, f"s3://{bucket}/{KEY}", io.BytesIO())


@pytest.mark.parametrize("kind", ["flip answer", "cut answer"])
def test_a_download_that_is_spoiled_on_the_wire_is_caught(faulty: tuple[FaultyS3, Any, Any, str], kind: str) -> None:
    proxy, client, straight, bucket = faulty
    data = some_bytes(2 * MIB)
    send(straight, bucket, data)
    proxy.spoil(kind, "GET")
    fileobj = io.BytesIO()
    with pytest.raises((IntegrityError, AnnexUnavailableError)):
        fetch(client, notice_of(bucket, data), fileobj)
    assert fileobj.getvalue() == b""


def test_memory_does_not_grow_with_the_object(swift_endpoint: S3Endpoint) -> None:
    """192 MiB cost no more memory than 24, and less than 64 MiB, whatever the part size that the settings give."""
    client = make_client(settings_for(swift_endpoint))
    bucket = new_bucket(client)
    endpoint = [swift_endpoint.url, swift_endpoint.access_key, swift_endpoint.secret_key]

    def growth(size_mib: int) -> float:
        done = subprocess.run(
            [sys.executable, annex_memory.__file__, *endpoint, bucket, str(size_mib), "16"],
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout)

    small, large = growth(64), growth(192)
    assert large < 64
    assert large < small + 16
