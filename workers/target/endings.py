"""How a target ends that is not done: in words, with the datasets that it stored all the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded

from underbutler.errors import TokenExpiredError, TransientError, UnderbutlerError
from underbutler.model.job import TargetState
from underbutler.records import Outcome, Product
from underbutler.telemetry.logs import get_logger

from .attempt import Attempt, Failure, GiveBack
from .retrying import delivery_backoff_s, transient_backoff_s

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from lsst.daf.butler import Butler, DatasetRef

__all__ = ["after", "failed", "no_work", "stored_products"]

log = get_logger(__name__)


def after(error: Exception, attempt: Attempt, metadata: Any = None) -> GiveBack | Failure:
    """Return what follows from an error.

    A service that was away is met again later; a target whose science was tried too often has failed, while a delivery
    is tried for as long as it takes, because the dataset is safe in the Butler.

    Parameters
    ----------
    error
        What was raised.
    attempt
        The attempt that met it.
    metadata
        Full metadata of the task, if there was one.
    """
    if attempt.delivering and isinstance(error, TransientError | SoftTimeLimitExceeded):
        delay_s = delivery_backoff_s(attempt.claim, attempt.settings)
        return GiveBack(reason=_words(error, attempt), delay_s=delay_s, end="given_back")
    if not isinstance(error, TransientError):
        state = TargetState.HELD if isinstance(error, TokenExpiredError) else TargetState.FAILED
        return failed(error, attempt, state=state)
    waits_s = transient_backoff_s(attempt.claim, attempt.settings)
    if waits_s is not None:
        kept = None if metadata is None else metadata.model_dump(mode="json")
        return GiveBack(reason=_words(error, attempt), delay_s=waits_s, end="transient", metadata=kept)
    failure = failed(error, attempt)
    tried = f"Tried {attempt.claim.transient_retries + 1} times."
    outcome = failure.outcome
    return Failure(
        outcome.replaced(error_text=f"{outcome.error_text} {tried}", reason=f"{outcome.reason} {tried}"), error
    )


def failed(
    error: BaseException,
    attempt: Attempt,
    products: Sequence[Product] = (),
    state: TargetState = TargetState.FAILED,
) -> Failure:
    """Return the end of a target that raised.

    Parameters
    ----------
    error, attempt
        What was raised, and the attempt that met it.
    products
        What it stored all the same.
    state
        ``held``, if a person has to look at it before anything is tried again.
    """
    if not isinstance(error, UnderbutlerError):  # ours tell all; of others, and of a time limit, people ask where
        attempt.said.trace(error)
    outcome = Outcome(
        state=state,
        exit_status=1,
        error_type=type(error).__name__,
        error_text=_text(error, attempt),
        reason=_words(error, attempt),
        seconds=attempt.seconds,
        products=products,
    )
    return Failure(outcome, error)


def no_work(reason: BaseException, products: Sequence[Product]) -> Outcome:
    """Return the outcome of a target that found nothing to do."""
    return Outcome(state=TargetState.NO_WORK, exit_status=0, reason=str(reason) or "no work found", products=products)


def stored_products(refs: Iterable[DatasetRef], butler: Butler) -> list[Product]:
    """Return what a target stored that is not done: it is in the Butler, and not delivered."""
    return [
        Product(
            dataset_id=ref.id,
            dataset_type=ref.datasetType.name,
            data_id=dict(ref.dataId.required),
            byte_size=_size(ref, butler),
        )
        for ref in refs
    ]


def _size(ref: DatasetRef, butler: Butler) -> int | None:
    try:
        size: int = butler.getURI(ref).size()
    except Exception as error:  # noqa: BLE001 - the target ends all the same, with the error that it met first
        log.warning("size_unknown", dataset=str(ref.id), error=f"{type(error).__name__}: {error}")
        return None
    return size


def _text(error: BaseException, attempt: Attempt) -> str:
    if isinstance(error, SoftTimeLimitExceeded):
        return f"stopped after {attempt.seconds:.0f} s by its time limit"
    return str(error)


def _words(error: BaseException, attempt: Attempt) -> str:
    return f"{type(error).__name__}: {_text(error, attempt)}"
