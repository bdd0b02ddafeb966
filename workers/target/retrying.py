"""When a target is tried again: after a service was away, later each time, and not all targets at the same moment."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from underbutler.records import Claim
    from underbutler.settings import Settings

__all__ = ["backoff_s", "delivery_backoff_s", "transient_backoff_s"]


def backoff_s(tries: int, *, base_s: float, cap_s: float) -> float:
    """Return how long to wait after a number of earlier tries, in seconds.

    It doubles with each try up to a cap; of that, between half and all is waited, so that what failed together does not
    come back together.
    """
    # The exponent is bounded because 2.0 ** 1024 is an OverflowError; the cap holds long before.
    full = min(cap_s, base_s * 2.0 ** min(tries, 64))
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def transient_backoff_s(claim: Claim, settings: Settings) -> float | None:
    """Return how long a target waits whose claim met a service that was away; None when that was its last try."""
    # The claim was granted with the count of the tries before it: this one is not among them yet.
    if claim.transient_retries >= settings.max_transient_retries:
        return None
    return backoff_s(claim.transient_retries, base_s=settings.retry_base_s, cap_s=settings.retry_cap_s)


def delivery_backoff_s(claim: Claim, settings: Settings) -> float:
    """Return how long a delivery waits: without an end, because the dataset is safe in the Butler.

    Its claims before were given back: each that ended otherwise is told by another counter.
    """
    # No column counts what is given back: it is what all the others leave.
    given_back = claim.claim_no - 1 - claim.deaths - claim.worker_deaths - claim.transient_retries
    return backoff_s(max(0, given_back), base_s=settings.retry_base_s, cap_s=settings.retry_cap_s)
