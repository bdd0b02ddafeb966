"""Who asks the annex: boto3's own chain decides, ours overrides it, and each refusal is told from the others."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.annex_faults import FaultyS3
from tests.support.listening import Listening
from tests.support.services import S3Endpoint
from underbutler.annex import deliver, ensure_bucket
from underbutler.errors import AnnexRefusesError, exit_code
from underbutler.s3 import is_stale, make_client, shared_client, translate_s3_errors
from underbutler.settings import load_settings

KEY = "2026/11/20/one.fits"


@pytest.fixture(scope="module")
def bucket(moto_endpoint: S3Endpoint) -> str:
    name = f"rubinobs-lfa-test-c{uuid4().hex[:8]}"
    settings = load_settings(
        s3_endpoint_url=moto_endpoint.url, s3_access_key_id="testing", s3_secret_access_key="testing"
    )
    ensure_bucket(make_client(settings), name)
    return name


@pytest.fixture
def faulty(moto_endpoint: S3Endpoint) -> Iterator[FaultyS3]:
    with FaultyS3(moto_endpoint.url) as proxy:
        yield proxy


def test_a_session_token_travels_with_its_key(configured: Callable[..., Any]) -> None:
    with Listening() as store:
        client = configured(
            S3_ENDPOINT_URL=store.url,
            AWS_ACCESS_KEY_ID="ASIATEMPORARY",
            AWS_SECRET_ACCESS_KEY="secret",
            AWS_SESSION_TOKEN="the-token",
        )
        client.list_objects_v2(Bucket="b")
    assert store.headers[0]["X-Amz-Security-Token"] == "the-token"
    assert "Credential=ASIATEMPORARY/" in store.headers[0]["Authorization"]


def test_a_profile_brings_key_region_and_endpoint(configured: Callable[..., Any]) -> None:
    with Listening() as store:
        client = configured(
            config=f"[profile site]\nregion = eu-south-2\nendpoint_url = {store.url}\n",
            credentials="[site]\naws_access_key_id = AKIASITE\naws_secret_access_key = secret\n",
            AWS_PROFILE="site",
        )
        client.list_objects_v2(Bucket="b")
    assert "Credential=AKIASITE/" in store.headers[0]["Authorization"]
    assert "/eu-south-2/s3/" in store.headers[0]["Authorization"]


def test_what_is_ours_overrides_what_boto3_finds(configured: Callable[..., Any]) -> None:
    with Listening() as store:
        client = configured(
            AWS_ACCESS_KEY_ID="AKIATHEIRS",
            AWS_SECRET_ACCESS_KEY="theirs",
            AWS_SESSION_TOKEN="theirs",
            UNDERBUTLER_S3_ENDPOINT_URL=store.url,
            UNDERBUTLER_S3_ACCESS_KEY_ID="AKIAOURS",
            UNDERBUTLER_S3_SECRET_ACCESS_KEY="ours",
            UNDERBUTLER_S3_REGION="eu-south-1",
        )
        client.list_objects_v2(Bucket="b")
    assert "Credential=AKIAOURS/" in store.headers[0]["Authorization"]
    assert "/eu-south-1/" in store.headers[0]["Authorization"]
    assert "X-Amz-Security-Token" not in store.headers[0]


def test_credentials_are_renewed_while_a_client_lives(configured: Callable[..., Any], tmp_path: Path) -> None:
    """A `credential_process` whose credentials are over in a moment is asked again before each request."""
    script = tmp_path / "credentials.py"
    script.write_text(
        "import datetime, json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "over = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=30)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'ASIA{number}', 'SecretAccessKey': 's',\n"
        "                  'SessionToken': f'token-{number}', 'Expiration': over.isoformat()}))\n"
    )
    with Listening() as store:
        client = configured(
            config=f"[default]\ncredential_process = {sys.executable} {script}\n", S3_ENDPOINT_URL=store.url
        )
        client.list_objects_v2(Bucket="b")
        client.list_objects_v2(Bucket="b")
    first, second = (json.dumps(headers["X-Amz-Security-Token"]) for headers in store.headers)
    assert first != second


@pytest.mark.parametrize(
    ("config", "variables", "path"),
    [
        ("", {}, "/some-bucket"),
        ("", {"UNDERBUTLER_S3_ADDRESSING_STYLE": "virtual"}, "/"),
        ("[default]\ns3 =\n  addressing_style = virtual\n", {}, "/"),
        (
            "[default]\ns3 =\n  addressing_style = virtual\n",
            {"UNDERBUTLER_S3_ADDRESSING_STYLE": "PATH"},
            "/some-bucket",
        ),
    ],
    ids=["by itself", "ours", "the profile's", "ours over the profile's"],
)
def test_a_bucket_stands_in_path_or_host_as_told(
    configured: Callable[..., Any], config: str, variables: dict[str, str], path: str
) -> None:
    client = configured(
        config, S3_ENDPOINT_URL="http://store.test:9000", AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s", **variables
    )
    url = client.generate_presigned_url("list_objects_v2", Params={"Bucket": "some-bucket"})
    host = "store.test:9000" if path != "/" else "some-bucket.store.test:9000"
    assert url.startswith(f"http://{host}{path}?")


def test_a_profile_that_is_missing_is_named(configured: Callable[..., Any]) -> None:
    with pytest.raises(AnnexRefusesError, match=r"^AWS_PROFILE='sity' names no profile .* Known: default, site\.$"):
        configured(config="[default]\n[profile site]\nregion = x\n", AWS_PROFILE="sity")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "AWS_ACCESS_KEY_ID have expired .*ExpiredToken"),
        ("skewed", "clock of this machine off .*signed at 20261201T060000Z, answered at 2026-12-01T08:00:00Z"),
        ("signature", "secret key that belongs to AWS_ACCESS_KEY_ID"),
        ("unknown key", "does not know the access key of AWS_ACCESS_KEY_ID"),
        ("region", r"another region than 'us-east-1' .*Set UNDERBUTLER_S3_REGION=eu-south-2\."),
        ("denied", "refuses access to s3://.* to AWS_ACCESS_KEY_ID"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "HEAD"])
def test_refusals_are_told_from_each_other(
    configured: Callable[..., Any], faulty: FaultyS3, bucket: str, kind: str, words: str, method: str
) -> None:
    """An answer to HEAD has no body: its reason is asked for."""
    client = configured(S3_ENDPOINT_URL=faulty.url, AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")
    faulty.spoil(kind, method, KEY)
    if method == "HEAD":
        faulty.spoil(kind, "GET", KEY)
    with pytest.raises(AnnexRefusesError, match=words) as caught:
        deliver(client, io.BytesIO(b"x"), bucket=bucket, key=KEY, size=1, mime_type="image/fits", metadata={"job": "j"})
    assert exit_code(caught.value) == 2
    assert is_stale(client) == (kind == "expired")


def test_missing_credentials_are_told_before_anything_is_asked(configured: Callable[..., Any]) -> None:
    client = configured(S3_ENDPOINT_URL="http://127.0.0.1:1")
    with pytest.raises(AnnexRefusesError, match="Set AWS_ACCESS_KEY_ID and"), translate_s3_errors(client, bucket="b"):
        client.list_objects_v2(Bucket="b")


def test_a_program_that_gives_no_credentials_is_named(configured: Callable[..., Any]) -> None:
    process = f"[profile site]\ncredential_process = {sys.executable} -c 1/0\n"
    with pytest.raises(AnnexRefusesError, match=r"custom-process.*ZeroDivisionError"):
        configured(config=process, AWS_PROFILE="site", S3_ENDPOINT_URL="http://127.0.0.1:1")


@pytest.mark.parametrize(("status", "body"), [(404, b"<html>no such page"), (405, b"")])
def test_what_is_no_s3_server_is_told(configured: Callable[..., Any], status: int, body: bytes) -> None:
    with Listening(status, body) as web:
        client = configured(S3_ENDPOINT_URL=web.url, AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s")
        with (
            pytest.raises(AnnexRefusesError, match=r"does not speak S3 .*Correct S3_ENDPOINT_URL"),
            translate_s3_errors(client, bucket="b"),
        ):
            client.list_objects_v2(Bucket="b")


def test_expired_credentials_are_looked_for_anew(
    configured: Callable[..., Any], faulty: FaultyS3, bucket: str, tmp_path: Path
) -> None:
    """A file that a cron job writes anew is read again after the store said that its credentials are over."""
    file = "[default]\naws_access_key_id = {}\naws_secret_access_key = testing\n"
    configured(credentials=file.format("ASIAOLD"), S3_ENDPOINT_URL=faulty.url)
    settings = load_settings(home=tmp_path)
    faulty.spoil("expired", "GET", times=1)
    client = shared_client(settings)
    with pytest.raises(AnnexRefusesError, match="the profile 'default' of"), translate_s3_errors(client, bucket=bucket):
        client.list_objects_v2(Bucket=bucket)

    (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(file.format("ASIANEW"))
    renewed = shared_client(settings)
    assert renewed is not client
    renewed.list_objects_v2(Bucket=bucket)
