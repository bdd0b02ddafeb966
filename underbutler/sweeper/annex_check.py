"""Records, bucket, notices and Butler compared: what is missing, wrong or too much in the annex, and its repair.

Everything is read page by page. A repair delivers again from the Butler, under the key that was announced, and only
bytes that are the announced ones.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from underbutler.annex import deliver, fetch
from underbutler.errors import IntegrityError, LostDatasetError, TransientError, UnderbutlerError, UsageError
from underbutler.model.message import now_s
from underbutler.model.naming import parse_s3_url
from underbutler.model.notice import FORMAT_VERSION, LargeFileObjectAvailable
from underbutler.s3 import translate_s3_errors
from underbutler.telemetry.logs import get_logger

from .annex_strays import StrayObject, stray_objects

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

    from underbutler.butlers import Repositories
    from underbutler.context import ServiceContext
    from underbutler.records import Delivery

__all__ = ["Finding", "FindingKind", "check_annex"]

log = get_logger(__name__)

PAGE: Final = 200
"""Products that are looked at together."""
LOOKERS: Final = 8
"""Requests to the store at a time."""
MIB: Final = 2**20


class FindingKind(StrEnum):
    """What is not as it should be."""

    NOT_DELIVERED = "not delivered"
    OBJECT_MISSING = "object missing"
    OBJECT_DIFFERS = "object differs"
    NOTICE_MISSING = "notice missing"
    NOTICE_DIFFERS = "notice differs"
    NOTICE_UNSENT = "notice unsent"
    DATASET_GONE = "dataset gone"
    DATASET_DIFFERS = "dataset differs"
    STRAY_OBJECT = "stray object"
    STRAY_UPLOAD = "stray upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing in the annex that is not as it should be.

    Parameters
    ----------
    kind
        What.
    job, target, dataset
        Whose object it is; `dataset` is None for a stray.
    what
        Task and dataset type, for people.
    url
        The object.
    detail
        What was found, in words.
    repaired
        Whether it is in order now.
    told
        What was done, or why nothing was; empty without a repair.
    """

    kind: FindingKind
    job: uuid.UUID
    target: uuid.UUID
    dataset: uuid.UUID | None
    what: str
    url: str
    detail: str
    repaired: bool = False
    told: str = ""


def check_annex(
    context: ServiceContext,
    *,
    job: uuid.UUID | None = None,
    since_s: float | None = None,
    deep: bool = False,
    repair: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Iterator[Finding]:
    """Compare what the records say with the bucket, the notices and the Butler; yield what differs.

    Parameters
    ----------
    context
        Records, butlers, annex and broker.
    job
        Only what this job made.
    since_s
        Only what ended within so many seconds.
    deep
        Read every object and every dataset whole, and compare their SHA-256.
    repair
        Repair what can be repaired: see `Finding.told`.
    progress
        Called with the number of products looked at so far.

    Raises
    ------
    TransientError
        If records, annex or a repository's database are away.
    """
    buckets: dict[str, set[str]] = {}
    grace_s = context.settings.outbox_grace_s
    looked = 0
    with ThreadPoolExecutor(LOOKERS, thread_name_prefix="annex-check") as pool:
        for page in _pages(context, job, since_s):
            for made in page:
                if made.url is not None:
                    bucket, key = parse_s3_url(made.url)
                    buckets.setdefault(bucket, set()).add(key.rpartition("/")[0] if job else "")
            objects = list(pool.map(lambda made: _look(context, made, deep=deep), page))
            with _Butlers(context.repositories) as butlers:
                for made, wrong in zip(page, objects, strict=True):
                    found = [*wrong, *_notices(made, grace_s), *_in_butler(butlers, made, deep=deep)]
                    yield from (_repaired(context, butlers, made, finding) if repair else finding for finding in found)
            looked += len(page)
            if progress is not None:
                progress(looked)
    for bucket, folder in context.jobs.uploads.places(job):
        buckets.setdefault(bucket, set()).add(folder if job else "")
    for stray in stray_objects(context, buckets, job=job, since_s=since_s, remove=repair):
        yield _stray(stray)


def _pages(context: ServiceContext, job: uuid.UUID | None, since_s: float | None) -> Iterator[list[Delivery]]:
    after = None
    while page := context.jobs.deliveries.page(job=job, since_s=since_s, after=after, limit=PAGE):
        yield page
        after = page[-1].dataset_id


def _look(context: ServiceContext, made: Delivery, *, deep: bool) -> list[Finding]:
    """Compare one object with what was recorded of it."""
    if made.url is None:
        return [_finding(made, FindingKind.NOT_DELIVERED, "its target is done, and no object is recorded")]
    bucket, key = parse_s3_url(made.url)
    try:
        with translate_s3_errors(context.s3, bucket=bucket, key=key):
            head = context.s3.head_object(Bucket=bucket, Key=key)
        detail = _difference(context, made, head, deep=deep)
    except LostDatasetError:
        return [_finding(made, FindingKind.OBJECT_MISSING, "the store has no such object")]
    return [_finding(made, FindingKind.OBJECT_DIFFERS, detail)] if detail else []


def _difference(context: ServiceContext, made: Delivery, head: Mapping[str, Any], *, deep: bool) -> str:
    """Say how an object differs from what was announced; nothing if it does not."""
    size, sha256 = head["ContentLength"], head.get("Metadata", {}).get("sha256")
    etag = str(head["ETag"]).strip('"')
    if size != made.byte_size:
        return f"it has {size} bytes, announced were {made.byte_size}"
    if sha256 and sha256 != made.sha256:
        return f"its SHA-256 is {sha256[:12]}…, announced was {str(made.sha256)[:12]}…"
    if deep or etag != made.etag:  # a bucket that was copied has other ETags: the bytes decide
        return _read_whole(context, made)
    return ""


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: bytes) -> int:
        return len(data)

    def seekable(self) -> bool:
        return False


def _read_whole(context: ServiceContext, made: Delivery) -> str:
    """Read an object to its end; return how it differs, or nothing."""
    nowhere: Any = _Nowhere()
    try:
        fetch(context.s3, str(made.url), nowhere, size=made.byte_size, sha256=made.sha256)
    except IntegrityError:
        return f"its bytes are not those announced, SHA-256 {str(made.sha256)[:12]}…"
    return ""


def _notices(made: Delivery, grace_s: float) -> Iterator[Finding]:
    """Compare the notice of a product with the product."""
    if made.url is None:
        return
    of_object = [told for told in made.notices if told.notice.url == made.url]
    if not of_object:
        yield _finding(made, FindingKind.NOTICE_MISSING, "no notice of this object is recorded")
    for told in of_object:
        if (told.notice.byteSize, told.notice.checkSum) != (made.byte_size, made.sha256):
            yield _finding(made, FindingKind.NOTICE_DIFFERS, f"notice {told.notice.id} tells of other bytes")
        elif not told.sent and told.age_s > grace_s:
            yield _finding(made, FindingKind.NOTICE_UNSENT, f"not confirmed by the broker for {told.age_s:.0f} s")


class _Butlers:
    """Butlers of a page, each opened once."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._stack = ExitStack()
        self._open: dict[str, Butler] = {}

    def of(self, label: str) -> Butler:
        if label not in self._open:
            self._open[label] = self._stack.enter_context(self._repositories.butler(label))
        return self._open[label]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _in_butler(butlers: _Butlers, made: Delivery, *, deep: bool) -> Iterator[Finding]:
    """Compare the dataset with the product that was made of it."""
    if made.url is None:
        return
    try:
        artifact = _artifact(butlers.of(made.out), made)
    except UsageError as error:
        yield _finding(made, FindingKind.DATASET_GONE, str(error))
        return
    if artifact.size() != made.byte_size:
        detail = f"it has {artifact.size()} bytes, delivered were {made.byte_size}"
        yield _finding(made, FindingKind.DATASET_DIFFERS, detail)
    elif deep and _sha256(artifact) != made.sha256:
        detail = f"its bytes are not those delivered, SHA-256 {str(made.sha256)[:12]}…"
        yield _finding(made, FindingKind.DATASET_DIFFERS, detail)


def _artifact(butler: Butler, made: Delivery) -> Any:
    """Return where the file of a dataset is.

    Raises
    ------
    LostDatasetError
        If there is none.
    """
    ref = butler.get_dataset(made.dataset_id)
    if ref is None:
        raise LostDatasetError(f"{made.out!r} has no dataset {made.dataset_type} {made.dataset_id} any more.")
    try:
        uri = butler.getURI(ref)
    except FileNotFoundError as error:
        raise LostDatasetError(
            f"{made.out!r} has no file of {made.dataset_type} {made.dataset_id} any more."
        ) from error
    if not uri.exists():
        raise LostDatasetError(f"The file {uri} of {made.dataset_type} {made.dataset_id} is gone.")
    return uri


def _sha256(artifact: Any) -> str:
    digest = hashlib.sha256()
    with artifact.open("rb") as stream:
        while data := stream.read(MIB):
            digest.update(data)
    return digest.hexdigest()


def _finding(made: Delivery, kind: FindingKind, detail: str) -> Finding:
    return Finding(
        kind=kind,
        job=made.job,
        target=made.target,
        dataset=made.dataset_id,
        what=f"{made.task}.{made.dataset_type}",
        url=made.url or "",
        detail=detail,
    )


def _stray(stray: StrayObject) -> Finding:
    return Finding(
        kind=FindingKind.STRAY_UPLOAD if stray.upload_id else FindingKind.STRAY_OBJECT,
        job=stray.job,
        target=stray.target,
        dataset=None,
        what=f"claim {stray.claim_no}",
        url=stray.url,
        detail=stray.reason,
        repaired=stray.removed,
        told=stray.told,
    )


def _repaired(context: ServiceContext, butlers: _Butlers, made: Delivery, finding: Finding) -> Finding:
    """Put in order what can be, and say what was done or why nothing was."""
    repairs = {
        FindingKind.OBJECT_MISSING: _deliver_again,
        FindingKind.OBJECT_DIFFERS: _deliver_again,
        FindingKind.NOTICE_MISSING: _announce,
        FindingKind.NOTICE_UNSENT: _announce,
    }
    repair = repairs.get(finding.kind)
    if repair is None:
        return replace(finding, told=_CURES[finding.kind])
    try:
        told = repair(context, butlers, made)
    except TransientError:
        raise
    except UnderbutlerError as error:
        return replace(finding, told=f"not repaired: {error}")
    log.info("annex_repaired", finding=finding.kind.value, url=made.url, target=str(made.target))
    return replace(finding, repaired=True, told=told)


_CURES: Final = {
    FindingKind.NOT_DELIVERED: "not repaired: run its target again with `underbutler retry JOB --states done`",
    FindingKind.NOTICE_DIFFERS: "not repaired: a notice that was sent cannot be changed",
    FindingKind.DATASET_GONE: "not repaired: the object in the annex is what is left of it",
    FindingKind.DATASET_DIFFERS: "not repaired: it was changed after its delivery; the annex keeps what was announced",
}


def _deliver_again(context: ServiceContext, butlers: _Butlers, made: Delivery) -> str:
    """Bring the announced bytes to the announced key again, out of the Butler.

    Raises
    ------
    UsageError
        If the dataset is gone, or is not what was announced.
    """
    bucket, key = parse_s3_url(str(made.url))
    artifact = _artifact(butlers.of(made.out), made)
    size, sha256 = artifact.size(), _sha256(artifact)
    if (size, sha256) != (made.byte_size, made.sha256):
        raise UsageError(
            f"The Butler holds other bytes of it ({size} bytes, SHA-256 {sha256[:12]}…) than were announced "
            f"({made.byte_size} bytes, {str(made.sha256)[:12]}…): they are not delivered under this key."
        )
    with artifact.open("rb") as source:
        placed = deliver(
            context.s3,
            source,
            bucket=bucket,
            key=key,
            size=size,
            mime_type=str(made.mime_type),
            metadata={"job": str(made.job), "target": str(made.target), "dataset": str(made.dataset_id)},
            part_bytes=context.settings.annex_part_bytes,
        )
    context.jobs.deliveries.record_redelivery(made.dataset_id, made.claim_no, placed.etag)
    return "delivered again from the Butler"


def _announce(context: ServiceContext, _: _Butlers, made: Delivery) -> str:
    """Record the notice if there is none, and send it; consumers that had it know its id."""
    notices: Sequence[LargeFileObjectAvailable] = [told.notice for told in made.notices if told.notice.url == made.url]
    if not notices:
        notices = [_notice(made)]
        context.jobs.deliveries.add_notice(notices[0])
    context.publish(notices)
    context.jobs.outbox.mark_notices_sent([notice.id for notice in notices])
    return "sent"


def _notice(made: Delivery) -> LargeFileObjectAvailable:
    return LargeFileObjectAvailable(
        url=str(made.url),
        generator=f"{made.task}.{made.dataset_type}",
        version=FORMAT_VERSION,
        byteSize=int(made.byte_size or 0),
        checkSum=str(made.sha256),
        mimeType=str(made.mime_type),
        id=f"{made.dataset_id}.{made.claim_no}",
        job=str(made.job),
        target=str(made.target),
        dataset=str(made.dataset_id),
        data_id=made.data_id,
        sent_at=now_s(),
    )
