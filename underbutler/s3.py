"""How S3 is reached: one boto3 client per process, and what its errors mean.

The annex writes by it, the catalogue's handlers read by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from underbutler.errors import (
    AnnexUnavailableError,
    IntegrityError,
    LostDatasetError,
    UnderbutlerError,
    UsageError,
)
from underbutler.settings import Settings

__all__ = [
    "S3Client",
    "client_config",
    "connect_arguments",
    "error_code",
    "make_client",
    "shared_client",
    "translate_s3_errors",
]

S3Client: TypeAlias = Any
"""A boto3 client of S3; boto3 makes its classes at run time and ships no types."""

_WRONG_BYTES = {
    "BadDigest",
    "IncompleteBody",
    "InvalidDigest",
    "InvalidPart",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}
_NOT_THERE = {"NoSuchKey", "404", "NotFound"}
_CREDENTIALS_CURE = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to credentials that may read and write there."
_ENDPOINT_CURE = "Start one with `underbutler up`, or set S3_ENDPOINT_URL."


def client_config(settings: Settings, *, timeout_s: float = 60.0) -> Config:
    """Return how requests are made.

    Path-style addresses (a store under a service name has no wildcard DNS), signature version 4, two retries. Bodies
    are not hashed a second time for the signature: each upload of ours carries Content-MD5, which is a signed header.

    Parameters
    ----------
    settings
        Says when botocore adds checksums of its own: some older stores refuse them (``when_required``).
    timeout_s
        Longest silence of the store within one request, in seconds.
    """
    return Config(
        signature_version="s3v4",
        region_name=settings.s3_region,
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        request_checksum_calculation=settings.s3_checksums,
        response_checksum_validation=settings.s3_checksums,
        connect_timeout=min(5.0, timeout_s),
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=16,
        tcp_keepalive=True,
    )


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """Return endpoint and credentials; what is not set is left to boto3's own chain (profile, instance role)."""
    secret = settings.s3_secret_access_key
    return {
        "endpoint_url": settings.s3_endpoint_url or None,  # an empty string counts as unset
        "aws_access_key_id": settings.s3_access_key_id or None,
        "aws_secret_access_key": (secret.get_secret_value() or None) if secret else None,
    }


def make_client(settings: Settings, *, timeout_s: float = 60.0) -> S3Client:
    """Make the S3 client of this process: make it once, after a fork, and pass it on. It is thread-safe.

    Parameters
    ----------
    settings
        Endpoint, region, credentials, checksums.
    timeout_s
        Longest silence of the store within one request, in seconds.

    Raises
    ------
    UsageError
        If the endpoint is not a URL.
    """
    try:
        session = boto3.session.Session()
        return session.client("s3", config=client_config(settings, timeout_s=timeout_s), **connect_arguments(settings))
    except ValueError as error:
        raise UsageError(
            f"S3_ENDPOINT_URL={settings.s3_endpoint_url!r} is not an address ({error}). Write it as http://host:port.",
            endpoint=settings.s3_endpoint_url,
        ) from error


_shared: Final[dict[tuple[object, ...], S3Client]] = {}


def shared_client(settings: Settings) -> S3Client:
    """Return the client that whoever was given none shares in this process: made at first use, after a fork anew.

    Parameters
    ----------
    settings
        Those of the store; other settings have another client.
    """
    secret = settings.s3_secret_access_key
    key = (
        os.getpid(),
        settings.s3_endpoint_url,
        settings.s3_access_key_id,
        secret.get_secret_value() if secret else None,
        settings.s3_region,
        settings.s3_checksums,
    )
    if key not in _shared:
        _shared.setdefault(key, make_client(settings))
    return _shared[key]


@contextmanager
def translate_s3_errors(client: S3Client, *, bucket: str, key: str = "") -> Iterator[None]:
    """Translate what boto3 raises inside the block into our errors, once.

    Raises
    ------
    IntegrityError
        If the store refused the bytes, or botocore those that it read.
    LostDatasetError
        If there is no such object.
    AnnexUnavailableError
        If the store does not answer, is busy, refuses the credentials or lacks the bucket: whatever its operator can
        cure, so that the same delivery succeeds later.
    UsageError
        If the request can never succeed.
    """
    try:
        yield
    except ClientError as error:
        raise _translated(error, client, bucket, key) from error
    except FlexibleChecksumError as error:
        raise IntegrityError(f"{_name(bucket, key)} came with a wrong checksum: {error}.", bucket=bucket) from error
    except ParamValidationError as error:
        raise UsageError(f"S3 cannot take this request for {_name(bucket, key)}: {error}", bucket=bucket) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise _away(client, bucket, key, str(error), _CREDENTIALS_CURE) from error
    except BotoCoreError as error:
        raise _away(client, bucket, key, f"does not answer ({error})", _ENDPOINT_CURE) from error


def _translated(error: ClientError, client: S3Client, bucket: str, key: str) -> UnderbutlerError:
    code = error_code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = f"{status} {code}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": ")
    if code in _WRONG_BYTES:
        return IntegrityError(
            f"The store refused the bytes of {_name(bucket, key)} ({text}). The delivery is repeated; if this "
            "persists, look for a proxy or a disk that changes data.",
            bucket=bucket,
            key=key,
        )
    if code == "NoSuchBucket":
        return _away(client, bucket, key, f"has no bucket {bucket!r}", "Make it with `underbutler repo create`.")
    if code in _NOT_THERE:
        return LostDatasetError(f"There is no object {_name(bucket, key)} at {_endpoint(client)}.", bucket=bucket)
    if status in {401, 403}:
        return _away(client, bucket, key, f"refuses access to {_name(bucket, key)} ({text})", _CREDENTIALS_CURE)
    if status >= 500 or status in {408, 429, 499} or code in {"RequestTimeout", "SlowDown"}:
        return _away(client, bucket, key, f"is not able to serve {_name(bucket, key)} ({text})", "Try again later.")
    return UsageError(f"S3 refused the request for {_name(bucket, key)}: {text}.", bucket=bucket, key=key)


def _away(client: S3Client, bucket: str, key: str, problem: str, cure: str) -> AnnexUnavailableError:
    endpoint = _endpoint(client)
    return AnnexUnavailableError(
        f"The annex at {endpoint} {problem}. {cure}", endpoint=endpoint, bucket=bucket, key=key
    )


def _endpoint(client: S3Client) -> str:
    return str(client.meta.endpoint_url)


def error_code(error: ClientError) -> str:
    """Return the code that the store gave an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _name(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}" if key else f"s3://{bucket}"
