"""Waiting for the records: a child outlasts a database that is away, because what it did must be recorded.

Nothing is counted and nothing ends the wait but the target's hard time limit. What is called here is either idempotent
(completing, giving back, intents) or looked at afterwards (a claim).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from celery.exceptions import SoftTimeLimitExceeded

from underbutler.errors import RecordsUnavailableError
from underbutler.retry import RECORDS_OF_A_TARGET
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["retry_past_soft_limit", "retry_until_available"]

log = get_logger(__name__)

SAY_EVERY_S = 30.0

P = ParamSpec("P")
T = TypeVar("T")


def retry_until_available(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a call of the records returns, repeated for as long as they are away."""
    began, said = time.monotonic(), 0.0

    def say(state: RetryCallState) -> None:
        nonlocal said
        now = time.monotonic()
        if not said or now - said >= SAY_EVERY_S:
            error = None if state.outcome is None else state.outcome.exception()
            log.warning("records_awaited", seconds=round(now - began, 1), error=str(error))
            said = now

    answer = RECORDS_OF_A_TARGET.retrying(RecordsUnavailableError, before_wait=say)(call, *args, **kwargs)
    if said:
        log.info("records_answer_again", seconds=round(time.monotonic() - began, 1))
    return answer


def retry_past_soft_limit(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do as `retry_until_available`, after the science: its soft time limit, which strikes once, does not end this."""
    try:
        return retry_until_available(call, *args, **kwargs)
    except SoftTimeLimitExceeded:
        log.warning("time_limit_after_the_science")
        return retry_until_available(call, *args, **kwargs)
