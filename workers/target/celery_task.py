"""The Celery task that stands for one science task: unwraps the message, runs the target, tells Celery how it ended."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from celery import Task
from celery.exceptions import Ignore, TaskPredicate

from underbutler import metrics
from underbutler.errors import FencedOutError
from underbutler.model.job import TargetState
from underbutler.model.message import HEADER, Envelope, TargetMessage
from underbutler.records import StandDown, StandDownReason
from underbutler.redaction import redacted_error, redacted_text
from underbutler.telemetry.logs import get_logger
from workers import process
from workers.intake.refusals import SubmittedOnly
from workers.intake.request import Spent

from .deferring import DeferredError
from .run import GivenBackError, TargetFailedError, run_target

if TYPE_CHECKING:
    from underbutler.pipe import CmdLineTask
    from underbutler.settings import Settings

__all__ = ["TargetTask", "make_target_task"]

log = get_logger(__name__)

_EVENTS = {TargetState.HELD: "task-failed", TargetState.ABORTED: "task-revoked"}
"""What Flower is told of a target that ended without having been run; every other one waits."""
GRACE_S = 30
"""Seconds between the soft time limit, which a task may handle, and the hard one."""


class TargetTask(SubmittedOnly, Task[..., str]):
    """One registered science task, as Celery sees it.

    Celery's args are those of the target; ours travels in one header. A failed target is FAILURE here too, with the
    science exception's type and text; a message that ends nothing (a second delivery of a live target, one that has to
    wait) is ignored.
    """

    abstract = True
    Request = "workers.intake.request:TargetRequest"
    typing = False
    acks_late = True
    acks_on_failure_or_timeout = True
    ignore_result = True
    max_retries = 0
    task_class: type[CmdLineTask]

    def run(self, *args: Any) -> str:
        """Run one target and return its last state."""
        envelope = Envelope.from_json(self.request.get(HEADER))
        message = TargetMessage(self.name, args, envelope)
        try:
            state = run_target(
                message,
                process.current(),
                self.task_class,
                worker=process.worker_id(str(self.request.hostname)),
                pid=os.getpid(),
                pid_started=_started(os.getpid()),
            )
        except StandDown as reason:
            metrics.STOOD_DOWN.count(reason=reason.reason.value)
            log.info("stood_down", task=self.name, target=str(envelope.target), reason=str(reason))
            if reason.reason is StandDownReason.LIVE:
                raise Ignore from reason  # the other copy may have the same Celery id, and tells how it ends
            raise Spent("task-revoked", str(reason)) from None
        except FencedOutError as reason:
            raise Spent("task-revoked", str(reason)) from None
        except (DeferredError, GivenBackError) as reason:
            raise Spent(_EVENTS.get(reason.state, "task-retried"), redacted_text(str(reason))) from None
        except TargetFailedError as failure:
            raise _for_celery(failure.error) from None  # events, Flower and the worker's own log show it
        return TargetState(state).value


def _for_celery(error: BaseException) -> BaseException:
    """Return what Celery is told of an error; one that would mean something to Celery itself becomes its text.

    A MemoryError ends a whole worker, a Reject requeues the message, a Retry sends another.
    """
    told = redacted_error(error)
    if isinstance(error, MemoryError | TaskPredicate):
        return RuntimeError(f"{type(error).__name__}: {told}")
    return told


@cache
def _started(pid: int) -> float:
    """Return when a process began, in seconds since 1970 UTC."""
    import psutil

    return float(psutil.Process(pid).create_time())


def make_target_task(name: str, task_class: type[CmdLineTask], settings: Settings) -> TargetTask:
    """Make the Celery task of a science task, under the science task's own name and time limit."""
    limit = min(int(getattr(task_class, "timeLimit", None) or task_class.RunnerClass.TIMEOUT), settings.hard_limit_s)
    kind = type(
        f"{task_class.__name__}Target",
        (TargetTask,),
        {
            "__module__": __name__,
            "__doc__": task_class.__doc__,
            "name": name,
            "task_class": task_class,
            "soft_time_limit": limit,
            "time_limit": limit + GRACE_S,
        },
    )
    made: TargetTask = kind()
    return made
