"""Waiting for the records: a child outlasts a database that is away, because what it did must be recorded.

Nothing is counted and nothing ends the wait but the target's hard time limit. What is called here is either idempotent
(completing, giving back, intents) or looked at afterwards (a claim).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from celery.exceptions import SoftTimeLimitExceeded

from underbutler.errors import RecordsUnavailableError
from underbutler.logs import get_logger

__all__ = ["finish", "outlast"]

log = get_logger(__name__)

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
SAY_EVERY_S = 30.0

P = ParamSpec("P")
T = TypeVar("T")


def outlast(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a call of the records returns, repeated for as long as they are away."""
    began = time.monotonic()
    wait_s, said = FIRST_WAIT_S, 0.0
    while True:
        try:
            answer = call(*args, **kwargs)
        except RecordsUnavailableError as error:
            now = time.monotonic()
            if not said or now - said >= SAY_EVERY_S:
                log.warning("records_awaited", seconds=round(now - began, 1), error=str(error))
                said = now
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        else:
            if said:
                log.info("records_answer_again", seconds=round(time.monotonic() - began, 1))
            return answer


def finish(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do as `outlast`, once the science is over: its soft time limit, which strikes once, does not cut this short."""
    try:
        return outlast(call, *args, **kwargs)
    except SoftTimeLimitExceeded:
        log.warning("time_limit_after_the_science")
        return outlast(call, *args, **kwargs)
