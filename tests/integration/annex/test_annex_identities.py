"""Identities that a site hands out itself: a private CA, a role, single sign-on; boto3's own chain finds each."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.listening import Listening
from tests.support.services import S3Endpoint
from underbutler.errors import UnderbutlerError, exit_code
from underbutler.s3 import translate_s3_errors


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the certificate of a private CA, and one that it signed for this machine."""
    folder = tmp_path_factory.mktemp("authority")
    now = datetime.now(UTC)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "server")}
    names = {name: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"site {name}")]) for name in keys}
    for name, key in keys.items():
        certificate = (
            x509.CertificateBuilder()
            .subject_name(names[name])
            .issuer_name(names["ca"])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(keys["ca"], hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        keys["server"].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder


@pytest.fixture
def private(authority: Path) -> Iterator[Listening]:
    """Return a store that only the site's own CA vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    with Listening(tls=context) as store:
        yield store


def test_a_private_authority_is_trusted_when_it_is_named(
    configured: Callable[..., Any], authority: Path, private: Listening
) -> None:
    client = configured(
        S3_ENDPOINT_URL=private.url,
        AWS_ACCESS_KEY_ID="k",
        AWS_SECRET_ACCESS_KEY="s",
        AWS_CA_BUNDLE=str(authority / "ca.pem"),
    )
    client.list_objects_v2(Bucket="b")
    assert len(private.headers) == 1


def test_a_certificate_that_nobody_vouches_for_is_told(configured: Callable[..., Any], private: Listening) -> None:
    client = configured(S3_ENDPOINT_URL=private.url, AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s")
    with (
        pytest.raises(UnderbutlerError, match=r"certificate.*AWS_CA_BUNDLE") as caught,
        translate_s3_errors(client, bucket="b"),
    ):
        client.list_objects_v2(Bucket="b")
    assert exit_code(caught.value) == 2
    assert not private.headers


def test_a_role_is_taken_on(configured: Callable[..., Any], moto_endpoint: S3Endpoint) -> None:
    """The key of a profile asks the token service for a role's own, temporary one."""
    with Listening() as store:
        client = configured(
            config="[profile night]\nrole_arn = arn:aws:iam::123456789012:role/reducer\nsource_profile = person\n",
            credentials="[person]\naws_access_key_id = AKIAPERSON\naws_secret_access_key = s\n",
            AWS_PROFILE="night",
            AWS_ENDPOINT_URL_STS=moto_endpoint.url,
            S3_ENDPOINT_URL=store.url,
        )
        client.list_objects_v2(Bucket="b")
    assert "Credential=ASIA" in store.headers[0]["Authorization"]
    assert store.headers[0]["X-Amz-Security-Token"]


SIGN_ON = (
    "[profile person]\nsso_session = site\nsso_account_id = 123456789012\nsso_role_name = reducer\n"
    "[sso-session site]\nsso_region = eu-south-2\nsso_start_url = https://site.test/start\n"
)
ASK = """
from underbutler.s3 import make_client, translate_s3_errors
from underbutler.settings import load_settings
client = make_client(load_settings())
with translate_s3_errors(client, bucket="b"):
    client.list_objects_v2(Bucket="b")
"""


def _ask(folder: Path, store: str, portal: str) -> subprocess.CompletedProcess[str]:
    """List a bucket in a process of its own: botocore looks for the cache of sign-ons when it is imported."""
    (folder / "config").write_text(SIGN_ON)
    variables = {
        "HOME": str(folder),
        "UNDERBUTLER_HOME": str(folder),
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_PROFILE": "person",
        "AWS_ENDPOINT_URL_SSO": portal,
        "S3_ENDPOINT_URL": store,
    }
    words = [sys.executable, "-c", ASK]
    return subprocess.run(words, capture_output=True, text=True, env=variables, timeout=60, check=False)


def test_a_single_sign_on_is_used(tmp_path: Path) -> None:
    """What `aws sso login` left in its cache is exchanged for a role's credentials."""
    over = datetime.now(UTC) + timedelta(hours=1)
    cache = tmp_path / ".aws/sso/cache"
    cache.mkdir(parents=True)
    (cache / f"{hashlib.sha1(b'site', usedforsecurity=False).hexdigest()}.json").write_text(
        json.dumps({"accessToken": "signed-on", "expiresAt": over.strftime("%Y-%m-%dT%H:%M:%SZ")})
    )
    credentials = {
        "accessKeyId": "ASIASIGNEDON",
        "secretAccessKey": "s",
        "sessionToken": "t",
        "expiration": int(over.timestamp() * 1000),
    }
    with Listening(200, json.dumps({"roleCredentials": credentials}).encode()) as portal, Listening() as store:
        asked = _ask(tmp_path, store.url, portal.url)
    assert asked.returncode == 0, asked.stderr
    assert portal.headers[0]["x-amz-sso_bearer_token"] == "signed-on"
    assert "Credential=ASIASIGNEDON/" in store.headers[0]["Authorization"]


def test_a_sign_on_that_is_over_is_told(tmp_path: Path) -> None:
    with Listening() as store:
        asked = _ask(tmp_path, store.url, store.url)
    assert "the single sign-on of the profile 'person' gave no credentials" in asked.stderr
    assert "Run `aws sso login` with the same AWS_PROFILE." in asked.stderr
    assert not store.headers
