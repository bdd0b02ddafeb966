"""What boto3 raises, in our words: away, refused and why, other bytes, not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
    SSOError,
)
from botocore.parsers import ResponseParserError

from underbutler.errors import (
    AnnexRefusesError,
    AnnexUnavailableError,
    IntegrityError,
    LostDatasetError,
    UnderbutlerError,
    UsageError,
)
from underbutler.settings import variable_of

from .connections import S3Client, credentials_of, endpoint_of, mark_stale

__all__ = ["error_code", "translate_s3_errors"]

_WRONG_BYTES: Final = {
    "BadDigest",
    "IncompleteBody",
    "InvalidDigest",
    "InvalidPart",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}
_NOT_THERE: Final = {"NoSuchKey", "404", "NotFound"}
_EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_CLOCK: Final = {"RequestTimeTooSkewed", "RequestInTheFuture"}
_REGION: Final = {
    "301",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "IncorrectEndpoint",
    "PermanentRedirect",
    "TemporaryRedirect",
}
_NO_CREDENTIALS = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
_REFUSED: Final[tuple[tuple[set[str], str, str], ...]] = (
    (
        _EXPIRED,
        "says that the credentials of {source} have expired ({text})",
        "Renew them; what runs finds new ones in AWS' files by itself.",
    ),
    (
        _CLOCK,
        "finds the clock of this machine off ({text}{times})",
        "Requests are signed with the time: set the clock, by NTP for instance.",
    ),
    (
        _REGION,
        "serves another region than {region!r} ({text})",
        "Set {variable}{wanted}.",
    ),
    (
        {"InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken", "UnrecognizedClientException"},
        "does not know the access key of {source} ({text})",
        "Correct it, and the session token if it is a temporary one.",
    ),
    (
        {"SignatureDoesNotMatch"},
        "does not accept the secret key that belongs to {source} ({text})",
        "Correct it; if it is right, a proxy changes the requests.",
    ),
)
"""Codes by which S3 refuses who asks → what it says of the annex, and the cure."""


@contextmanager
def translate_s3_errors(client: S3Client, *, bucket: str, key: str = "") -> Iterator[None]:
    """Translate what boto3 raises inside the block into our errors, once.

    Raises
    ------
    IntegrityError
        If the store refused the bytes, or botocore those that it read.
    LostDatasetError
        If there is no such object.
    AnnexRefusesError
        If there are no credentials, or the store refuses them, the clock, the region or the certificate.
    AnnexUnavailableError
        If the store does not answer, is busy or lacks the bucket: whatever its operator can cure, so that the same
        delivery succeeds later.
    UsageError
        If the request can never succeed.
    """
    try:
        yield
    except ClientError as error:
        raise _translated(_with_reason(error, client, bucket, key), client, bucket, key) from error
    except FlexibleChecksumError as error:
        raise IntegrityError(f"{_name(bucket, key)} came with a wrong checksum: {error}.", bucket=bucket) from error
    except ParamValidationError as error:
        raise UsageError(f"S3 cannot take this request for {_name(bucket, key)}: {error}", bucket=bucket) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise _not_answered(error, client, bucket, key) from error


def error_code(error: ClientError) -> str:
    """Return the code that the store gave an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _not_answered(error: Exception, client: S3Client, bucket: str, key: str) -> AnnexUnavailableError:
    source = credentials_of(client)
    endpoint = variable_of("s3_endpoint_url")
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return _refused(client, bucket, key, f"was not asked: {_sentence(error)}", _NO_CREDENTIALS)
    if isinstance(error, CredentialRetrievalError | SSOError):
        mark_stale(client)
        return _refused(
            client,
            bucket,
            key,
            f"was not asked: {source} gave no credentials ({_sentence(error)})",
            "Run `aws sso login` with the same AWS_PROFILE." if isinstance(error, SSOError) else "Log in, or mend it.",
        )
    if isinstance(error, SSLError):
        cure = f"Give its CA by AWS_CA_BUNDLE, or correct {endpoint}."
        return _refused(client, bucket, key, f"has a certificate that is not trusted here ({error})", cure)
    if isinstance(error, ResponseParserError):
        return _refused(client, bucket, key, f"does not speak S3 ({_sentence(error)})", f"Correct {endpoint}.")
    return _away(
        client, bucket, key, f"does not answer ({error})", f"Start your S3 server there, or correct {endpoint}."
    )


def _with_reason(error: ClientError, client: S3Client, bucket: str, key: str) -> ClientError:
    """Return the error with the store's reason: an answer to HEAD has no body that could tell it."""
    if error.operation_name not in {"HeadObject", "HeadBucket"} or _status(error) not in {301, 400, 403}:
        return error
    try:
        if key:
            client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
        else:
            client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as told:
        return told
    except (BotoCoreError, ResponseParserError):
        return error
    return error


def _translated(error: ClientError, client: S3Client, bucket: str, key: str) -> UnderbutlerError:
    code, status = error_code(error), _status(error)
    text = f"{status} {code}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": ")
    if code in _WRONG_BYTES:
        return IntegrityError(
            f"The store refused the bytes of {_name(bucket, key)} ({text}). The delivery is repeated; if this "
            "persists, look for a proxy or a disk that changes data.",
            bucket=bucket,
            key=key,
        )
    if code in _NOT_THERE and not _is_no_s3(error, code, status):
        return LostDatasetError(f"There is no object {_name(bucket, key)} at {endpoint_of(client)}.", bucket=bucket)
    if refusal := _refusal(error, client, bucket, key, text):
        return refusal
    if code == "NoSuchBucket":
        return _away(client, bucket, key, f"has no bucket {bucket!r}", "Make it with `underbutler repo create`.")
    if status >= 500 or status in {408, 429, 499} or code in {"RequestTimeout", "SlowDown"}:
        return _away(client, bucket, key, f"is not able to serve {_name(bucket, key)} ({text})", "Try again later.")
    return UsageError(f"S3 refused the request for {_name(bucket, key)}: {text}.", bucket=bucket, key=key)


def _refusal(error: ClientError, client: S3Client, bucket: str, key: str, text: str) -> AnnexRefusesError | None:
    """Return what an error means that speaks of who asks, when, or whom; None if it speaks of something else."""
    code, status = error_code(error), _status(error)
    for codes, problem, cure in _REFUSED:
        if code in codes:
            if codes is _EXPIRED:
                mark_stale(client)
            words = _words(error, client, text)
            return _refused(client, bucket, key, problem.format(**words), cure.format(**words))
    if _is_no_s3(error, code, status):
        cure = f"Correct {variable_of('s3_endpoint_url')}."
        return _refused(client, bucket, key, f"does not speak S3 ({text})", cure)
    if status in {401, 403}:
        source = credentials_of(client)
        cure = f"Set {source} to credentials that may read and write there." if source.isupper() else _RIGHT
        return _refused(client, bucket, key, f"refuses access to {_name(bucket, key)} to {source} ({text})", cure)
    return None


_RIGHT = "Give it the right to read and write there."


def _words(error: ClientError, client: S3Client, text: str) -> dict[str, Any]:
    """Return what the texts of `_REFUSED` speak of."""
    told = error.response.get("Error", {})
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    wanted = told.get("Region") or headers.get("x-amz-bucket-region")
    times = [str(told[name]) for name in ("RequestTime", "ServerTime") if told.get(name)]
    return {
        "source": credentials_of(client),
        "text": text,
        "times": f"; signed at {times[0]}, answered at {times[1]}" if len(times) == 2 else "",
        "region": client.meta.region_name,
        "variable": variable_of("s3_region"),
        "wanted": f"={wanted}" if wanted else " to the bucket's region, or S3_ENDPOINT_URL to its endpoint",
    }


def _is_no_s3(error: ClientError, code: str, status: int) -> bool:
    """Tell whether an error without a code of S3's came from something else: only answers to HEAD have none."""
    return code.isdigit() and status in {400, 404, 405, 501} and not error.operation_name.startswith("Head")


def _refused(client: S3Client, bucket: str, key: str, problem: str, cure: str) -> AnnexRefusesError:
    endpoint = endpoint_of(client)
    return AnnexRefusesError(f"The annex at {endpoint} {problem}. {cure}", endpoint=endpoint, bucket=bucket, key=key)


def _away(client: S3Client, bucket: str, key: str, problem: str, cure: str) -> AnnexUnavailableError:
    endpoint = endpoint_of(client)
    return AnnexUnavailableError(
        f"The annex at {endpoint} {problem}. {cure}", endpoint=endpoint, bucket=bucket, key=key
    )


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _sentence(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _name(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}" if key else f"s3://{bucket}"
