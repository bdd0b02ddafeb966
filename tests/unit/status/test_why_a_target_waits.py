"""`underbutler why`: each link of the chain, from rows that are known."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from tests.support.command_line import CommandLine
from tests.support.records.rows import (
    claim_of,
    ended,
    let_lease_expire,
    new_job,
    sent,
)
from underbutler.migrations import upgrade
from underbutler.model.job import TargetState
from underbutler.records import JobRow, JobStore, Outcome, Worker
from underbutler.records.tables.jobs import Target
from underbutler.settings import load_settings
from underbutler.sql import open_engine, write
from underbutler.status.why import explain
from underbutler.telemetry.tracebacks import own_line

LOG = """2026-12-01T01:02:03Z [error] target: failed
Traceback (most recent call last):
  File "/opt/site-packages/underbutler/pipe/task_runner.py", line 300, in runTask
    struct = task.runDataRef(ref)
  File "/home/ann/tasks/flat_field.py", line 17, in divide
    return image / flat
ZeroDivisionError: division by zero"""


@pytest.fixture
def store() -> Iterator[JobStore]:
    """Return the records of this home."""
    url = load_settings().records_url
    upgrade(url)
    engine = open_engine(url)
    yield JobStore(engine)
    engine.dispose()


def worker(store: JobStore, *, queue: str = "reduce") -> None:
    """Tell the records of a worker with two processes."""
    told = Worker(id=f"{queue}@ccd-1/1", name="w", host="ccd-1", pid=1, keeper_pid=2, queue=queue, concurrency=2)
    store.workers.mark_alive(told)


def chain(store: JobStore, job: JobRow, place: int = 0) -> list[str]:
    """Return the texts of the reasons of one target; however slow this machine is, a few seconds are none."""
    target = store.read.targets(job.id)[place]
    return [re.sub(r"\b\d s\b", "0 s", reason.text) for reason in explain(store, load_settings(), target).reasons]


def change(store: JobStore, job: JobRow, **fields: object) -> None:
    """Change rows of a job's targets."""
    with write(store._engine) as connection:
        connection.execute(update(Target).where(Target.job_id == job.id).values(**fields))


def test_a_queued_target_tells_what_is_ahead_and_who_works(store: JobStore) -> None:
    worker(store)
    first = store.submissions.create_job(new_job(3))
    sent(store)
    last = store.submissions.create_job(new_job(1))
    sent(store)
    change(store, first, sent_at=Target.sent_at - 10)
    claim_of(store, store.read.targets(first.id)[0].id)
    assert chain(store, last) == [
        "Its message has been in the queue 'reduce' for 0 s; 2 messages are before it, 1 target of that queue runs.",
        "1 worker takes from the queue 'reduce', with 2 processes.",
    ]


def test_a_queue_that_nobody_serves_names_who_serves_what(store: JobStore) -> None:
    worker(store, queue="quick")
    job = store.submissions.create_job(new_job(1, queue="big"))
    sent(store)
    (target,) = store.read.targets(job.id)
    *_, none = explain(store, load_settings(), target).reasons
    assert none.text == "No worker takes from the queue 'big'; those that live take from quick."
    assert none.cure == "Start one with UNDERBUTLER_QUEUE=big: `celery -A workers worker`."


def test_a_message_that_was_not_sent_in_time_asks_for_a_sweep(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(1))
    change(store, job, queued_at=store.now() - 600)
    (target,) = store.read.targets(job.id)
    unsent = next(one for one in explain(store, load_settings(), target).reasons if one.kind == "unsent")
    assert unsent.text == "Its message is due for 10 min and was not sent yet."
    assert unsent.cure == "Nobody sweeps: start `celery -A beat beat`, or `underbutler sweep --every 5`."


def test_a_target_that_waits_tells_until_when_and_for_what(store: JobStore) -> None:
    worker(store)
    job = store.submissions.create_job(new_job(1))
    change(store, job, not_before=store.now() + 150, transient_retries=2, sent_at=None)
    for _ in range(2):
        store.breakers.count_failure("demo", "No such host.", failures=1, open_s=300, cap_s=300)
    text, breaker, *_ = chain(store, job)
    assert text.startswith("It waits until ")
    assert text.endswith("another 2 min: A service was away (try 2 of 8).")
    assert breaker.startswith("The repository 'demo' could not be opened ")
    assert breaker.endswith(": No such host.")


def test_a_running_target_names_its_owner_and_a_lost_lease(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(1))
    claim = claim_of(store, store.read.targets(job.id)[0].id, worker="w@ccd-2/5", pid=77)
    assert chain(store, job) == ["It runs: worker w@ccd-2/5, process 77, attempt 1, for 0 s."]
    let_lease_expire(store._engine, claim.target, ago_s=600)
    _, lost = chain(store, job)
    assert lost == "Nobody has renewed its lease, which ran out 10 min ago: its worker is gone, or suspended."


def test_a_failure_names_the_line_of_the_task(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(1))
    claim = claim_of(store, store.read.targets(job.id)[0].id)
    failed = Outcome(state=TargetState.FAILED, error_type="ZeroDivisionError", error_text="division by zero", log=LOG)
    store.claims.complete(claim, failed)
    assert chain(store, job) == [
        "It failed: ZeroDivisionError: division by zero",
        "It was raised at /home/ann/tasks/flat_field.py:17, in divide: return image / flat",
    ]


def test_a_line_of_the_framework_is_not_the_tasks() -> None:
    assert own_line("\n".join(LOG.splitlines()[:4])) == ""


def test_earlier_attempts_are_told_with_their_ends(store: JobStore) -> None:
    job = store.submissions.create_job(new_job(1))
    claim = claim_of(store, store.read.targets(job.id)[0].id, worker="w@ccd-2/5")
    ended(store, claim, "died", reason="SIGKILL")
    assert chain(store, job)[-1] == "Attempt 1 by w@ccd-2/5 ended after 0 s: its process died: SIGKILL"


def test_why_shows_one_target_of_each_kind(store: JobStore, capsys: pytest.CaptureFixture[str]) -> None:
    command = CommandLine(capsys)
    job = store.submissions.create_job(new_job(3))
    for target, text in zip(store.read.targets(job.id)[:2], ("frame 1 is dark", "frame 2 is dark"), strict=True):
        failed = Outcome(state=TargetState.FAILED, error_type="ValueError", error_text=text)
        store.claims.complete(claim_of(store, target.id), failed)
    said = command("why", job.id, "--no-look")
    assert said.code == 0, said.err
    assert "failed, and 1 more like it" in said.out
    assert "It failed: ValueError: frame 1 is dark" in said.out
    assert "No worker takes from the queue 'reduce'." in said.out
    assert said.out.index("failed") < said.out.index("queued")
    told = command("why", job.id, "2", "--no-look", "--format", "json").json
    (one,) = told["targets"]
    assert (one["state"], one["ordinal"], one["reasons"][0]["kind"]) == ("failed", 1, "exception")
    unknown = command("why", job.id, "9", "--no-look")
    assert unknown.code == 2
    assert "underbutler status" in unknown.err
