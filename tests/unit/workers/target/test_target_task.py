"""The Celery task of a science task: its name, its limits, and what it says of a message that is not ours."""

from __future__ import annotations

import pytest

from underbutler import CmdLineTask
from underbutler.broker import make_app
from underbutler.errors import MessageError
from underbutler.pipe import load_task
from underbutler.settings import Settings
from workers.celery import worker_settings
from workers.target.celery_task import GRACE_S, make_target_task


class Quick(CmdLineTask):
    """Be quick."""

    _DefaultName = "quick"
    timeLimit = 20


def test_the_name_is_the_tasks_and_the_limit_the_shorter_one(settings: Settings) -> None:
    quick = make_target_task("quick", Quick, settings)
    assert (quick.name, quick.soft_time_limit, quick.time_limit) == ("quick", 20, 20 + GRACE_S)
    usual = make_target_task("processCcd", load_task("processCcd"), settings)
    assert usual.soft_time_limit == settings.hard_limit_s, "the seed's TIMEOUT of 30 days is capped by the queue's"


def test_a_message_without_our_header_is_refused_with_the_cure(settings: Settings) -> None:
    app = make_app(settings)
    app.conf.task_always_eager = True
    app.conf.task_eager_propagates = True
    task = app.register_task(make_target_task("quick", Quick, settings))
    with pytest.raises(MessageError, match="underbutler submit"):
        task.apply(args=({}, {}))


def test_celery_neither_retries_nor_requeues(settings: Settings) -> None:
    task = make_target_task("quick", Quick, settings)
    assert task.max_retries == 0
    assert task.acks_late
    assert not task.reject_on_worker_lost
    assert worker_settings(settings)["worker_prefetch_multiplier"] == 1
