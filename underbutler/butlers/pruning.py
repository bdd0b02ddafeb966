"""Removes datasets from a Butler, those too that a race left in pieces.

A put writes three rows in three transactions (dataset, location, file record), and emptying the trash deletes two in
two. Two claims that write and prune the same dataset at the same time can leave a record without its location, or a
trash row beside a live one; the Butler's own prune removes neither, and every later put meets what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

__all__ = ["prune_datasets"]

log = get_logger(__name__)


def prune_datasets(butler: Butler, refs: Sequence[DatasetRef]) -> None:
    """Remove datasets from registry and datastore, and their artifacts; those that are gone are none of its business.

    Parameters
    ----------
    butler
        A writeable butler, outside `Butler.transaction`.
    refs
        What to remove.
    """
    from lsst.daf.butler.registry import OrphanedRecordError
    from sqlalchemy.exc import IntegrityError, InternalError

    try:
        butler.pruneDatasets(refs, disassociate=True, unstore=True, purge=True)
    except (
        IntegrityError,
        InternalError,
        OrphanedRecordError,
    ) as error:  # a trash row of earlier
        log.warning("prune_mends", datasets=[str(ref.id) for ref in refs], reason=str(error).partition("\n")[0])
        _remove_pieces(butler, refs)
        butler.pruneDatasets(refs, disassociate=True, unstore=True, purge=True)
    left = [ref for ref, known in butler._datastore.knows_these(refs).items() if known]
    if left:
        log.warning("prune_mends", datasets=[str(ref.id) for ref in left], reason="records without a location")
        _remove_pieces(butler, left)


def _remove_pieces(butler: Butler, refs: Sequence[DatasetRef]) -> None:
    """Take the datastore's rows of datasets out, in whatever combination they are; a file is overwritten or stays."""
    datastore = butler._datastore
    datastore.emptyTrash(refs=refs)  # a trash row goes only together with a record
    datastore.forget(refs)
