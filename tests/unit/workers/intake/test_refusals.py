"""A science task is submitted, not called: what Celery offers beside is refused with the way that there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from underbutler import CmdLineTask
from underbutler.broker import make_app
from underbutler.errors import UsageError
from underbutler.settings import Settings
from workers.target.celery_task import make_target_task


class Called(CmdLineTask):
    """Be called."""

    _DefaultName = "called"


@pytest.fixture
def task(settings: Settings) -> Any:
    return make_app(settings).register_task(make_target_task("called", Called, settings))


SENT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "delay": (lambda task: task.delay(), "apply_async"),
    "apply_async": (lambda task: task.apply_async(), "apply_async"),
    "link": (lambda task: task.apply_async(link=object()), "link"),
    "link_error": (lambda task: task.apply_async(link_error=object()), "link_error"),
    "countdown": (lambda task: task.apply_async(countdown=3), "countdown"),
    "eta": (lambda task: task.apply_async(eta="2026-11-21"), "eta"),
    "expires": (lambda task: task.apply_async(expires=3), "expires"),
    "priority": (lambda task: task.apply_async(priority=3), "priority"),
    "signature": (lambda task: task.signature(), "chain"),
    "s": (lambda task: task.s(), "chain"),
    "si": (lambda task: task.si(), "chain"),
    "chunks": (lambda task: task.chunks([], 3), "chain"),
    "map": (lambda task: task.map([]), "chain"),
}


@pytest.mark.parametrize("way", SENT)
def test_a_task_sent_otherwise_names_the_request_and_the_cure(task: Any, way: str) -> None:
    send, words = SENT[way]
    with pytest.raises(UsageError, match=rf"called cannot be sent with .*{words}.*`underbutler submit called"):
        send(task)


def test_celerys_retry_is_refused(task: Any) -> None:
    with pytest.raises(UsageError, match="Raise TransientError"):
        task.retry(countdown=3)
