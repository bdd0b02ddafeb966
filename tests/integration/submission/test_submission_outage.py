"""Either the whole job exists or nothing of it, whatever goes away, and whenever, while it is submitted."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, func, make_url, select

from tests.support.records.rows import let_send_lease_expire
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.errors import BrokerUnavailableError, ConflictError, RecordsUnavailableError, UsageError
from underbutler.migrations import upgrade
from underbutler.model.message import HEADER
from underbutler.records import JobRow, JobStore
from underbutler.records.tables.service import Submission as SubmissionTable
from underbutler.settings import Settings
from underbutler.sql import read
from underbutler.submission.preparing import prepare
from underbutler.submission.sending import send
from underbutler.submission.submit import submit, undo_submission

SKY = ["demo", "--id", "instrument=SIMCAM", "detector=0", "--no-versions"]
FRAMES = 3
COMMIT = b"COMMIT\x00"
"""What psycopg says; without its end it is also in READ COMMITTED."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository of three frames of the sky on SQLite; return the index that has it."""
    from underbutler.butlers import Repositories, create_repository, ingest_files
    from underbutler.testing.night import simulate_night

    folder = tmp_path_factory.mktemp("submitted")
    settings = Settings(_env_file=None, home=folder)
    with Repositories(settings) as repositories:
        create_repository(folder / "repo", "demo", settings)
        night = simulate_night(folder / "night", n_bias=0, n_flat=0, n_science=FRAMES, shape=(64, 64), seed=3)
        ingest_files(repositories, "demo", night.files, transfer="direct")
    return Path(settings.index_uri)


class Place:
    """A submitter with all that it has open, and what others see of its submissions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.context = ServiceContext(settings)
        self.app = make_app(settings)
        self.left: list[tuple[int, str]] = []
        self.job = uuid.uuid4()

    def submit(
        self, *words: str, jobs: JobStore | None = None, lifetime_s: float | None = None, **options: Any
    ) -> JobRow:
        context = self.context
        with prepare(
            "processCcd",
            [*SKY, *words],
            repositories=context.repositories,
            user="ann",
            job=self.job,
            lifetime_s=lifetime_s,
        ) as ready:
            return submit(
                ready,
                jobs=jobs or context.jobs,
                app=self.app,
                settings=self.settings,
                on_unsent=lambda sent, reason: self.left.append((sent, reason)),
                **options,
            )

    def runs(self) -> list[str]:
        with self.context.repositories.butler("demo") as butler:
            return sorted(butler.collections.query("u/*"))

    def announced(self) -> int:
        with read(self.context.engine) as connection:
            return int(connection.execute(select(func.count()).select_from(SubmissionTable)).scalar_one())

    def messages(self) -> list[dict[str, Any]]:
        with redis.Redis.from_url(self.settings.broker_url) as client:
            return [
                json.loads(raw) for raw in client.lrange(f"{self.settings.broker_prefix}{self.settings.queue}", 0, -1)
            ]

    def nothing_is_left(self) -> bool:
        return self.context.jobs.read.jobs() == [] and self.announced() == 0 and self.job_run() == []

    def job_run(self) -> list[str]:
        return [run for run in self.runs() if run.endswith(str(self.job)[-8:])]

    def all_is_there(self) -> bool:
        (row,) = self.context.jobs.read.jobs()
        return row.id == self.job and row.n_targets == FRAMES and self.job_run() == [row.run] and self.announced() == 0


@pytest.fixture
def place(settings: Settings, repository: Path, redis_url: str) -> Iterator[Place]:
    """Submit with records on SQLite."""
    settings = settings.model_copy(update={"broker_url": redis_url, "repository_index": str(repository)})
    upgrade(settings.records_url)
    place = Place(settings)
    yield place
    place.context.close()


@pytest.fixture
def proxied(
    settings: Settings, repository: Path, redis_url: str, postgres_url: str
) -> Iterator[tuple[Place, TcpProxy]]:
    """Submit with records on PostgreSQL, behind a proxy that can be cut."""
    upgrade(postgres_url)
    with tcp_proxy(make_url(postgres_url).port or 5432) as proxy:
        url = make_url(postgres_url).set(port=proxy.port).render_as_string(hide_password=False)
        changes = {"broker_url": redis_url, "repository_index": str(repository), "database_url": url}
        place = Place(settings.model_copy(update={**changes, "database_wait_s": 10.0}))
        yield place, proxy
        place.context.close()


class WhenRecording(JobStore):
    """Does something the moment before the job is recorded, once."""

    def __init__(self, place: Place, act: Callable[[], object]) -> None:
        super().__init__(place.context.engine)
        really_create, acts = self.submissions.create_job, [act]

        def create_job(new: Any) -> JobRow:
            while acts:
                acts.pop()()
            return really_create(new)

        self.submissions.create_job = create_job  # type: ignore[method-assign]


def test_a_submission_leaves_its_job_its_run_and_its_messages(place: Place) -> None:
    row = place.submit(lifetime_s=86400.0)
    assert place.all_is_there()
    assert place.left == []
    assert row.destruction_at is not None
    assert row.destruction_at - row.created_at == pytest.approx(86400.0, abs=1.0)
    assert len(place.messages()) == FRAMES


def test_a_job_keeps_what_was_asked_for(place: Place) -> None:
    row = place.submit("-c", "doBias=false", lifetime_s=60.0)
    assert row.request == {
        "repo": "demo",
        "steps": [
            {
                "task": "processCcd",
                "config": [{"path": "doBias", "value": "false", "is_text": True}],
                "ids": {"id": [["instrument=SIMCAM", "detector=0"]]},
            }
        ],
        "with_versions": False,
        "lifetime_s": 60.0,
        "user": "ann",
    }
    assert row.steps[0].overrides == [["doBias", False]]


def test_a_job_lives_as_long_as_the_settings_say_by_default(place: Place) -> None:
    place.settings = place.settings.model_copy(update={"job_lifetime_s": 3600.0})
    row = place.submit()
    assert row.destruction_at is not None
    assert row.destruction_at - row.created_at == pytest.approx(3600.0, abs=1.0)


def test_a_lost_commit_answer_is_asked_for_and_one_job_exists(proxied: tuple[Place, TcpProxy]) -> None:
    place, proxy = proxied
    jobs = WhenRecording(place, lambda: proxy.cut_at(COMMIT, deliver=True))
    place.submit(jobs=jobs)
    assert proxy.cuts == 1
    assert place.all_is_there()
    assert len(place.messages()) == FRAMES


def test_a_commit_that_never_arrived_is_done_again(proxied: tuple[Place, TcpProxy]) -> None:
    place, proxy = proxied
    jobs = WhenRecording(place, lambda: proxy.cut_at(COMMIT, deliver=False))
    place.submit(jobs=jobs)
    assert proxy.cuts == 1
    assert place.all_is_there()
    assert len(place.messages()) == FRAMES


@pytest.mark.parametrize("deliver", [True, False], ids=["recorded", "not recorded"])
def test_a_submission_stays_open_when_records_stay_away(proxied: tuple[Place, TcpProxy], deliver: bool) -> None:
    place, proxy = proxied
    place.settings = place.settings.model_copy(update={"database_wait_s": 1.0})
    jobs = WhenRecording(place, lambda: proxy.cut_at(COMMIT, deliver=deliver, stay_away=True))
    with pytest.raises(RecordsUnavailableError, match=f"underbutler status {place.job}"):
        place.submit(jobs=jobs)
    proxy.mend()
    assert len(place.job_run()) == 1, "nobody may remove it who does not know"
    assert place.messages() == []
    stale = place.context.jobs.submissions.give_up_stale(0.0)
    assert [one.job for one in stale] == ([] if deliver else [place.job])
    for one in stale:
        assert undo_submission(place.context, one)
    assert place.all_is_there() if deliver else place.nothing_is_left()
    if deliver:
        assert send(place.context.jobs, place.app) == FRAMES, "the sweeper sends what the submitter could not"


def test_records_that_are_away_from_the_beginning_leave_nothing(proxied: tuple[Place, TcpProxy]) -> None:
    place, proxy = proxied
    runs = place.runs()
    proxy.cut()
    with pytest.raises(RecordsUnavailableError):
        place.submit()
    proxy.mend()
    assert place.runs() == runs
    assert place.nothing_is_left()


def test_a_precall_that_fails_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise UsageError("the schema cannot be made")

    monkeypatch.setattr("underbutler.pipe.cmdline_task.CmdLineTask.writeSchemas", fail)
    with pytest.raises(UsageError, match="schema cannot be made"):
        place.submit()
    assert place.nothing_is_left()


def test_an_interruption_during_the_recording_leaves_nothing(place: Place) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.submit(jobs=WhenRecording(place, interrupt))
    assert place.nothing_is_left()


def test_a_job_that_the_records_refuse_leaves_nothing(place: Place) -> None:
    with pytest.raises(ConflictError):
        place.submit(parent=uuid.uuid4())
    assert place.nothing_is_left()


def test_an_existing_job_survives_the_refusal_of_its_twin(place: Place) -> None:
    place.submit("-o", "u/ann/mine")
    with pytest.raises(ConflictError):
        place.submit("-o", "u/ann/mine")
    assert "u/ann/mine" in place.runs()
    assert len(place.context.jobs.read.jobs()) == 1
    assert place.announced() == 0


def test_a_submitter_slower_than_the_sweeper_gets_no_job(place: Place) -> None:
    def sweep() -> None:
        (one,) = place.context.jobs.submissions.give_up_stale(0.0)
        assert undo_submission(place.context, one)

    taken: list[Any] = []
    with pytest.raises(ConflictError, match="given up"):
        place.submit(jobs=WhenRecording(place, sweep))
    assert place.nothing_is_left()
    with pytest.raises(ConflictError, match="given up"):
        place.submit(jobs=WhenRecording(place, lambda: taken.extend(place.context.jobs.submissions.give_up_stale(0.0))))
    for one in taken:  # the sweeper comes second, and finds nothing to remove
        assert not undo_submission(place.context, one)
    assert place.nothing_is_left()


def _die_before_recording(settings: Settings, job: uuid.UUID) -> None:
    place = Place(settings)
    place.job = job
    place.submit(jobs=WhenRecording(place, lambda: os.kill(os.getpid(), signal.SIGKILL)))


def test_leftovers_of_a_killed_submitter_are_removed(place: Place) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_die_before_recording, args=(place.settings, place.job))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    assert len(place.job_run()) == 1
    assert place.context.jobs.read.jobs() == []
    assert place.context.jobs.submissions.give_up_stale(3600.0) == [], "it may still be at work"
    (one,) = place.context.jobs.submissions.give_up_stale(0.0)
    assert undo_submission(place.context, one)
    assert not undo_submission(place.context, one), "a second sweeper finds it done"
    assert place.nothing_is_left()


def test_a_named_run_stays_because_others_may_write_there(place: Place) -> None:
    with pytest.raises(ConflictError):
        place.submit("-o", "u/ann/shared", parent=uuid.uuid4())
    assert "u/ann/shared" in place.runs()
    assert place.announced() == 0
    assert place.submit("-o", "u/ann/shared").n_targets == FRAMES


def test_a_lost_repository_does_not_keep_its_submission(place: Place) -> None:
    from underbutler.records import Submission

    lost = Submission(job=uuid.uuid4(), repo="gone", out="gone", run="u/ann/x", own_run=True, user="ann")
    place.context.jobs.submissions.announce(lost)
    assert not undo_submission(place.context, lost)
    assert place.announced() == 0


# The broker


def test_a_broker_that_is_away_at_first_leaves_nothing(place: Place) -> None:
    place.settings = place.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(BrokerUnavailableError):
        place.submit()
    assert place.nothing_is_left()


def test_a_broker_lost_while_sending_gets_the_rest_later(place: Place) -> None:
    port = int(place.settings.broker_url.rsplit(":", 1)[1].split("/")[0])
    with tcp_proxy(port) as proxy:
        direct = place.settings.broker_url
        place.settings = place.settings.model_copy(update={"broker_url": direct.replace(str(port), str(proxy.port))})
        place.app = make_app(place.settings)
        row = place.submit(jobs=WhenRecording(place, proxy.cut))
        assert place.all_is_there()
        ((sent, reason),) = place.left
        assert (sent, row.n_targets) == (0, FRAMES)
        assert str(proxy.port) in reason
        place.settings = place.settings.model_copy(update={"broker_url": direct})
        assert place.messages() == []
        proxy.mend()
        let_send_lease_expire(place.context.engine)
        assert send(place.context.jobs, place.app) == FRAMES
    assert len(place.messages()) == FRAMES


def test_the_command_says_what_is_unsent_and_exits_with_0(place: Place) -> None:
    """A script that saw an error would submit the same job once more."""
    port = int(place.settings.broker_url.rsplit(":", 1)[1].split("/")[0])
    with tcp_proxy(port) as proxy:
        proxy.cut_at(b"LPUSH", deliver=False, stay_away=True)
        settings = {
            "UNDERBUTLER_HOME": str(place.settings.home),
            "UNDERBUTLER_REPOSITORY_INDEX": place.settings.index_uri,
            "UNDERBUTLER_BROKER_URL": place.settings.broker_url.replace(str(port), str(proxy.port)),
        }
        program = Path(sys.executable).parent / "underbutler"
        done = subprocess.run(
            [program, "submit", "processCcd", *SKY, "--format", "json"],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["targets"], answer["sent"]) == (FRAMES, 0)
    assert place.context.jobs.read.job(answer["job"]).n_targets == FRAMES
    assert f"is recorded. 0 of {FRAMES} messages were sent" in done.stderr
    assert "Do not submit it again" in done.stderr
    let_send_lease_expire(place.context.engine)
    assert send(place.context.jobs, place.app) == FRAMES


def test_a_connection_cut_between_sendings_loses_no_message(place: Place) -> None:
    """The pipeline over a dead connection fails; what it carried goes out again, one by one."""
    place.submit()
    with redis.Redis.from_url(place.settings.broker_url) as client:
        for one in client.client_list(_type="normal"):
            if int(one["id"]) != client.client_id():
                client.client_kill_filter(_id=one["id"])
    place.job = uuid.uuid4()
    place.submit()
    assert place.left == []
    bodies = [message["headers"][HEADER]["target"] for message in place.messages()]
    assert len(set(bodies)) == 2 * FRAMES


def test_a_batch_goes_out_in_one_pipeline_and_in_order(place: Place) -> None:
    calls: list[int] = []
    place.submit(progress=calls.append)
    assert calls == [FRAMES]
    with redis.Redis.from_url(place.settings.broker_url) as client:
        stats = client.info("commandstats")
    assert stats["cmdstat_lpush"]["calls"] >= FRAMES
    targets = [str(target.id) for target in place.context.jobs.read.targets(place.job)]
    oldest_first = [message["headers"][HEADER]["target"] for message in reversed(place.messages())]
    assert oldest_first == targets


class Counting(JobStore):
    """Notes how many messages are taken at a time."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.taken: list[int] = []
        really_take = self.outbox.take

        def take(**options: Any) -> Any:
            batch = really_take(**options)
            self.taken.append(len(batch))
            return batch

        self.outbox.take = take  # type: ignore[method-assign]


def test_a_rate_bounds_what_goes_out_each_second(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("underbutler.submission.sending.time.sleep", naps.append)
    monkeypatch.setattr("underbutler.submission.sending.time.monotonic", lambda: 100.0)  # no time passes by itself
    jobs = Counting(place.context.engine)
    monkeypatch.setattr("underbutler.submission.submit.send", lambda *_, **__: 0)
    place.submit()
    assert send(jobs, place.app, rate=0.5) == FRAMES
    assert jobs.taken == [1, 1, 1, 0]
    assert naps == [0.0, 2.0, 4.0, 6.0]
    with pytest.raises(UsageError, match="above 0"):
        send(jobs, place.app, rate=0)


def test_at_most_leaves_the_rest_to_another_call(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underbutler.submission.submit.send", lambda *_, **__: 0)
    place.submit()
    assert send(place.context.jobs, place.app, at_most=2) == 2
    assert send(place.context.jobs, place.app, at_most=2) == 1
    assert len(place.messages()) == FRAMES


def test_rabbitmq_confirms_each_message(place: Place, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.settings = place.settings.model_copy(update={"broker_url": rabbitmq_url})
    place.app = make_app(place.settings)
    place.submit()
    assert place.left == []
    with place.app.connection() as connection, connection.channel() as channel:
        found = channel.queue_declare(place.settings.queue, passive=True)
    assert found.message_count == FRAMES
