"""Large outputs of a claim, from the Butler to the annex, each with its notice.

An annex that is away is met with a few tries; then the target waits in the records and its child is free. The dataset
is safe in the Butler, from where any claim delivers it again, under keys of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenacity import stop_after_attempt, stop_after_delay

from underbutler import metrics
from underbutler.annex import bucket_for, deliver
from underbutler.butlers.translation import translate_butler_errors
from underbutler.errors import AnnexUnavailableError, IntegrityError, LostDatasetError
from underbutler.model.job import TargetState
from underbutler.model.message import now_s
from underbutler.model.naming import product_key
from underbutler.model.notice import FORMAT_VERSION, LargeFileObjectAvailable
from underbutler.records import Outcome, Product, Upload
from underbutler.retry import ANNEX_OF_A_TARGET
from underbutler.telemetry import tracing
from underbutler.telemetry.logs import get_logger

from .attempt import Attempt
from .waiting_for_records import retry_past_soft_limit, retry_until_available

if TYPE_CHECKING:
    from astropy.time import Time
    from lsst.daf.butler import DatasetRef
    from tenacity import RetryCallState

    from underbutler.annex import DeliveredObject

    from .artifacts import Artifact
    from .reducing import Reduced

__all__ = ["deliver_again", "deliver_first"]

log = get_logger(__name__)

TRIES = 3
"""How often a claim tries one object before it gives its delivery back."""
PATIENCE_S = 15.0
"""A claim begins no other try later than this after its first, in seconds: a hanging store takes its time each try."""
_FAILURES: dict[type[Exception], str] = {
    AnnexUnavailableError: "away",
    IntegrityError: "integrity",
    LostDatasetError: "lost",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shipment:
    """One large artifact and the place that it goes to, which no other claim writes."""

    artifact: Artifact
    bucket: str
    key: str


def deliver_first(attempt: Attempt, reduced: Reduced) -> Outcome:
    """Deliver what the science of this claim made; with nothing large the records are not asked.

    Raises
    ------
    AnnexUnavailableError
        If S3 does not answer.
    IntegrityError
        If S3 holds other bytes than were sent.
    FencedOutError
        If the claim was overtaken.
    """
    products = [artifact.product for artifact in reduced.artifacts]
    shipments = _shipments(attempt, reduced.artifacts)
    if not shipments:
        state = TargetState.DONE if reduced.found_work else TargetState.NO_WORK
        return Outcome(state=state, exit_status=0, products=products, scalars=reduced.scalars, seconds=attempt.seconds)
    attempt.delivering = True
    retry_past_soft_limit(
        attempt.context.jobs.claims.begin_delivery,
        attempt.claim,
        products,
        scalars=reduced.scalars,
        seconds=attempt.seconds,
        uploads=_uploads(shipments),
    )
    return _delivered(attempt, reduced.artifacts, shipments)


def deliver_again(attempt: Attempt, artifacts: Sequence[Artifact]) -> Outcome:
    """Deliver what an earlier claim of the target made; raises what `deliver_first` does."""
    shipments = _shipments(attempt, artifacts)
    retry_past_soft_limit(attempt.context.jobs.uploads.add, attempt.claim, _uploads(shipments))
    return _delivered(attempt, artifacts, shipments)


def _delivered(attempt: Attempt, artifacts: Sequence[Artifact], shipments: Sequence[_Shipment]) -> Outcome:
    placed = {shipment.artifact.ref.id: _ship_with_patience(shipment, attempt) for shipment in shipments}
    products, notices = [], []
    for artifact in artifacts:
        if artifact.ref.id not in placed:
            products.append(artifact.product)
            continue
        product, notice = _announced(artifact, placed[artifact.ref.id], attempt)
        products.append(product)
        notices.append(notice)
    return Outcome(state=TargetState.DONE, exit_status=0, products=products, notices=notices)


def _shipments(attempt: Attempt, artifacts: Sequence[Artifact]) -> list[_Shipment]:
    large = [artifact for artifact in artifacts if artifact.product.large]
    if not large:
        return []
    created_at = retry_until_available(attempt.context.job, attempt.claim.job).created_at
    return [_shipment(artifact, attempt, created_at) for artifact in large]


def _shipment(artifact: Artifact, attempt: Attempt, job_created_at: float) -> _Shipment:
    settings, product = attempt.settings, artifact.product
    instrument = str(product.data_id.get("instrument", "none"))
    key = product_key(
        instrument=instrument,
        task=attempt.message.task,
        dataset_type=product.dataset_type,
        date=_begin(artifact.ref, job_created_at),
        data_id=product.data_id,
        target=attempt.claim.target,
        claim_no=attempt.claim.claim_no,
        suffix=artifact.uri.getExtension(),
        layout=settings.annex_layout,
    )
    return _Shipment(artifact=artifact, bucket=bucket_for(settings, instrument), key=key)


def _uploads(shipments: Sequence[_Shipment]) -> list[Upload]:
    return [Upload(bucket=shipment.bucket, key=shipment.key) for shipment in shipments]


def _ship_with_patience(shipment: _Shipment, attempt: Attempt) -> DeliveredObject:
    """Deliver one object, with few tries; with one while the annex was away a moment ago for this process."""
    context = attempt.context
    tries = 1 if context.annex_was_away else TRIES
    last = stop_after_attempt(tries) | stop_after_delay(PATIENCE_S)

    def say(state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        log.warning("delivery_tried_again", bucket=shipment.bucket, key=shipment.key, error=str(error))

    retrying = ANNEX_OF_A_TARGET.retrying(AnnexUnavailableError, IntegrityError, stop=last, before_wait=say)
    try:
        placed = retrying(_ship_counted, shipment, attempt)
    except (AnnexUnavailableError, IntegrityError):
        context.annex_was_away = True
        raise
    context.annex_was_away = False
    return placed


def _ship_counted(shipment: _Shipment, attempt: Attempt) -> DeliveredObject:
    with _counted(shipment):
        return _ship(shipment, attempt)


@contextmanager
def _counted(shipment: _Shipment) -> Iterator[None]:
    """Count a try to deliver one object: its time and bytes, or why it failed."""
    kind = shipment.artifact.product.dataset_type
    try:
        with metrics.ANNEX_DELIVERY_SECONDS.timed(dataset_type=kind):
            yield
    except tuple(_FAILURES) as error:
        metrics.ANNEX_FAILURES.count(kind=next(word for one, word in _FAILURES.items() if isinstance(error, one)))
        raise
    metrics.ANNEX_DELIVERIES.count(dataset_type=kind)
    metrics.ANNEX_DELIVERED_BYTES.count(shipment.artifact.size, dataset_type=kind)


def _ship(shipment: _Shipment, attempt: Attempt) -> DeliveredObject:
    artifact = shipment.artifact
    out = retry_until_available(attempt.context.job, attempt.claim.job).out
    span = tracing.span(f"deliver {artifact.product.dataset_type}", url=f"s3://{shipment.bucket}/{shipment.key}")
    try:
        with span, translate_butler_errors(out), artifact.uri.open("rb") as stream:
            return deliver(
                attempt.context.s3,
                stream,
                bucket=shipment.bucket,
                key=shipment.key,
                size=artifact.size,
                mime_type=artifact.mime_type,
                metadata=_names(artifact, attempt),
                part_bytes=attempt.settings.annex_part_bytes,
            )
    except FileNotFoundError as error:
        raise LostDatasetError(
            f"The file of {artifact.product.dataset_type} ({artifact.product.dataset_id}) was to be delivered and is "
            f"gone: {artifact.uri}. Submit the target again.",
            dataset=str(artifact.product.dataset_id),
        ) from error


def _names(artifact: Artifact, attempt: Attempt) -> dict[str, str]:
    claim = attempt.claim
    return {"job": str(claim.job), "target": str(claim.target), "dataset": str(artifact.product.dataset_id)}


def _announced(
    artifact: Artifact, placed: DeliveredObject, attempt: Attempt
) -> tuple[Product, LargeFileObjectAvailable]:
    """Return the product as it was delivered, and its notice."""
    product = replace(
        artifact.product, url=placed.url, byte_size=placed.byte_size, sha256=placed.sha256, etag=placed.etag
    )
    notice = LargeFileObjectAvailable(
        url=placed.url,
        generator=f"{attempt.message.task}.{product.dataset_type}",
        version=FORMAT_VERSION,
        byteSize=placed.byte_size,
        checkSum=placed.sha256,
        mimeType=artifact.mime_type,
        id=f"{product.dataset_id}.{attempt.claim.claim_no}",
        data_id=product.data_id,
        sent_at=now_s(),
        **_names(artifact, attempt),
    )
    return product, notice


def _begin(ref: DatasetRef, job_created_at: float) -> Time:
    """Return the begin of the exposure that a dataset belongs to; for one of no exposure when its job was made.

    Both are the same for every claim of a target, so that only the claim number tells their keys apart.
    """
    from astropy.time import Time

    span: Any = ref.dataId.timespan if ref.dataId.hasRecords() else None
    if span is not None and span.begin is not None:
        return span.begin
    return Time(job_created_at, format="unix", scale="utc")
