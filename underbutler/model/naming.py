"""Names in the annex: buckets, keys, routing keys. The rules of the field, as pure functions.

The seed's form is the one of the Large File Annex (CAP 452): `make_bucket_name`, `make_key`. Today's ts_salobj form is
the other layout of `UNDERBUTLER_ANNEX_LAYOUT`; it selects what delivery uses and never changes these two.
"""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from underbutler.clock import DAY_ROLLOVER_HOURS, tai_milliseconds
from underbutler.errors import UsageError
from underbutler.model.identity import short_id

from .dataref import DataId

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = [
    "KEY_LIMIT_BYTES",
    "BucketNameError",
    "bucket_of",
    "check_key",
    "make_bucket_name",
    "make_key",
    "parse_s3_url",
    "product_key",
    "routing_key",
    "run_name",
    "s3_url",
    "salname_of",
]

KEY_LIMIT_BYTES = 1024
"""Longest key that S3 takes, in UTF-8 bytes."""

_BUCKET_LIMIT = 63
_ARGUMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.]*[A-Za-z0-9])?")
_NOT_IN_SALNAME = re.compile(r"[^A-Za-z0-9.]")
_NOT_IN_FILE_NAME = re.compile(r"[^A-Za-z0-9._=+-]")


class BucketNameError(UsageError, ValueError):
    """A bucket or key is outside the rules."""


def make_bucket_name(salname: str, salindexname: str | None, s3instance: str, s3category: str = "LFA") -> str:
    """Make the name of an S3 bucket: ``rubinobs-{s3category}-{s3instance}-{salname}[.{salindexname}]``, lower case.

    Parameters
    ----------
    salname
        SAL component name, e.g. ``ATPtg``; for us the instrument.
    salindexname
        Name of the SAL index, or None for a component that has none.
    s3instance
        Site of the S3 server, e.g. ``Summit``.
    s3category
        Kind of S3 server.

    Raises
    ------
    ValueError
        If an argument does not begin and end with a letter or digit or holds more than letters, digits and ``.``, or if
        the name would be longer than 63 characters.
    """
    arguments = {"salname": salname, "s3instance": s3instance, "s3category": s3category}
    if salindexname is not None:
        arguments["salindexname"] = salindexname
    for name, value in arguments.items():
        _check_argument(name, value)
    index = "" if salindexname is None else f".{salindexname}"
    return _check_bucket_length(f"rubinobs-{s3category}-{s3instance}-{salname}{index}".lower())


def make_key(salname: str, generator: str, date: Time) -> str:
    """Make the key of an item: ``{yyyy}/{mm}/{dd}/{salname}-{generator}-{yyyy}{mm}{dd}-{tai_iso}``.

    Year, month and day are those of the observing day: `date` in TAI, rounded to milliseconds first, then minus 12 h,
    so that day and time in one key agree.

    Parameters
    ----------
    salname
        SAL component name.
    generator
        Dataset type.
    date
        Instant of the item, on any scale.
    """
    instant = tai_milliseconds(date)
    day = instant - timedelta(hours=DAY_ROLLOVER_HOURS)
    iso = instant.isoformat(timespec="milliseconds")
    return f"{day:%Y/%m/%d}/{salname}-{generator}-{day:%Y%m%d}-{iso}"


def bucket_of(
    instrument: str, *, s3instance: str, s3category: str = "LFA", layout: Literal["cap452", "salobj"] = "cap452"
) -> str:
    """Return the bucket that holds the products of an instrument."""
    if layout == "salobj":
        _check_argument("s3instance", s3instance)
        _check_argument("s3category", s3category)
        return _check_bucket_length(f"rubinobs-{s3category}-{s3instance}".lower())
    return make_bucket_name(salname_of(instrument), None, s3instance, s3category)


def salname_of(instrument: str) -> str:
    """Return an instrument's name without the characters that the rule of bucket names forbids."""
    name = _NOT_IN_SALNAME.sub("", instrument).strip(".")
    if not name:
        raise BucketNameError(
            f"The instrument {instrument!r} has no letter or digit to make a bucket name of; rename it.",
            value=instrument,
        )
    return name


def product_key(
    *,
    instrument: str,
    task: str,
    dataset_type: str,
    date: Time,
    data_id: DataId,
    target: uuid.UUID,
    claim_no: int,
    suffix: str,
    layout: Literal["cap452", "salobj"] = "cap452",
) -> str:
    """Return the key of one product: the seed's key, made unique and fenced.

    The seed's key resolves milliseconds, so that two detectors of one exposure would collide: the rest of the data ID
    and the target follow. The claim number is the fence: a claim that was overtaken writes only its own key.

    Parameters
    ----------
    instrument, task, dataset_type
        What made it.
    date
        Begin of the exposure (or of the validity range of a calibration).
    data_id
        Data ID of the product; ``instrument`` and ``exposure`` are already told by the other parts.
    target, claim_no
        The target, and the try at it.
    suffix
        File name extension with its dot, e.g. ``.fits``.
    layout
        ``cap452`` (the seed's) or ``salobj`` (today's ts_salobj).
    """
    rest = "-".join(f"{key}={data_id[key]}" for key in sorted(data_id) if key not in {"instrument", "exposure"})
    unique = _NOT_IN_FILE_NAME.sub("_", "-".join(part for part in (rest, f"{target}.{claim_no}") if part))
    salname = salname_of(instrument)
    generator = f"{task}.{dataset_type}"
    if layout == "salobj":
        instant = tai_milliseconds(date)
        day = instant - timedelta(hours=DAY_ROLLOVER_HOURS)
        iso = instant.isoformat(timespec="milliseconds")
        key = f"{salname}/{generator}/{day:%Y/%m/%d}/{salname}_{generator}_{iso}-{unique}{suffix}"
    else:
        key = f"{make_key(salname, generator, date)}-{unique}{suffix}"
    return check_key(key)


def check_key(key: str) -> str:
    """Return a key that S3 takes.

    Raises
    ------
    ValueError
        If it is empty, over 1024 bytes, begins with ``/`` or holds a control character or a step upwards.
    """
    problem = None
    if not key:
        problem = "is empty"
    elif len(key.encode()) > KEY_LIMIT_BYTES:
        problem = f"has {len(key.encode())} bytes; S3 takes {KEY_LIMIT_BYTES}"
    elif key.startswith("/") or any(part in {".", ".."} for part in key.split("/")):
        problem = "begins with '/' or holds a '.' or '..' step"
    elif any(ord(character) < 32 or ord(character) == 127 for character in key):
        problem = "holds a control character"
    if problem:
        raise BucketNameError(f"The key {key[:80]!r} {problem}. Use relative paths of printable characters.", key=key)
    return key


def s3_url(bucket: str, key: str) -> str:
    """Return ``s3://bucket/key``."""
    return f"s3://{bucket}/{key}"


def parse_s3_url(url: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://bucket/key`` URL.

    Raises
    ------
    ValueError
        If it is not such a URL.
    """
    scheme, rest = url[:5], url[5:]
    bucket, _, key = rest.partition("/")
    if scheme != "s3://" or not bucket or not key:
        raise BucketNameError(f"{url!r} is not of the form s3://bucket/key (scheme {urlsplit(url).scheme!r}).", url=url)
    return bucket, key


def routing_key(instrument: str, task: str, dataset_type: str) -> str:
    """Return the routing key of a notice, ``{instrument}.{task}.{dataset_type}``: each part one word of a topic."""
    return ".".join(re.sub(r"[.\s*#]", "_", part) for part in (instrument, task, dataset_type))


def run_name(*, user: str, task: str, stamp: str, job: uuid.UUID) -> str:
    """Return the RUN collection that a job gets of its own: ``u/{user}/{task}/{stamp}-{end of the job's id}``."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", user)
    return f"u/{safe}/{task}/{stamp}-{short_id(job)}"


def _check_argument(name: str, value: object) -> None:
    if not isinstance(value, str) or not _ARGUMENT.fullmatch(value):
        raise BucketNameError(
            f"{name}={value!r} must begin and end with a letter or digit and hold only letters, digits and '.'.",
            argument=name,
            value=value,
        )


def _check_bucket_length(bucket: str) -> str:
    if len(bucket) > _BUCKET_LIMIT:
        raise BucketNameError(
            f"The bucket name {bucket!r} has {len(bucket)} characters; S3 takes {_BUCKET_LIMIT}. Shorten an argument.",
            bucket=bucket,
        )
    return bucket
