"""From a message to references that a task can use: decoded once, bound to this process's butlers, ground cleared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from underbutler.butlers import BoundDataRef, decode
from underbutler.errors import MessageError
from underbutler.logs import get_logger
from underbutler.model.dataref import DataRef
from underbutler.model.message import Element, TargetMessage
from underbutler.records import Claim, JobStore

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

    from underbutler.butlers import PutJournal, Repositories

__all__ = ["bound_element", "clear_leftovers", "decoded"]

log = get_logger(__name__)


def decoded(message: TargetMessage) -> Element:
    """Decode what a message carries, inside one fresh persistence context.

    Raises
    ------
    MessageError
        If it does not decode.
    """
    return decode(message.element)


@contextmanager
def bound_element(
    element: Element, repositories: Repositories, journal: PutJournal, declared: Mapping[str, Any]
) -> Iterator[tuple[Element, Butler]]:
    """Bind every reference of an element to butlers of this process, which are closed after.

    Yields
    ------
    element
        The same element, its references bound.
    butler
        The butler that outputs are written with.

    Raises
    ------
    MessageError
        If the element holds no reference: then nothing says which repository it is about.
    """
    with ExitStack() as stack:
        opened: dict[tuple[str, str, str | None], BoundDataRef] = {}

        def bind(value: Any) -> Any:
            match value:
                case DataRef():
                    place = (value.repo, value.out, value.run)
                    if place not in opened:
                        opened[place] = stack.enter_context(
                            repositories.open(value, journal=journal, declared=declared)
                        )
                    return opened[place].beside(value)
                case dict():
                    return {key: bind(item) for key, item in value.items()}
                case list():
                    return [bind(item) for item in value]
                case tuple():
                    return tuple(bind(item) for item in value)
            return value

        bound = bind(element)
        if not opened:
            raise MessageError("The target holds no data reference: nothing says which repository it is about.")
        writing = next((ref for ref in opened.values() if ref.run is not None), next(iter(opened.values())))
        yield bound, writing.getButler()


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
