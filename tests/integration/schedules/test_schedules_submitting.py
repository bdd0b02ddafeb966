"""A firing becomes a job, once, also when whoever did it was killed on the way; and what its words mean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.pipe_site import make_site
from tests.support.services import eventually
from underbutler.context import ServiceContext
from underbutler.errors import UnknownNameError
from underbutler.migrations import upgrade
from underbutler.model.job import Phase
from underbutler.records import FiringRow, FiringState
from underbutler.schedules import last_exposure as looking
from underbutler.schedules.entries import CHORE, SUBMISSION
from underbutler.schedules.files import parse_schedules
from underbutler.schedules.firing import bring, fire_due
from underbutler.schedules.process import work
from underbutler.settings import Settings

LAST = datetime(2026, 11, 20, 20, 0, 5 + 30, tzinfo=UTC).timestamp()
"""When the last exposure of the repository ended, in UTC as its header says."""

DIES = """
import os, signal, sys
from underbutler.context import ServiceContext
from underbutler.records.targets.submissions import Submissions
from underbutler.schedules import execution
from underbutler.settings import Settings

def die(self, new):
    print("dies", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

Submissions.create_job = die
execution.LEASE_S = 0.5
with ServiceContext(Settings.model_validate_json(sys.argv[1])) as context:
    execution.do_firing(context, "submission", "dead")
"""

HANGS = """
import sys, time
from underbutler.context import ServiceContext
from underbutler.schedules import execution
from underbutler.settings import Settings

execution.LEASE_S = 0.6
execution.LIMIT_S["submission"] = 1.0
execution.submit_firing = lambda *_: time.sleep(60)
with ServiceContext(Settings.model_validate_json(sys.argv[1])) as context:
    execution.do_firing(context, "submission", "hangs")
"""


@dataclass
class Site:
    """A repository, a broker, and records with a schedule."""

    context: ServiceContext

    def fire(self, text: str, at: float = 0.0) -> list[FiringRow]:
        """Bring in a file and let everything fire once that has no slot before this moment."""
        jobs = self.context.jobs
        file = parse_schedules(text, Path("s.toml"))
        assert [problem.text("s.toml") for problem in file.problems] == []
        bring(jobs, file, who="ann", now=at)
        due = max(row.next_due or 0.0 for row in jobs.schedules.entries())
        fire_due(jobs, due, fired_by="test")
        return self.waiting()

    def waiting(self) -> list[FiringRow]:
        return [row for row in self.context.jobs.firings.latest() if row.state is FiringState.WAITING]

    def work(self, lane: str = SUBMISSION) -> list[FiringRow]:
        """Do what waits in a lane, in this process; return all firings, the latest first."""
        work(self.context, lane, threading.Event(), idle_s=0.1)
        return self.context.jobs.firings.latest()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("pipe-site")
    info = folder / "level-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: level\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[underbutler.tasks]\nlevel = tests.support.pipe_site:LevelTask\n")
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(folder))
    with make_site(folder):
        yield folder
    patch.undo()


@pytest.fixture
def site(repository: Path, redis_url: str, tmp_path: Path) -> Iterator[Site]:
    settings = Settings(
        _env_file=None,
        home=tmp_path,
        broker_url=redis_url,
        repository_index=str(repository / "home" / "repositories.yaml"),
        user="tester",
    )
    upgrade(settings.records_url)
    with ServiceContext(settings) as context:
        yield Site(context)


def entry(name: str = "one", **fields: str) -> str:
    given = {"task": '"level"', "repo": '"tiny"', "when": "{every = 600}", "id": '{instrument = "CAM"}'} | fields
    return f'[[schedule]]\nname = "{name}"\n' + "".join(f"{key} = {value}\n" for key, value in given.items())


DAY = datetime(2026, 11, 21, 9, 55, tzinfo=UTC).timestamp()
"""A moment of observing day 20261120: the morning after."""


def test_a_firing_becomes_a_job_of_its_observing_day(site: Site) -> None:
    (firing,) = site.fire(
        entry(
            id='{instrument = "CAM", day_obs = "today", detector = [0, 1]}',
            query="\"exposure.observation_type = 'science' AND day_obs = {day_obs}\"",
            config="{scale = 2.5, fails_on = [1, 2]}",
            who='"bob"',
            lifetime='"2 d"',
        ),
        DAY,
    )
    (done,) = site.work()
    assert (done.state, done.told) == (FiringState.DONE, "4 targets")
    job = site.context.jobs.read.job(firing.job_id)
    assert (job.task, job.user, job.phase, job.n_targets) == ("level", "bob", Phase.QUEUED, 4)
    assert job.steps[0].overrides == [["scale", 2.5], ["fails_on", [1, 2]]]
    assert job.run == f"u/bob/level/20261121T100000Z-{str(job.id)[-8:]}", "named after its slot"
    assert job.destruction_at == pytest.approx(job.created_at + 2 * 86400)
    assert all(target.sent_at for target in site.context.jobs.read.targets(job.id))


def test_yesterday_has_no_data_and_that_is_no_failure(site: Site) -> None:
    site.fire(entry(id='{instrument = "CAM", day_obs = "yesterday"}'), DAY)
    (done,) = site.work()
    assert (done.state, done.told) == (FiringState.EMPTY, "no data of day_obs 20261120")


def test_only_what_is_new_is_submitted_again(site: Site) -> None:
    text = entry(only_new="true", id='{instrument = "CAM", day_obs = "today", detector = 0}')
    site.fire(text, DAY)
    assert [row.told for row in site.work()] == ["3 targets"]
    fire_due(site.context.jobs, DAY + 900, fired_by="test")
    assert [(row.state.value, row.told) for row in site.work()] == [
        ("empty", "nothing new among 3"),
        ("done", "3 targets"),
    ]
    more = text.replace("detector = 0", "detector = [0, 1]")
    bring(site.context.jobs, parse_schedules(more, Path("s.toml")), who="ann", now=DAY + 900)
    fire_due(site.context.jobs, DAY + 1500, fired_by="test")
    assert site.work()[0].told == "3 targets"


def test_a_hopeless_firing_fails_by_itself_with_its_reason(site: Site) -> None:
    wrong = entry("wrong", repo='"nowhere"') + entry("typo", config="{scal = 1}") + entry("right")
    site.fire(wrong, DAY)
    by_name = {row.name: row for row in site.work()}
    assert {name: row.state.value for name, row in by_name.items()} == {
        "wrong": "failed",
        "typo": "failed",
        "right": "done",
    }
    assert "'nowhere'" in str(by_name["wrong"].told)
    assert "no config field 'scal'" in str(by_name["typo"].told)
    assert "underbutler-schedule-" not in str(by_name["typo"].told), "no temporary file is named"


def test_a_broker_that_is_away_is_waited_for(site: Site) -> None:
    away = ServiceContext(site.context.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"}))
    (firing,) = site.fire(entry(), DAY)
    with away:
        work(away, SUBMISSION, threading.Event(), idle_s=0.1)
    waits = site.context.jobs.firings.get(firing.job_id)
    assert (waits.state, waits.attempts) == (FiringState.WAITING, 0)
    assert waits.not_before is not None
    assert "broker" in str(waits.told).lower()


def test_a_killed_submitters_firing_still_makes_one_job(site: Site, repository: Path) -> None:
    """It was killed after precall had registered the RUN, and before the job was recorded."""
    (firing,) = site.fire(entry("killed"), DAY)
    words = [sys.executable, "-c", DIES, site.context.settings.model_dump_json(exclude_none=True)]
    path = {"PYTHONPATH": f"{repository}{os.pathsep}{Path(__file__).parents[3]}"}
    died = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=os.environ | path)
    assert died.returncode == -signal.SIGKILL, died.stderr
    jobs = site.context.jobs
    assert jobs.firings.get(firing.job_id).state is FiringState.RUNNING
    with pytest.raises(UnknownNameError):
        jobs.read.job(firing.job_id)
    begun = runs_of(site, firing.job_id)
    assert len(begun) == 1, "precall had registered it"

    eventually(lambda: jobs.firings.count_waiting(SUBMISSION), 20, "the end of the dead one's lease")
    (done,) = site.work()
    assert (done.state, done.attempts, done.lease_holder == "dead") == (FiringState.DONE, 2, False)
    job = jobs.read.job(firing.job_id)
    assert runs_of(site, firing.job_id) == begun == [job.run]
    assert job.n_targets == 6

    fired = jobs.firings.latest()
    assert len(fired) == 1
    assert site.work()[0].attempts == 2, "and nothing is left to do"


def test_a_submitter_that_hangs_ends_itself_and_is_replaced(site: Site) -> None:
    (firing,) = site.fire(entry("hangs"), DAY)
    words = [sys.executable, "-c", HANGS, site.context.settings.model_dump_json(exclude_none=True)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, "firing_hangs" in ended.stdout + ended.stderr) == (75, True), ended.stderr
    eventually(lambda: site.context.jobs.firings.count_waiting(SUBMISSION), 20, "the end of its lease")
    (done,) = site.work()
    assert (done.job_id, done.state, done.attempts) == (firing.job_id, FiringState.DONE, 2)


def test_what_kills_its_process_again_and_again_fails(site: Site) -> None:
    from underbutler.records.tables.schedules import Firing
    from underbutler.sql import write

    site.fire(entry("kills"), DAY)
    with write(site.context.engine) as connection:
        connection.execute(Firing.__table__.update().values(attempts=5))
    (failed,) = site.work()
    assert (failed.state, failed.told) == (FiringState.FAILED, "The process that ran it died 5 times.")


def test_a_firing_whose_job_exists_is_only_ended(site: Site) -> None:
    """Its submitter was killed between the job and the end of the firing."""
    from underbutler.records.tables.schedules import Firing
    from underbutler.sql import write

    (firing,) = site.fire(entry(), DAY)
    site.work()
    with write(site.context.engine) as connection:
        connection.execute(
            Firing.__table__.update().values(state="running", ended_at=None, lease_until=1.0, lease_holder="dead")
        )
    (done,) = site.work()
    assert (done.state, done.attempts, done.told) == (FiringState.DONE, 2, "6 targets")
    assert site.context.jobs.read.job(firing.job_id).n_targets == 6


def test_the_last_exposure_of_the_day_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is due so long after the end of the last one; one that comes later moves it."""
    text = entry(when='{after_last_exposure = "30 min"}', id='{instrument = "CAM", day_obs = "today", detector = 0}')
    jobs = site.context.jobs
    bring(jobs, parse_schedules(text, Path("s.toml")), who="ann", now=LAST - 60)
    assert looking.look(site.context, 60)
    assert not looking.look(site.context, 60), "a moment ago somebody has looked"
    due = jobs.schedules.entry("one").next_due
    assert due == pytest.approx(LAST + 1800, abs=1)

    real = looking.last_exposure
    monkeypatch.setattr(looking, "last_exposure", lambda *_: looking.LastExposure(99, round(due) - 1800 + 60))
    assert fire_due(jobs, due, fired_by="test") == 1
    assert jobs.schedules.entry("one").next_due is None
    (left,) = site.work()
    assert (left.state, left.told) == (FiringState.SKIPPED, "exposure 99 was taken later: it fires after that one")
    assert jobs.schedules.entry("one").next_due == due + 60
    assert fire_due(jobs, due + 60, fired_by="test") == 1
    monkeypatch.setattr(looking, "last_exposure", lambda *_: looking.LastExposure(99, round(due) - 1800 + 60))
    done = site.work()[0]
    assert (done.state, done.told) == (FiringState.DONE, "3 targets")
    monkeypatch.setattr(looking, "last_exposure", real)


def test_exposures_older_than_an_entry_are_not_its_own(site: Site) -> None:
    text = entry(when='{after_last_exposure = "30 min"}')
    bring(site.context.jobs, parse_schedules(text, Path("s.toml")), who="ann", now=LAST + 7200)
    assert looking.look(site.context, 60)
    assert site.context.jobs.schedules.entry("one").next_due is None


def test_chores_are_done(site: Site) -> None:
    chores = {"a": '"sweep"', "b": '"expire"\nolder_than = "90 d"', "c": '"verify"\nsince = "1 d"'}
    text = "".join(
        f'[[schedule]]\nname = "{name}"\nwhen.every = 600\nchore = {chore}\n' for name, chore in chores.items()
    )
    site.fire(text, DAY)
    told = {row.name: (row.state.value, row.told) for row in site.work(CHORE)}
    assert told == {
        "a": ("done", "nothing to do"),
        "b": ("done", "0 jobs and 0 firings expired"),
        "c": ("done", "all in order"),
    }


def runs_of(site: Site, job: uuid.UUID) -> list[str]:
    """Return the RUN collections that were made for a job."""
    with site.context.repositories.butler("tiny") as butler:
        return [name for name in butler.collections.query("u/*") if str(job)[-8:] in name]
