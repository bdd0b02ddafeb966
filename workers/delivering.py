"""Large outputs of a claim, from the Butler to the annex, each with its notice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from underbutler.annex import bucket_for, deliver
from underbutler.butlers import media_type
from underbutler.model.message import TargetMessage, now_s
from underbutler.model.naming import product_key
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.records import Claim, Product

if TYPE_CHECKING:
    from astropy.time import Time
    from lsst.daf.butler import Butler, DatasetRef
    from lsst.resources import ResourcePath

    from underbutler.context import WorkerContext
    from underbutler.pipe import DatasetSpec

__all__ = ["Artifact", "artifacts_of", "deliver_artifacts"]

FORMAT_VERSION = 1.0
"""Revision of the file formats that our formatters write; a notice's ``version``."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One dataset that a claim has put, and the file that holds it."""

    ref: DatasetRef
    uri: ResourcePath
    size: int
    mime_type: str
    product: Product


def artifacts_of(
    refs: Iterable[DatasetRef],
    butler: Butler,
    claim: Claim,
    context: WorkerContext,
    specs: Mapping[str, DatasetSpec],
) -> list[Artifact]:
    """Find the files of what was put, and decide for each whether it is large.

    A dataset type that its task declares large or not is taken at its word; for one that it leaves open the size of the
    first one seen decides, once per job and type.
    """
    return [_artifact(ref, butler, claim, context, specs.get(ref.datasetType.name)) for ref in refs]


def _artifact(
    ref: DatasetRef, butler: Butler, claim: Claim, context: WorkerContext, spec: DatasetSpec | None
) -> Artifact:
    uri = butler.getURI(ref)
    size = uri.size()
    if spec is None:
        large = False  # what the frame of a task writes by itself: metadata, config, versions
    elif spec.large is None:
        threshold = context.settings.annex_threshold_bytes
        large = context.jobs.decide_large(claim.job, ref.datasetType.name, size, threshold)
    else:
        large = spec.large
    mime_type = media_type(uri.basename())
    return Artifact(
        ref=ref,
        uri=uri,
        size=size,
        mime_type=mime_type,
        product=Product(
            dataset_id=ref.id,
            dataset_type=ref.datasetType.name,
            data_id=dict(ref.dataId.required),
            large=large,
            byte_size=size,
            mime_type=mime_type,
        ),
    )


def deliver_artifacts(
    artifacts: Sequence[Artifact], message: TargetMessage, claim: Claim, context: WorkerContext
) -> tuple[list[Product], list[LargeFileObjectAvailable]]:
    """Bring what is large to the annex, verified; return all products, and a notice for each delivered one.

    Raises
    ------
    AnnexUnavailableError
        If S3 does not answer.
    IntegrityError
        If S3 holds other bytes than were sent.
    """
    products: list[Product] = []
    notices: list[LargeFileObjectAvailable] = []
    for artifact in artifacts:
        if artifact.product.large:
            product, notice = _deliver(artifact, message, claim, context)
            products.append(product)
            notices.append(notice)
        else:
            products.append(artifact.product)
    return products, notices


def _deliver(
    artifact: Artifact, message: TargetMessage, claim: Claim, context: WorkerContext
) -> tuple[Product, LargeFileObjectAvailable]:
    settings, product = context.settings, artifact.product
    instrument = str(product.data_id.get("instrument", "none"))
    key = product_key(
        instrument=instrument,
        task=message.task,
        dataset_type=product.dataset_type,
        date=_begin(artifact.ref, context.job(claim.job).created_at),
        data_id=product.data_id,
        target=claim.target,
        claim_no=claim.claim_no,
        suffix=artifact.uri.getExtension(),
        layout=settings.annex_layout,
    )
    names = {"job": str(claim.job), "target": str(claim.target), "dataset": str(product.dataset_id)}
    with artifact.uri.open("rb") as source:
        placed = deliver(
            context.s3,
            source,
            bucket=bucket_for(settings, instrument),
            key=key,
            size=artifact.size,
            mime_type=artifact.mime_type,
            metadata=names,
            part_bytes=settings.annex_part_bytes,
        )
    delivered = replace(product, url=placed.url, byte_size=placed.byte_size, sha256=placed.sha256, etag=placed.etag)
    notice = LargeFileObjectAvailable(
        url=placed.url,
        generator=f"{message.task}.{product.dataset_type}",
        version=FORMAT_VERSION,
        byteSize=placed.byte_size,
        checkSum=placed.sha256,
        mimeType=artifact.mime_type,
        id=f"{product.dataset_id}.{claim.claim_no}",
        data_id=product.data_id,
        sent_at=now_s(),
        **names,
    )
    return delivered, notice


def _begin(ref: DatasetRef, job_created_at: float) -> Time:
    """Return the begin of the exposure that a dataset belongs to; for one of no exposure when its job was made.

    Both are the same for every claim of a target, so that only the claim number tells their keys apart.
    """
    from astropy.time import Time

    span: Any = ref.dataId.timespan if ref.dataId.hasRecords() else None
    if span is not None and span.begin is not None:
        return span.begin
    return Time(job_created_at, format="unix", scale="utc")
