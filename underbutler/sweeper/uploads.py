"""What dead claims left in the annex: whole objects, and uploads that were cut."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from underbutler.s3 import make_client, translate_s3_errors
from underbutler.telemetry.logs import get_logger

from .report import Tally
from .rounds import Round

if TYPE_CHECKING:
    from underbutler.records import UploadRow

__all__ = ["clean"]

log = get_logger(__name__)

BATCH = 50
"""Keys that are cleaned in one go."""
TIMEOUT_S = 10.0
"""Longest silence of the store: a sweep does not wait for one that hangs."""


def clean(turn: Round, tally: Tally) -> None:
    """Remove the objects and cut uploads of claims that have ended without being the one that is visible.

    Each key is cleaned twice: soon, and again when no process of that claim can be alive any more, because a child that
    was stopped may wake up and finish its upload.
    """
    for words in ("objects removed", "cut uploads aborted"):
        tally.add(words, 0)
    left, again_after_s = turn.limits.uploads, float(turn.settings.hard_limit_s)
    while left > 0 and not turn.stopped() and turn.jobs.uploads.to_clean(1, again_after_s=again_after_s):
        with turn.alone("uploads") as mine:
            if not mine:
                tally.note("another sweeper is at it")
                return
            batch = turn.jobs.uploads.to_clean(min(BATCH, left), again_after_s=again_after_s)
            if not batch:
                return
            left -= len(batch)
            with closing(make_client(turn.settings, timeout_s=TIMEOUT_S)) as client:
                for upload in batch:
                    _clean_once(turn, tally, client, upload)
    tally.more = left <= 0


def _clean_once(turn: Round, tally: Tally, client: Any, upload: UploadRow) -> None:
    """Clean one key for the first or the second time."""
    objects, cut = _clean(client, upload)
    tally.add("objects removed", objects)
    tally.add("cut uploads aborted", cut)
    if upload.cleaned_at is None:
        turn.jobs.uploads.mark_cleaned([upload])
    else:
        turn.jobs.uploads.forget([upload])


def _clean(client: Any, upload: UploadRow) -> tuple[int, int]:
    """Remove what is under one key; return the numbers of objects and of cut uploads."""
    bucket, key = upload.bucket, upload.key
    with translate_s3_errors(client, bucket=bucket, key=key):
        try:
            cut = _abort_uploads(client, bucket, key)
            return int(_remove(client, bucket, key)), cut
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
                return 0, 0  # the whole bucket is gone, and all that was in it
            raise


def _abort_uploads(client: Any, bucket: str, key: str) -> int:
    cut = 0
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key):
        for one in page.get("Uploads", ()):
            if one["Key"] == key:
                client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=one["UploadId"])
                cut += 1
    return cut


def _remove(client: Any, bucket: str, key: str) -> bool:
    """Remove an object; False when there was none."""
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            return False
        raise
    client.delete_object(Bucket=bucket, Key=key)
    return True
