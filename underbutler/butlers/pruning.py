"""Removes datasets from a Butler, those too that a race left in pieces.

A put writes three rows in three transactions (dataset, location, file record), and emptying the trash deletes two in
two. Two claims that write and prune the same dataset at the same time can leave a record without its location, or a
trash row beside a live one; the Butler's own prune removes neither, and every later put meets what is left.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from underbutler.telemetry.logs import get_logger

from .places import place_of

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

__all__ = ["prune_datasets", "set_aside"]

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


@contextlib.contextmanager
def set_aside(butler: Butler, refs: Sequence[DatasetRef]) -> Iterator[None]:
    """Remove datasets for a block that puts others in their place; they come back, as they were, if the block fails.

    Parameters
    ----------
    butler
        A writeable butler, outside `Butler.transaction`.
    refs
        What to remove.
    """
    from lsst.daf.butler import FileDataset

    with tempfile.TemporaryDirectory(prefix="set-aside-") as folder:
        copies = []
        for number, ref in enumerate(refs):
            stored = butler.getURI(ref)
            copy = place_of(Path(folder) / f"{number}{stored.getExtension()}")
            copy.transfer_from(stored, transfer="copy")
            copies.append(FileDataset(path=copy, refs=[ref]))
        if refs:
            prune_datasets(butler, refs)
        try:
            yield
        except BaseException:
            if copies:
                butler.ingest(*copies, transfer="copy")
            raise


def _remove_pieces(butler: Butler, refs: Sequence[DatasetRef]) -> None:
    """Take the datastore's rows of datasets out, in whatever combination they are; a file is overwritten or stays."""
    datastore = butler._datastore
    datastore.emptyTrash(refs=refs)  # a trash row goes only together with a record
    datastore.forget(refs)
