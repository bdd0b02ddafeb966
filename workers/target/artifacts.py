"""Datasets that a target has put, each with the file that holds it: which are large, and what they are called then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from underbutler.butlers import media_type
from underbutler.catalog.handlers.array_layout import layout_of
from underbutler.errors import LostDatasetError
from underbutler.model.dataref import human_data_id
from underbutler.records import Claim, Product

from .waiting_for_records import retry_until_available

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef
    from lsst.resources import ResourcePath

    from underbutler.context import ServiceContext
    from underbutler.pipe import DatasetSpec
    from underbutler.records import ProductRow

__all__ = ["Artifact", "artifacts_of", "recorded_artifacts"]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One dataset that a target has put, and the file that holds it."""

    ref: DatasetRef
    uri: ResourcePath
    size: int
    mime_type: str
    product: Product


def artifacts_of(
    refs: Iterable[DatasetRef],
    butler: Butler,
    claim: Claim,
    context: ServiceContext,
    specs: Mapping[str, DatasetSpec],
) -> list[Artifact]:
    """Find the files of what was put, and decide for each whether it is large.

    A dataset type that its task declares large or not is taken at its word; for one that it leaves open the size of the
    first one seen decides, once per job and type.
    """
    return [_artifact(ref, butler, claim, context, specs.get(ref.datasetType.name)) for ref in refs]


def recorded_artifacts(rows: Sequence[ProductRow], butler: Butler) -> list[Artifact]:
    """Find what an earlier claim of the target put, as the records have it.

    Raises
    ------
    LostDatasetError
        If one is gone from the Butler, naming it.
    """
    return [_recorded_artifact(row, butler) for row in rows]


def _artifact(
    ref: DatasetRef, butler: Butler, claim: Claim, context: ServiceContext, spec: DatasetSpec | None
) -> Artifact:
    uri = butler.getURI(ref)
    size = uri.size()
    if spec is None:
        large = False  # what the frame of a task writes by itself: metadata, config, versions
    elif spec.large is None:
        threshold = context.settings.annex_threshold_bytes
        large = retry_until_available(
            context.jobs.deliveries.decide_large, claim.job, ref.datasetType.name, size, threshold
        )
    else:
        large = spec.large
    return _found(ref, uri, size, large)


def _recorded_artifact(row: ProductRow, butler: Butler) -> Artifact:
    ref = butler.get_dataset(row.dataset_id, dimension_records=True)
    try:
        if ref is None:
            raise FileNotFoundError("the registry does not have it")
        uri = butler.getURI(ref)
        size = uri.size()
    except FileNotFoundError as error:
        raise LostDatasetError(
            f"The dataset {row.dataset_type} {human_data_id(row.data_id)} ({row.dataset_id}) was to be delivered and "
            f"is gone from the Butler: {error}. Submit the target again.",
            dataset=str(row.dataset_id),
        ) from error
    return _found(ref, uri, size, row.large)


def _found(ref: DatasetRef, uri: ResourcePath, size: int, large: bool) -> Artifact:
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
            layout=layout_of(Path(uri.ospath)) if large and uri.isLocal else None,
        ),
    )
