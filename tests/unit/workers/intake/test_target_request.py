"""How the main process takes the end of a child: told to the keeper, acknowledged, never requeued or retried."""

from __future__ import annotations

import time
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery.exceptions import Ignore, TimeLimitExceeded, WorkerLostError

from underbutler import CmdLineTask
from underbutler.broker import make_app
from underbutler.settings import Settings
from workers.intake.request import Spent, TargetRequest
from workers.keeper import link as keeper_link
from workers.keeper.link import KeeperLink
from workers.target.celery_task import make_target_task

PID = 4711


class Quick(CmdLineTask):
    """Be quick."""

    _DefaultName = "quick"


class Desk:
    """A request on the main process' desk, and everybody around it."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.cut: tuple[str, str] | None = None
        app = make_app(settings)
        task = app.register_task(make_target_task("quick", Quick, settings))
        self.id = f"{uuid.uuid4()}.3"
        made = app.amqp.as_task_v2(self.id, "quick", args=({},))
        message = SimpleNamespace(
            headers=made.headers,
            body=made.body,
            payload=made.body,
            properties={},
            delivery_info={},
            content_type=None,
            content_encoding=None,
        )
        self.request = TargetRequest(
            message,
            app=app,
            task=task,
            decoded=True,
            eventer=SimpleNamespace(enabled=True, send=lambda kind, **fields: self.events.append((kind, fields))),
            on_ack=lambda *_: self.said.append(("acknowledged",)),
            on_reject=lambda *_: self.said.append(("rejected",)),
        )
        self.request.worker_pid = PID
        monkeypatch.setattr(keeper_link, "current", lambda: self)

    def lost(self, task_id: str, pid: int | None, reason: str, *, died: bool = False) -> None:
        self.said.append(("died" if died else "lost", task_id, pid, reason))

    def left(self, task_id: str, pid: int | None, reason: str) -> None:
        self.said.append(("left", task_id, pid, reason))

    def timed_out(self, task_id: str, pid: int | None, reason: str) -> None:
        self.said.append(("timed_out", task_id, pid, reason))

    def why_ended(self, task_id: str, pid: int | None) -> tuple[str, str] | None:
        assert (task_id, pid) == (self.id, PID)
        return self.cut

    def fail(self, error: BaseException) -> None:
        """Let the pool report an error of its own."""
        try:
            raise error
        except BaseException:  # noqa: BLE001 - as the pool does
            self.request.on_failure(ExceptionInfo())


@pytest.fixture
def desk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a request whose child is at work."""
    return Desk(settings, monkeypatch)


def test_a_lost_child_is_acknowledged_and_shown_as_a_failure(desk: Desk) -> None:
    for _ in range(2):
        desk.fail(WorkerLostError("Worker exited prematurely: signal 9 (SIGKILL) Job: 7."))
    reason = f"its process {PID} died: signal 9 (SIGKILL)"
    assert desk.said == [("died", desk.id, PID, reason), ("acknowledged",)]
    ((kind, fields),) = desk.events
    assert kind == "task-failed"
    assert reason in fields["exception"]
    assert "tried again, and held when it has died 3 times" in fields["exception"]


def test_a_task_that_leaves_its_process_is_a_lost_child(desk: Desk) -> None:
    desk.fail(SystemExit(3))
    assert desk.said == [("died", desk.id, PID, f"its process {PID} died: SystemExit 3"), ("acknowledged",)]


def test_the_hard_time_limit_is_told_before_the_child_is_killed(desk: Desk) -> None:
    desk.fail(TimeLimitExceeded(32))  # the pool tells it twice, in this order
    desk.request.on_timeout(soft=False, timeout=32)
    reason = "stopped after 32 s by its time limit"
    assert desk.said == [("timed_out", desk.id, PID, reason), ("acknowledged",)]
    ((kind, fields),) = desk.events
    assert kind == "task-failed"
    assert reason in fields["exception"]


def test_the_soft_time_limit_is_the_tasks_own_affair(desk: Desk) -> None:
    desk.request.on_timeout(soft=True, timeout=2)
    assert desk.said == []


@pytest.mark.parametrize(("how", "event"), [("aborted", "task-revoked"), ("given_back", "task-retried")])
def test_a_child_that_the_keeper_ended_is_no_failure(desk: Desk, how: str, event: str) -> None:
    desk.cut = (how, "because")
    desk.fail(WorkerLostError("Worker exited prematurely: signal 15 (SIGTERM) Job: 7."))
    assert desk.said == [("lost", desk.id, PID, "because"), ("acknowledged",)]
    assert [kind for kind, _ in desk.events] == [event]


@pytest.mark.parametrize("error", [ArithmeticError("the science is wrong"), MemoryError("too large")])
def test_what_a_task_raised_before_its_claim_is_acknowledged(desk: Desk, error: Exception) -> None:
    """Celery itself would raise a MemoryError in the main process, and its message would be booked for ever."""
    try:
        raise error
    except (ArithmeticError, MemoryError):
        desk.request.on_failure(ExceptionInfo(), return_ok=True)
    assert desk.said == [("left", desk.id, PID, type(error).__name__), ("acknowledged",)]
    assert [kind for kind, _ in desk.events] == ["task-failed"]


@pytest.mark.parametrize("event", ["task-failed", "task-retried", "task-revoked"])
def test_flower_is_told_how_when_and_why_a_message_was_spent(desk: Desk, event: str) -> None:
    desk.request.time_start = time.time() - 5
    desk.fail(Spent(event, "the target is held: nobody reads it"))
    assert desk.said == [("acknowledged",)]
    ((kind, fields),) = desk.events
    assert kind == event
    assert 5 <= fields["runtime"] < 60
    assert event == "task-revoked" or "nobody reads it" in fields["exception"]


def test_an_ignored_message_is_acknowledged_and_nothing_else(desk: Desk) -> None:
    desk.fail(Ignore())
    assert desk.said == [("acknowledged",)]


def test_a_message_taken_after_a_cancelled_one_is_given_back() -> None:
    link = object.__new__(KeeperLink)
    link._cuts = {PID: {"target": "a", "end": "aborted", "reason": "cancelled"}}  # type: ignore[assignment]
    assert link.why_ended("a.1", PID) == ("aborted", "cancelled")
    ended = link.why_ended("b.1", PID)
    assert ended is not None
    assert ended[0] == "given_back"
