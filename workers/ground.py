"""The ground that a target stands on: its message decoded, its butler found, what dead claims left removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.butlers import decode
from underbutler.errors import MessageError
from underbutler.logs import get_logger
from underbutler.model.message import Element, TargetMessage
from underbutler.pipe.binding import references
from underbutler.records import Claim, JobStore

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

__all__ = ["clear_leftovers", "decoded", "output_butler"]

log = get_logger(__name__)


def decoded(message: TargetMessage) -> Element:
    """Decode what a message carries, inside one fresh persistence context.

    Raises
    ------
    MessageError
        If it does not decode, or holds no reference.
    """
    element: Element = decode(message.element)
    if next(references(element), None) is None:
        raise MessageError("The target holds no data reference: nothing says which repository it is about.")
    return element


def output_butler(element: Element) -> Butler:
    """Return the butler that the outputs of a bound element are written with."""
    refs = list(references(element))
    butler: Butler = next((ref for ref in refs if ref.run is not None), refs[0]).getButler()
    return butler


def clear_leftovers(claim: Claim, jobs: JobStore, butler: Butler) -> int:
    """Remove what dead claims of the same target left in the Butler, before the science starts; return how many.

    Never inside a put: a failing put in a transaction rolls the rows back, but the file is gone.
    """
    if claim.claim_no == 1:
        return 0
    left = [ref for intent in jobs.intents_of_dead_claims(claim) if (ref := butler.get_dataset(intent.dataset_id))]
    if left:
        butler.pruneDatasets(left, disassociate=True, unstore=True, purge=True)
        log.info("leftovers_removed", datasets=len(left))
    return len(left)
