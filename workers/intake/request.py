"""How the main process takes the end of a message: the records judge, and Celery neither retries nor requeues.

A child that was lost and a hard time limit are told to the keeper, and the message is acknowledged: what is to run
again is sent again by its target's row.
"""

from __future__ import annotations

from time import time
from typing import Any, Final

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]
from celery.exceptions import Ignore, Reject, Retry, TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request
from celery.worker.state import task_ready

from underbutler.settings import load_settings
from underbutler.telemetry.logs import get_logger
from workers.keeper import link as keeper_link
from workers.log_bindings import about

__all__ = ["Spent", "TargetRequest"]

log = get_logger(__name__)

UNTIMED: Final = frozenset({"task-failed", "task-retried", "task-revoked"})
REVOKED: Final[dict[str, Any]] = {"terminated": False, "signum": None, "expired": False}


class Spent(Ignore):
    """The message is spent, and its target did not end with it.

    Parameters
    ----------
    event
        What Celery's events are told: ``task-retried`` for a target that waits, ``task-failed`` for one that is held,
        ``task-revoked`` for one that is cancelled and for a copy that nobody needs.
    reason
        Why, for people.
    """

    def __init__(self, event: str, reason: str) -> None:
        super().__init__(event, reason)
        self.event = event
        self.reason = reason


class TargetRequest(Request):
    """One message of ours in the main process."""

    worker_pid: Any
    _over = False

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """Take the end of a child that said nothing; what a task raised goes Celery's way, and the keeper is told.

        What it raised is in the records, unless it came before the claim or in the midst of ending it: a soft time
        limit strikes anywhere.
        """
        with about(self.request_dict):
            self._take_failure(exc_info, send_failed_event, return_ok)

    def _take_failure(self, exc_info: Any, send_failed_event: bool, return_ok: bool) -> None:
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, TimeLimitExceeded):
            self.on_timeout(soft=False, timeout=float(error.args[0]) if error.args else 0.0)
        elif not return_ok and isinstance(error, WorkerLostError | SystemExit | KeyboardInterrupt):
            self._lost(error)
        elif isinstance(error, Spent):
            words = REVOKED if error.event == "task-revoked" else {"exception": error.reason, "traceback": None}
            self._end(error.event, **words)
        elif isinstance(error, MemoryError):  # Celery raises it in the main process, and never acknowledges
            self._left(error)
            self._end("task-failed", exception=repr(error), traceback=exc_info.traceback)
        else:
            if not isinstance(error, Ignore | Reject | Retry):
                self._left(error)
            super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Take a time limit: the soft one is the task's own affair, at the hard one Celery kills the child."""
        if soft:
            super().on_timeout(soft, timeout)
        elif not self._over:
            reason = f"stopped after {timeout:g} s by its time limit" if timeout else "stopped by its time limit"
            link = keeper_link.current()
            if link is not None:
                link.timed_out(self.id, self.worker_pid, reason)
            with about(self.request_dict):
                log.error("child_timed_out", id=self.id, pid=self.worker_pid, reason=reason)
            self._end("task-failed", exception=f"TimeLimitExceeded({reason!r})", traceback=None)

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's
        """Tell Celery's events; of what did not succeed too how long it took, which Celery leaves out."""
        if type in UNTIMED and self.time_start:
            fields.setdefault("runtime", max(0.0, time() - self.time_start))
        super().send_event(type, **fields)

    def _left(self, error: BaseException) -> None:
        link = keeper_link.current()
        if link is not None:
            link.left(self.id, self.worker_pid, type(error).__name__)  # its text may hold what only the child may see

    def _lost(self, error: BaseException) -> None:
        if self._over:
            return
        link = keeper_link.current()
        ended = None if link is None else link.why_ended(self.id, self.worker_pid)
        how, reason = ended or ("died", f"its process {self.worker_pid} died: {_how(error)}")
        if link is not None:
            link.lost(self.id, self.worker_pid, reason, died=ended is None)
        if how == "aborted":
            self._end("task-revoked", terminated=True, signum="TERM", expired=False)
        elif how == "given_back":
            self._end("task-retried", exception=reason, traceback=None)
        else:
            log.error("child_lost", id=self.id, pid=self.worker_pid, reason=reason)
            words = f"{reason}; {self._then()}"
            self._end("task-failed", exception=f"WorkerLostError({words!r})", traceback=None)

    @staticmethod
    def _then() -> str:
        """Say what becomes of a target whose process died: the keeper decides it, after this is told."""
        deaths = load_settings().max_deaths
        return "it is held" if deaths == 1 else f"it is tried again, and held when it has died {deaths} times"

    def _end(self, event: str, **fields: Any) -> None:
        """Acknowledge, and tell Celery's events."""
        self._over = True
        task_ready(self)
        self.acknowledge()
        self.send_event(event, **fields)


def _how(error: BaseException) -> str:
    """Say in the words of the pool how a child ended, without the number that the pool gave its job."""
    text = str(error).partition(" Job:")[0].removeprefix("Worker exited prematurely: ").rstrip(".")
    return text if isinstance(error, WorkerLostError) else f"{type(error).__name__} {text}".rstrip()
