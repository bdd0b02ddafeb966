"""One target, from its message to its visible results.

Admission, decode, claim; bind to a butler and call the task's own runner, or resume a delivery; large outputs to the
annex; one completing transaction; notices. Whatever goes wrong on the way, the claim is ended in the records: failed,
held or given back. Only a claim that was overtaken ends nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded

from underbutler import metrics
from underbutler.errors import FencedOutError, UnderbutlerError
from underbutler.model.job import TargetState
from underbutler.records import Outcome
from underbutler.telemetry import tracing
from underbutler.telemetry.logs import bind_target, get_logger, target_bound, warn_afresh
from workers.log_bindings import names_of
from workers.measuring import count_claim, count_end

from .attempt import Attempt, Failure, GiveBack
from .claiming import claimed
from .deferring import check_fitness, readable
from .delivering import deliver_first
from .endings import after, failed
from .log_capture import captured
from .reducing import Reduced, reduce
from .resuming import resume
from .traced import attempted
from .waiting_for_records import retry_past_soft_limit

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.model.message import Element, TargetMessage
    from underbutler.pipe import CmdLineTask

__all__ = ["GivenBackError", "TargetFailedError", "run_target"]

log = get_logger(__name__)


class TargetFailedError(Exception):
    """A target failed or is held, and is recorded so; `error` is what Celery is told."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class GivenBackError(Exception):
    """A target is not finished and is recorded so: it waits, and will be sent again; unless it is cancelled.

    Parameters
    ----------
    reason
        Why, for people.
    state
        What the target is now.
    """

    def __init__(self, reason: str, state: TargetState) -> None:
        super().__init__(reason)
        self.state = state


def run_target(
    message: TargetMessage,
    context: ServiceContext,
    task_class: type[CmdLineTask],
    *,
    worker: str,
    pid: int,
    pid_started: float | None = None,
) -> TargetState:
    """Run one target and make its results visible, once.

    Parameters
    ----------
    message
        The target as it came from the broker.
    context
        What this process has open.
    task_class
        The science task.
    worker, pid
        Who claims it.
    pid_started
        When that process began, in seconds since 1970 UTC: tells it from a later one of the same number.

    Returns
    -------
    state
        ``done`` or ``no_work``.

    Raises
    ------
    StandDown
        If the target is not to be run: it is live elsewhere, has ended, or this message is an old copy.
    DeferredError
        If it cannot be run here and now; its message is spent, and the records have it sent again later.
    GivenBackError
        If a service was away; the same.
    TargetFailedError
        If it failed or is held; the records have it.
    FencedOutError
        If its claim was overtaken: nothing that this call did is visible.
    """
    envelope = message.envelope
    came_s = time.time()
    warn_afresh()
    with target_bound(**names_of(envelope, message.task, message.argsrepr)), captured() as said:
        check_fitness(message, context)
        element = readable(message, context)
        claim = claimed(message, context, worker=worker, pid=pid, pid_started=pid_started)
        count_claim(message.task, claim)
        bind_target(attempt=claim.claim_no)
        said.survive(claim.target, claim.claim_no)
        attempt = Attempt(message=message, claim=claim, context=context, task_class=task_class, said=said)
        with attempted(message, element, claim, came_s):
            log.info("target_started", delivering=claim.delivering, worker=worker, pid=pid)
            try:
                return _work(attempt, element)
            except FencedOutError as error:
                log.error("target_fenced_out", error=str(error))
                count_end(message.task, "fenced_out")
                raise


def _work(attempt: Attempt, element: Element) -> TargetState:
    """Do what the claim is for, and end it."""
    ending: Outcome | Failure | GiveBack
    try:
        ending = resume(attempt) if attempt.claim.delivering else _reduced(attempt, element)
    except FencedOutError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the claim is ended with it
        ending = after(error, attempt)
    match ending:
        case GiveBack():
            raise _given_back(ending, attempt)
        case Failure():
            raise _failed(ending, attempt)
    return _completed(ending, attempt)


def _reduced(attempt: Attempt, element: Element) -> Outcome | Failure | GiveBack:
    reduced = reduce(attempt, element)
    return deliver_first(attempt, reduced) if isinstance(reduced, Reduced) else reduced


def _given_back(ending: GiveBack, attempt: Attempt) -> GivenBackError:
    log.warning(
        "target_given_back", reason=ending.reason, seconds=round(ending.delay_s, 1), delivering=attempt.delivering
    )
    with tracing.span("give back"):
        state = retry_past_soft_limit(
            attempt.context.jobs.claims.give_back,
            attempt.claim,
            reason=ending.reason,
            not_before_in_s=ending.delay_s,
            end=ending.end,
            log=attempt.said.text,
            metadata=ending.metadata,
        )
    count_end(attempt.message.task, ending.end, attempt.seconds)
    return GivenBackError(ending.reason, state)


def _record(outcome: Outcome, attempt: Attempt) -> None:
    with tracing.span("complete", state=outcome.state.value):
        retry_past_soft_limit(attempt.context.jobs.claims.complete, attempt.claim, outcome)


def _failed(ending: Failure, attempt: Attempt) -> TargetFailedError:
    outcome = ending.outcome
    log.error("target_failed", state=outcome.state.value, error=outcome.reason, seconds=outcome.seconds)
    outcome = outcome.replaced(log=attempt.said.text)
    try:
        _record(outcome, attempt)
    except FencedOutError:
        raise
    except Exception as error:  # the claim is ended, with less
        log.exception("outcome_not_recorded", error=str(error))
        retry_past_soft_limit(attempt.context.jobs.claims.complete, attempt.claim, outcome.replaced(products=()))
    count_end(attempt.message.task, outcome.state.value, attempt.seconds)
    return TargetFailedError(ending.error)


def _completed(outcome: Outcome, attempt: Attempt) -> TargetState:
    outcome = outcome.replaced(log=attempt.said.text)
    try:
        _record(outcome, attempt)
    except FencedOutError:
        raise
    except Exception as error:
        raise _failed(failed(error, attempt), attempt) from error
    count_end(attempt.message.task, outcome.state.value, attempt.seconds)
    _announce(outcome, attempt)
    log.info("target_ended", state=outcome.state.value, seconds=attempt.seconds, notices=len(outcome.notices))
    return outcome.state


def _announce(outcome: Outcome, attempt: Attempt) -> None:
    """Publish the notices of a completed target; what the broker does not take stays unsent in the rows."""
    if not outcome.notices:
        return
    context = attempt.context
    try:
        with tracing.span("notify", kind="producer", notices=len(outcome.notices)):
            context.publish(outcome.notices)
        metrics.NOTICES.count(len(outcome.notices), outcome="published")
        context.jobs.outbox.mark_notices_sent([notice.id for notice in outcome.notices])
    except (UnderbutlerError, SoftTimeLimitExceeded) as error:
        metrics.NOTICES.count(len(outcome.notices), outcome="left")
        log.warning("notices_not_sent", error=str(error), notices=len(outcome.notices))
