"""One target, from its message to its visible results.

decode, claim, bind to a butler, the task's own runner, large outputs to the annex, one completing transaction, notices.
"""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from lsst.pipe.base import NoWorkFound

from underbutler.errors import FencedOutError, TransientError, UnderbutlerError, UsageError
from underbutler.logs import bound, get_logger
from underbutler.model.job import TargetState
from underbutler.model.message import Element, TargetMessage
from underbutler.pipe import worker_command
from underbutler.pipe.binding import bound_element
from underbutler.pipe.job_types import declared_types
from underbutler.records import Claim, Outcome

from .delivering import artifacts_of, deliver_artifacts
from .ground import clear_leftovers, decoded, output_butler
from .journal import ClaimJournal
from .log_capture import captured

if TYPE_CHECKING:
    from underbutler.context import WorkerContext
    from underbutler.pipe import CmdLineTask, TaskRunner

__all__ = ["TargetFailedError", "run_target"]

log = get_logger(__name__)

LEASE_MARGIN_S = 60
"""A lease outlives the hard time limit by this much: nothing of a claim can then still be running when it ends."""


class ExitStatusError(UsageError):
    """A task runner of one's own returned an exit status that is not 0."""


class TargetFailedError(Exception):
    """A target failed and is recorded as failed; `error` is what Celery is told."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


def run_target(
    message: TargetMessage, context: WorkerContext, task_class: type[CmdLineTask], *, worker: str, pid: int
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

    Returns
    -------
    state
        ``done`` or ``no_work``.

    Raises
    ------
    StandDown
        If the target is not to be run: it is live elsewhere, has ended, or this message is an old copy.
    TargetFailedError
        If it failed; the records have it.
    """
    envelope = message.envelope
    names = {"job": str(envelope.job), "target": str(envelope.target), "task": message.task}
    with bound(**names, data_id=message.argsrepr), captured() as said:
        claim = context.jobs.claim(
            target=envelope.target,
            digest=envelope.digest,
            send_no=envelope.send_no,
            worker=worker,
            pid=pid,
            lease_s=context.settings.hard_limit_s + LEASE_MARGIN_S,
        )
        begin = time.monotonic()
        log.info("target_started", claim=claim.claim_no)
        try:
            outcome = _reduce(decoded(message), message, claim, context, task_class)
        except NoWorkFound as reason:
            outcome = Outcome(state=TargetState.NO_WORK, exit_status=0, reason=str(reason) or "no work found")
        except FencedOutError:
            raise
        except Exception as error:
            failed = _failure(error, time.monotonic() - begin, said.text)
            log.error("target_failed", error=f"{type(error).__name__}: {error}", seconds=failed.seconds)
            context.jobs.complete(claim, failed)
            raise TargetFailedError(error) from error
        outcome = outcome.replaced(seconds=round(time.monotonic() - begin, 3), log=said.text)
        context.jobs.complete(claim, outcome)
        _announce(context, outcome)
        log.info("target_ended", state=outcome.state.value, seconds=outcome.seconds, notices=len(outcome.notices))
    return outcome.state


def _reduce(
    element: Element, message: TargetMessage, claim: Claim, context: WorkerContext, task_class: type[CmdLineTask]
) -> Outcome:
    """Run the task's runner on the target and deliver what is large."""
    journal = ClaimJournal(context.jobs, claim)
    job, config = context.job_and_config(claim.job, task_class)
    declared = declared_types(task_class, config)
    with bound_element(element, context.repositories, declared, journal) as target:
        butler = output_butler(target)
        clear_leftovers(claim, context.jobs, butler)
        command = worker_command(task_class, overrides=job.overrides, options=job.options, butler=butler, config=config)
        runner = task_class.RunnerClass(TaskClass=task_class, parsedCmd=command, doReturnResults=True)
        struct = _call(runner, target)
        status = getattr(struct, "exitStatus", 0)
        if status:
            raise ExitStatusError(f"exit status {status}")
        artifacts = artifacts_of(journal.stored_refs.values(), butler, claim, context, task_class.datasetTypes)
        any_large = any(artifact.product.large for artifact in artifacts)
        if any_large:
            context.jobs.begin_delivery(claim, [artifact.product for artifact in artifacts])
        products, notices = deliver_artifacts(artifacts, message, claim, context)
    return Outcome(
        state=TargetState.NO_WORK if getattr(struct, "noWork", False) and not any_large else TargetState.DONE,
        exit_status=0,
        products=products,
        notices=notices,
        scalars=_scalars(getattr(struct, "metadata", None)),
    )


def _call(runner: TaskRunner, target: Element) -> Any:
    """Call the runner; metadata of a try that is the last one is written although a service was away."""
    try:
        return runner(target)
    except TransientError:
        if isinstance(target, tuple):
            runner.writeLastMetadata(target[0])
        raise


def _scalars(metadata: Any) -> dict[str, Any]:
    """Return the numbers and texts that a task put into its metadata."""
    scalars = getattr(metadata, "scalars", None) or {}
    return {name: value for name, value in scalars.items() if isinstance(value, int | float | str)}


def _failure(error: BaseException, seconds: float, said: str) -> Outcome:
    tells_all = isinstance(error, UnderbutlerError | SoftTimeLimitExceeded)
    trace = "" if tells_all else "".join(traceback.format_exception(error))
    text = (
        f"stopped after {seconds:.0f} s by its time limit" if isinstance(error, SoftTimeLimitExceeded) else str(error)
    )
    return Outcome(
        state=TargetState.FAILED,
        exit_status=1,
        error_type=type(error).__name__,
        error_text=text,
        reason=f"{type(error).__name__}: {text}",
        seconds=round(seconds, 3),
        log=f"{said}\n{trace}".strip(),
    )


def _announce(context: WorkerContext, outcome: Outcome) -> None:
    """Publish the notices of a completed target; what the broker does not take stays unsent in the rows."""
    if not outcome.notices:
        return
    try:
        context.publish(outcome.notices)
        context.jobs.mark_notices_sent([notice.id for notice in outcome.notices])
    except UnderbutlerError as error:
        log.warning("notices_not_sent", error=str(error), notices=len(outcome.notices))
