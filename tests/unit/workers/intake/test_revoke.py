"""Celery's revoke cancels targets, and Celery's own memory of revoked ids stays empty."""

from __future__ import annotations

import uuid

import pytest
from celery.worker import control, state

from workers.intake import revoke
from workers.keeper import link as keeper_link


class Link:
    """A keeper that remembers what it is told."""

    def __init__(self) -> None:
        self.targets: list[uuid.UUID] = []

    def revoked(self, target: uuid.UUID) -> None:
        self.targets.append(target)


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Link:
    """Put a keeper into the place of this process'."""
    made = Link()
    monkeypatch.setattr(keeper_link, "current", lambda: made)
    revoke.connect()
    return made


def test_the_commands_of_celery_and_flower_are_ours(link: Link) -> None:
    target = uuid.uuid4()
    command = control.Panel.data["revoke"]
    answer = command(None, task_id=[f"{target}.1", f"{target}.2"], terminate=True, signal="SIGKILL")
    assert answer == {"ok": f"targets cancelled: {target}"}
    assert control.Panel.data["terminate"](None, "KILL", f"{target}.3") == answer
    assert link.targets == [target, target]
    assert f"{target}.1" not in state.revoked


def test_an_id_that_is_no_targets_is_named(link: Link) -> None:
    target = uuid.uuid4()
    answer = control.Panel.data["revoke"](None, task_id=[str(target), "some-other-task"])
    assert "some-other-task" in answer["error"]
    assert link.targets == [target], "the others are cancelled all the same"


def test_stamped_headers_are_refused_with_the_cure(link: Link) -> None:
    answer = control.Panel.data["revoke_by_stamped_headers"](None, headers={"a": "b"})
    assert "underbutler cancel" in answer["error"]
    assert not state.revoked_stamps


def test_a_worker_without_a_keeper_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_link, "current", lambda: None)
    assert "keeper" in revoke.revoke(None, f"{uuid.uuid4()}.1")["error"]
