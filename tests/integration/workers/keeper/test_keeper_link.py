"""A main process and its keeper as two real processes: whichever dies, nothing is lost and no process stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.records.rows import DIGEST, new_job
from tests.support.services import eventually
from underbutler.migrations import upgrade
from underbutler.model.job import TargetState
from underbutler.records import JobStore
from underbutler.sql import open_engine
from workers.keeper.link import KeeperLink

MAIN = """
import os, sys, time, uuid
import psutil
from underbutler.records import JobStore
from underbutler.sql import open_engine
from workers.keeper import renewals
from workers.keeper.link import KeeperLink, set_current

target, digest = uuid.UUID(sys.argv[1]), sys.argv[2]
link = KeeperLink("w1/1", name="w1", queue="reduce", concurrency=1, level="INFO", limits={})
set_current(link)
child = os.fork()
if child == 0:
    store = JobStore(open_engine(os.environ["UNDERBUTLER_DATABASE_URL"]))
    pid = os.getpid()
    started = psutil.Process(pid).create_time()
    who = {"worker": "w1/1", "pid": pid, "pid_started": started}
    store.claims.grant(target=target, digest=digest, send_no=1, lease_s=600, **who)
    print(pid, link.pid, flush=True)
    time.sleep(600)
for line in sys.stdin:
    exec(line)
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobStore]:
    """Return records that a keeper finds by its environment."""
    url = f"sqlite:///{tmp_path / 'records.db'}"
    upgrade(url)
    monkeypatch.setenv("UNDERBUTLER_DATABASE_URL", url)
    engine = open_engine(url)
    yield JobStore(engine)
    engine.dispose()


class Worker:
    """A main process, its one child with a claim, and its keeper."""

    def __init__(self, store: JobStore) -> None:
        job = store.submissions.create_job(new_job(1))
        (self.target,) = (target.id for target in store.read.targets(job.id))
        self.main = subprocess.Popen(
            [sys.executable, "-c", MAIN, str(self.target), DIGEST],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.main.stdout is not None
        child, keeper = (int(word) for word in self.main.stdout.readline().split())
        self.child, self.keeper = psutil.Process(child), psutil.Process(keeper)

    def say(self, statement: str) -> None:
        """Let the main process do something."""
        assert self.main.stdin is not None
        self.main.stdin.write(statement + "\n")
        self.main.stdin.flush()

    def heard(self, statement: str) -> str:
        """Let the main process say something."""
        self.say(statement)
        assert self.main.stdout is not None
        return self.main.stdout.readline().strip()

    def keepers(self) -> list[psutil.Process]:
        """Return the keepers of the main process."""
        return [
            child
            for child in psutil.Process(self.main.pid).children()
            if child.pid != self.child.pid and child.status() != psutil.STATUS_ZOMBIE
        ]


@pytest.fixture
def worker(store: JobStore) -> Iterator[Worker]:
    """Run a main process with a child and a keeper; nothing of it stays."""
    made = Worker(store)
    started = [made.child, made.keeper]
    try:
        eventually(lambda: store.workers.known(living_within_s=60), 30, "the keeper's first word")
        yield made
    finally:
        started += made.keepers() if made.main.poll() is None else []
        made.main.kill()
        made.main.wait()
        for pipe in (made.main.stdin, made.main.stdout):
            assert pipe is not None
            pipe.close()
        eventually(lambda: not any(_lives(process) for process in started), 30, "the end of every process")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_killed_main_process_leaves_no_child_claim_or_keeper(worker: Worker, store: JobStore) -> None:
    """The child has inherited what the main process had open: the keeper sees its end all the same."""
    worker.main.kill()
    eventually(lambda: not _lives(worker.keeper), 30, "the end of the keeper")
    assert not _lives(worker.child)
    (claim,) = store.read.claims(worker.target)
    assert claim.end == "worker_died"
    row = store.read.target(worker.target)
    assert (row.state, row.worker_deaths, row.deaths) == (TargetState.QUEUED, 1, 0)
    assert store.workers.known()[0].ended_at is not None


def test_a_killed_keeper_is_followed_by_another_that_knows_all(worker: Worker, store: JobStore) -> None:
    worker.say("link.unfit('no space')")
    eventually(lambda: store.workers.known()[0].unfit_reason == "no space", 30, "the reason in the row")
    worker.keeper.kill()
    (other,) = eventually(lambda: [k for k in worker.keepers() if k.pid != worker.keeper.pid], 30, "another keeper")
    eventually(lambda: store.workers.known()[0].keeper_pid == other.pid, 30, "its row")
    assert store.workers.known()[0].unfit_reason == "no space"
    assert _lives(worker.child)
    assert store.read.claims(worker.target)[0].end is None
    worker.child.kill()
    eventually(lambda: store.read.claims(worker.target)[0].end == "died", 30, "what the new keeper does")


def test_reports_made_without_a_keeper_reach_the_next_one(worker: Worker, store: JobStore) -> None:
    worker.keeper.send_signal(signal.SIGSTOP)
    worker.say(f"link.revoked(uuid.UUID('{worker.target}'))")
    worker.say("link.stopping(0.0)")
    worker.say("print('said', flush=True)")
    assert worker.main.stdout is not None
    assert worker.main.stdout.readline() == "said\n", "the main process never waits for its keeper"
    worker.keeper.kill()
    eventually(lambda: store.read.claims(worker.target)[0].end, 30, "the end of the claim")
    assert store.read.target(worker.target).state == TargetState.ABORTED


def test_a_keeper_that_is_stopped_is_replaced(worker: Worker, store: JobStore) -> None:
    eventually(store.workers.known, 30, "a keeper that renews")
    worker.say("print(renewals.unrenewed_s(1.0), flush=True)")
    assert worker.main.stdout is not None
    assert worker.main.stdout.readline() == "None\n"
    worker.keeper.send_signal(signal.SIGSTOP)
    worker.say("link.renewals.note(0.0, 0.0); print(renewals.unrenewed_s(1.0) > 100, flush=True)")
    assert worker.main.stdout.readline() == "True\n"
    (other,) = eventually(lambda: [k for k in worker.keepers() if k.pid != worker.keeper.pid], 30, "another keeper")
    eventually(lambda: store.workers.known()[0].keeper_pid == other.pid, 30, "its row")
    eventually(lambda: worker.heard("print(renewals.unrenewed_s(1.0), flush=True)") == "None", 30, "a renewal")
    assert store.read.claims(worker.target)[0].end is None


def test_a_main_process_that_ends_in_order_waits_for_its_keeper(worker: Worker, store: JobStore) -> None:
    worker.say("link.stopping(600.0)")
    worker.say("link.close()")
    worker.say("print('closed', flush=True)")
    assert worker.main.stdout is not None
    assert worker.main.stdout.readline() == "closed\n"
    assert not _lives(worker.keeper)
    assert store.read.claims(worker.target)[0].end == "given_back", "it was asked to end: nobody is to blame"
    assert worker.keepers() == []


def test_signals_of_a_terminal_or_a_service_do_not_end_a_keeper(worker: Worker, store: JobStore) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        worker.keeper.send_signal(number)
    seen = store.workers.known()[0].seen_at
    worker.child.kill()
    eventually(lambda: store.read.claims(worker.target)[0].end == "died", 30, "what a living keeper does")
    assert _lives(worker.keeper)
    assert store.workers.known()[0].seen_at >= seen
    assert os.getsid(worker.keeper.pid) == worker.keeper.pid


def test_ids_that_are_none_of_ours_are_not_told(store: JobStore) -> None:
    link = KeeperLink("w2/1", name="w2", queue="reduce", concurrency=1, level="INFO", limits={})
    try:
        link.lost("celery.ping", None, "nothing of ours")
        link.timed_out("no-target.1", None, "nothing of ours")
        eventually(lambda: [row for row in store.workers.known() if row.id == "w2/1"], 30, "a keeper that goes on")
    finally:
        link.close()
    assert not psutil.pid_exists(link.pid)
