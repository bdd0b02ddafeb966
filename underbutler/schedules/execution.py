"""One firing done: taken under a lease, submitted or kept house, ended. Whoever dies in between is replaced."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from underbutler import metrics
from underbutler.context import ServiceContext
from underbutler.errors import TransientError, UnderbutlerError
from underbutler.records import FiringRow, FiringState
from underbutler.redaction import redacted_text
from underbutler.retry import FIRING
from underbutler.telemetry.logs import bound, get_logger

from .entries import CHORE, SUBMISSION, Definition
from .housekeeping import keep_house
from .submitting import submit_firing

__all__ = ["LEASE_S", "do_firing"]

log = get_logger(__name__)

LEASE_S: Final = 15.0
"""A firing whose holder has not been heard of for so long is taken by another, in seconds."""
LIMIT_S: Final = {SUBMISSION: 900.0, CHORE: 12 * 3600.0}
"""What takes longer hangs: its process gives up, in seconds."""
MAX_DEATHS: Final = 5
"""A firing whose process has died so often has failed."""
GIVE_UP_S: Final = 86_400.0
"""A service that is away is waited for so long, in seconds."""
EXIT_HANGING: Final = 75


def do_firing(context: ServiceContext, lane: str, holder: str) -> bool:
    """Take the oldest firing that waits in a lane and do it; False if there is none."""
    jobs = context.jobs
    firing = jobs.firings.take(lane, holder, LEASE_S)
    if firing is None:
        return False
    with bound(schedule=firing.name, job=str(firing.job_id)):
        if firing.attempts > MAX_DEATHS:
            _end(context, firing, holder, FiringState.FAILED, f"The process that ran it died {MAX_DEATHS} times.")
            return True
        try:
            with _lease_kept(context, firing, holder, LIMIT_S[lane]):
                definition = Definition.model_validate(firing.definition)
                done = (submit_firing if definition.chore is None else keep_house)(context, firing, definition)
        except TransientError as error:
            _wait_or_fail(context, firing, holder, error)
        except UnderbutlerError as error:
            _end(context, firing, holder, FiringState.FAILED, str(error))
        except Exception as error:
            log.exception("firing_failed")
            _end(context, firing, holder, FiringState.FAILED, f"{type(error).__name__}: {error}")
        except BaseException:  # asked to end
            jobs.firings.put_back(firing.job_id, holder, None, 0.0)
            raise
        else:
            _end(context, firing, holder, *done)
    return True


def _wait_or_fail(context: ServiceContext, firing: FiringRow, holder: str, error: TransientError) -> None:
    age_s = context.jobs.now() - firing.fired_at
    if age_s > GIVE_UP_S:
        _end(context, firing, holder, FiringState.FAILED, f"Given up after one day: {error}")
        return
    delay_s = min(max(age_s / 2, FIRING.first_s), FIRING.longest_s)
    log.warning("firing_waits", seconds=round(delay_s, 1), reason=str(error))
    context.jobs.firings.put_back(firing.job_id, holder, redacted_text(str(error)), delay_s)


def _end(context: ServiceContext, firing: FiringRow, holder: str, state: FiringState, told: str | None) -> None:
    told = None if told is None else redacted_text(told)
    if not context.jobs.firings.end(firing.job_id, holder, state, told):
        log.warning("firing_was_taken_over")
        return
    if state is FiringState.FAILED:
        metrics.BEAT_FIRINGS.count(outcome="failed")
    say = log.error if state is FiringState.FAILED else log.info
    say("firing_ended", state=state.value, told=told)


@contextmanager
def _lease_kept(context: ServiceContext, firing: FiringRow, holder: str, limit_s: float) -> Iterator[None]:
    """Renew the lease while the block runs. Past the limit, or when another has the firing, this process ends at once.

    A thread cannot end what hangs in the block: the process can.
    """
    over = threading.Event()

    def keep() -> None:
        for _ in range(int(limit_s / (LEASE_S / 3))):
            if over.wait(LEASE_S / 3):
                return
            try:
                if not context.jobs.firings.renew(firing.job_id, holder, LEASE_S):
                    break
            except TransientError:
                continue  # the records are away: nobody else takes it either
        if not over.is_set():
            log.error("firing_hangs", schedule=firing.name, seconds=limit_s)
            os._exit(EXIT_HANGING)

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
