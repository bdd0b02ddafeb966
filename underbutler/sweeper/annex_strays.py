"""Objects and unfinished uploads in the annex that no record names: what dead claims and late ones left.

Only keys of ours are looked at, and only those whose target the records know: what a destroyed job left, or another
installation put into the same bucket, is nobody's to remove here.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from underbutler.model.job import TargetState
from underbutler.model.naming import s3_url
from underbutler.s3 import translate_s3_errors

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import TargetFate

__all__ = ["StrayObject", "claim_of_key", "stray_objects"]

_OURS: Final = re.compile(
    r"(?P<target>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\.(?P<claim>\d{1,9})(?:\.[A-Za-z][\w.]*)?$"
)
"""How every key of a product ends: target, claim number, suffix of the file."""

_LIVE: Final = frozenset({TargetState.RUNNING, TargetState.DELIVERING})


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayObject:
    """An object, or with `upload_id` a multipart upload that nobody ended.

    Parameters
    ----------
    job, target, claim_no
        Who wrote it.
    url
        Where it is.
    reason
        Why it should not be there.
    removed
        Whether it was removed.
    told
        Why not, or that it was; empty when nothing was to be removed.
    upload_id
        The store's name of the upload.
    """

    job: uuid.UUID
    target: uuid.UUID
    claim_no: int
    url: str
    reason: str
    removed: bool = False
    told: str = ""
    upload_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a listing shows: a key, when it was written, by whom."""

    key: str
    written: datetime
    target: uuid.UUID
    claim_no: int
    upload_id: str | None


def claim_of_key(key: str) -> tuple[uuid.UUID, int] | None:
    """Return target and claim number of a product's key; None for a key that is not ours."""
    found = _OURS.search(key)
    return None if found is None else (uuid.UUID(found["target"]), int(found["claim"]))


def stray_objects(
    context: ServiceContext,
    places: Mapping[str, set[str]],
    *,
    job: uuid.UUID | None = None,
    since_s: float | None = None,
    remove: bool = False,
) -> Iterator[StrayObject]:
    """List what no record names, page by page.

    Parameters
    ----------
    context
        Records and annex.
    places
        Buckets, and in each the folders to list; the empty folder is the whole bucket.
    job
        Only what this job's targets wrote.
    since_s
        Only what was written within so many seconds.
    remove
        Remove what is older than the hard limit of a target: nobody can still be writing it.

    Raises
    ------
    AnnexUnavailableError
        If the store does not answer, or lacks a bucket.
    """
    for bucket in sorted(places):
        for folder in sorted(places[bucket]):
            prefix = f"{folder}/" if folder else ""
            for listed in (_objects, _uploads):
                for now, page in listed(context.s3, bucket, prefix):
                    recent = [seen for seen in page if since_s is None or _age_s(seen, now) <= since_s]
                    yield from _strays_of_page(context, bucket, recent, now, job, remove=remove)


def _strays_of_page(
    context: ServiceContext,
    bucket: str,
    page: Sequence[_Seen],
    now: datetime,
    job: uuid.UUID | None,
    *,
    remove: bool,
) -> Iterator[StrayObject]:
    fates = context.jobs.deliveries.target_fates({seen.target for seen in page})
    for seen in page:
        fate = fates.get(seen.target)
        if fate is None or (job is not None and fate.job != job):
            continue
        url = s3_url(bucket, seen.key)
        reason = _reason(seen, url, fate)
        if reason:
            removed, told = _remove(context, bucket, seen, now) if remove else (False, "")
            yield StrayObject(
                job=fate.job,
                target=seen.target,
                claim_no=seen.claim_no,
                url=url,
                reason=reason,
                removed=removed,
                told=told,
                upload_id=seen.upload_id,
            )


def _reason(seen: _Seen, url: str, fate: TargetFate) -> str:
    """Say why something should not be there; nothing if it may."""
    if url in fate.urls and seen.upload_id is None:
        return ""
    if seen.claim_no >= fate.claim_no and fate.state in _LIVE | {TargetState.QUEUED}:
        return ""  # its claim writes it, or may have been given back the moment before
    kind = "an unfinished upload" if seen.upload_id else "an object"
    return f"{kind} of claim {seen.claim_no}; its target is {fate.state.value} and no record names it"


def _remove(context: ServiceContext, bucket: str, seen: _Seen, now: datetime) -> tuple[bool, str]:
    limit = context.settings.hard_limit_s
    if _age_s(seen, now) <= limit:
        return False, f"left: younger than {limit} s, the hard limit of a target"
    place = {"Bucket": bucket, "Key": seen.key}
    with translate_s3_errors(context.s3, bucket=bucket, key=seen.key):
        if seen.upload_id is None:
            context.s3.delete_object(**place)
            return True, "removed"
        context.s3.abort_multipart_upload(**place, UploadId=seen.upload_id)
    return True, "aborted"


def _age_s(seen: _Seen, now: datetime) -> float:
    return (now - seen.written).total_seconds()


_Pages = Iterator[tuple[datetime, list[_Seen]]]


def _objects(client: Any, bucket: str, prefix: str) -> _Pages:
    yield from _listed(client, "list_objects_v2", bucket, prefix, "Contents", "LastModified")


def _uploads(client: Any, bucket: str, prefix: str) -> _Pages:
    yield from _listed(client, "list_multipart_uploads", bucket, prefix, "Uploads", "Initiated")


def _listed(client: Any, operation: str, bucket: str, prefix: str, items: str, written: str) -> _Pages:
    pages = iter(client.get_paginator(operation).paginate(Bucket=bucket, Prefix=prefix))
    while True:
        with translate_s3_errors(client, bucket=bucket):
            page = next(pages, None)
        if page is None:
            return
        seen = [
            _Seen(item["Key"], item[written], *named, item.get("UploadId"))
            for item in page.get(items, ())
            if (named := claim_of_key(item["Key"])) is not None
        ]
        yield _now(page), seen


def _now(page: Mapping[str, Any]) -> datetime:
    """Return the store's clock: its own times are compared with it."""
    date = page.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)
