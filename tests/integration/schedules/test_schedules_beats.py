"""Two real beats on one schedule, and the one that leads is killed: each slot fires once, and none is left out."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.support.services import eventually
from underbutler.embedded.process import Process
from underbutler.embedded.stack import environment_of
from underbutler.migrations import upgrade
from underbutler.records import FiringState, JobStore
from underbutler.settings import Settings
from underbutler.sql import open_engine

EACH_SECOND = '[[schedule]]\nname = "second"\nchore = "sweep"\nwhen.every = 1\nmissed = "catch_up"\n'
LEAP_NIGHT = """
[site]
latitude = -29.0
longitude = -70.7
[[schedule]]
name = "leap-night"
task = "processCcd"
repo = "demo"
when = {crontab = "0 4 29 2 *", only_at_night = true}
"""
BROKEN = '[[schedule]]\nname = "broken"\nchore = "swep"\nwhen.every = 1\n'


class Beat:
    """A running ``celery -A beat beat``."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        folder.mkdir()
        self.lines: list[str] = []
        given = {"UNDERBUTLER_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"} | environment_of(settings)
        given |= {"UNDERBUTLER_SCHEDULE_TICK_S": "0.2", "UNDERBUTLER_SWEEP_INTERVAL_S": "60"}
        self.process = Process(
            folder.name,
            [sys.executable, "-m", "celery", "-A", "beat", "beat", "-l", "INFO"],
            environment={**os.environ, **given},
            directory=folder,
            on_line=self.lines.append,
        )

    @property
    def leads(self) -> bool:
        return any("schedule_leads" in line for line in self.lines)

    def name(self) -> str:
        """Return the end of what firings say of it."""
        return f"/{self.process.pid}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def site(request: pytest.FixtureRequest, settings: Settings, redis_url: str) -> Settings:
    changes = {"broker_url": redis_url}
    if request.param == "postgresql":
        changes["database_url"] = request.getfixturevalue("postgres_url")
    settings = settings.model_copy(update=changes)
    upgrade(settings.records_url)
    settings.schedules_file.write_text(EACH_SECOND + LEAP_NIGHT + BROKEN)
    return settings


@pytest.fixture
def jobs(site: Settings) -> Iterator[JobStore]:
    engine = open_engine(site.records_url)
    yield JobStore(engine)
    engine.dispose()


def test_the_leader_is_killed_and_nothing_is_doubled_or_missed(site: Settings, jobs: JobStore, tmp_path: Path) -> None:
    def fired_by(beat: Beat) -> int:
        return sum(row.fired_by.endswith(beat.name()) for row in jobs.firings.latest(limit=1000))

    beats = [Beat(site, tmp_path / name) for name in ("first", "second")]
    try:
        leader = eventually(lambda: next((beat for beat in beats if beat.leads), None), 60, "a leader")
        other = beats[1 - beats.index(leader)]
        eventually(lambda: any("schedule_read" in line for line in leader.lines), 30, "the file")
        eventually(lambda: fired_by(leader) >= 2, 30, "firings of the leader")
        eventually(lambda: any("beat: Starting" in line for line in other.lines), 30, "the other beat")
        assert not other.leads
        doing = [
            one
            for one in psutil.Process(leader.process.pid).children()
            if "underbutler.schedules" in str(one.cmdline())
        ]
        assert jobs.schedules.entry("leap-night").next_due is not None
        maps = Path(f"/proc/{leader.process.pid}/maps")
        if maps.exists():  # it has computed the sun, and submitted, and is as small as before
            loaded = maps.read_text()
            assert [name in loaded for name in ("ephem", "lsst", "astropy")] == [True, False, False]
        os.kill(leader.process.pid, signal.SIGKILL)
        eventually(lambda: other.leads, 30, "the other beat to lead")
        eventually(lambda: fired_by(other) >= 2, 30, "firings of the other beat")
        eventually(
            lambda: any(
                row.state is FiringState.DONE for row in jobs.firings.latest() if row.fired_by.endswith(other.name())
            ),
            60,
            "what the other beat fired to be done",
        )
        eventually(lambda: not any(one.is_running() for one in doing), 60, "the end of the dead one's processes")
    finally:
        codes = [beat.process.stop(patience_s=20) for beat in beats]
    assert sorted(codes) == sorted([-signal.SIGKILL, 0]), [beat.lines[-20:] for beat in beats]
    rows = jobs.firings.latest(limit=1000)
    dues = sorted(row.due_at for row in rows)
    assert {later - earlier for earlier, later in pairwise(dues)} == {1.0}
    assert {row.name for row in rows} == {"second"}
    assert not any(row.missed for row in rows)
    broken = jobs.schedules.entry("broken")
    assert "schedules.toml:17: schedule 'broken', chore: input should be 'sweep'" in str(broken.error)
