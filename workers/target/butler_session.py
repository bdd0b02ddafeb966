"""The ground that a target stands on: its message decoded, its butlers open, what dead claims left removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from underbutler.butlers import decode
from underbutler.errors import FencedOutError, MessageError, TransientError
from underbutler.model.message import Element, TargetMessage
from underbutler.pipe.binding import bound_element, references
from underbutler.telemetry import tracing
from underbutler.telemetry.logs import get_logger

from .waiting_for_records import retry_until_available

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from typing import Any, TypeVar

    from lsst.daf.butler import Butler

    from underbutler.context import ServiceContext

    from .attempt import Attempt

    T = TypeVar("T")

__all__ = ["UnreadableError", "bound_target", "clear_leftovers", "decoded", "opened", "output_butler"]

log = get_logger(__name__)


class UnreadableError(MessageError):
    """A message of a release that this worker cannot read; another may."""


def decoded(message: TargetMessage) -> Element:
    """Decode what a message carries, inside one fresh persistence context.

    Raises
    ------
    UnreadableError
        If it is of a version that this worker does not know.
    MessageError
        If it does not decode, or holds no reference.
    """
    try:
        element: Element = decode(message.element)
    except MessageError as error:
        if "version" in error.fields:
            raise UnreadableError(str(error)) from error
        raise
    if next(references(element), None) is None:
        raise MessageError("The target holds no data reference: nothing says which repository it is about.")
    return element


def bound_target(
    element: Element, attempt: Attempt, declared: Mapping[str, Any], access_token: str | None
) -> AbstractContextManager[Any]:
    """Bind every reference of an element to butlers of this process; what is put is told to the attempt's journal."""
    binding = bound_element(element, attempt.context.repositories, declared, attempt.journal, access_token=access_token)
    return opened(binding, {label for ref in references(element) for label in (ref.repo, ref.out)}, attempt.context)


@contextmanager
def opened(opening: AbstractContextManager[T], labels: Iterable[str], context: ServiceContext) -> Iterator[T]:
    """Open butlers, and count for the breaker of their repository when they cannot be opened.

    A breaker is closed by the first success after a failure, and by the first of a process: what earlier processes met
    is over. Nothing is written for the others.

    Raises
    ------
    TransientError
        If a repository does not answer.
    """
    with ExitStack() as stack:
        try:
            with tracing.span("open butler", repo=",".join(sorted(labels))):
                entered = stack.enter_context(opening)
        except TransientError as error:
            _count_failure(error, sorted(labels), context)
            raise
        for label in sorted(set(labels) - context.opened_labels):
            retry_until_available(context.jobs.breakers.close, label)
            context.opened_labels.add(label)
        yield entered


def _count_failure(error: TransientError, labels: list[str], context: ServiceContext) -> None:
    label = str(error.fields.get("label") or labels[0])
    context.opened_labels.discard(label)
    settings = context.settings
    open_until = retry_until_available(
        context.jobs.breakers.count_failure,
        label,
        str(error),
        failures=settings.breaker_failures,
        open_s=settings.breaker_open_s,
        cap_s=settings.breaker_cap_s,
    )
    log.warning("repository_not_opened", repo=label, breaker_open_until=open_until, error=str(error))


def output_butler(element: Element) -> Butler:
    """Return the butler that the outputs of a bound element are written with."""
    refs = list(references(element))
    butler: Butler = next((ref for ref in refs if ref.run is not None), refs[0]).getButler()
    return butler


def clear_leftovers(attempt: Attempt, butler: Butler) -> int:
    """Remove what dead claims of the same target left in the Butler, before the science starts; return how many.

    Never inside a put: a failing put in a transaction rolls the rows back, but the file is gone.

    Raises
    ------
    FencedOutError
        If the claim was overtaken: what is there may be its successor's.
    """
    claim, jobs = attempt.claim, attempt.context.jobs
    if claim.claim_no == 1:
        return 0
    intents = retry_until_available(jobs.intents.of_dead_claims, claim)
    left = [ref for intent in intents if (ref := butler.get_dataset(intent.dataset_id))]
    if left:
        if not retry_until_available(jobs.claims.renew, claim, attempt.settings.lease_s):
            raise FencedOutError(f"Claim {claim.claim_no} of target {claim.target} was overtaken: it prunes nothing.")
        butler.pruneDatasets(left, disassociate=True, unstore=True, purge=True)
        log.info("leftovers_removed", datasets=len(left))
    return len(left)
