"""``celery -A beat beat`` as a service runs it: a real process, in an empty folder, ended by a signal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.services import eventually
from tests.support.sweeper_site import Site, open_site
from underbutler.embedded.process import Process, free_port
from underbutler.embedded.servers import start_redis
from underbutler.embedded.stack import environment_of
from underbutler.settings import Settings

CELERY = ("-m", "celery", "-A", "beat", "beat", "-l", "INFO")
BY_HAND = ("-c", "from underbutler.cli import main; main()", "sweep", "--every", "0.2")


class Beat:
    """A running beat, or what sweeps in its place."""

    def __init__(self, settings: Settings, folder: Path, words: Sequence[str] = CELERY) -> None:
        folder.mkdir()
        self.folder = folder
        self.lines: list[str] = []
        environment = {"UNDERBUTLER_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"} | environment_of(settings)
        self.process = Process(
            "beat",
            [sys.executable, *words],
            environment={**os.environ, **environment},
            directory=folder,
            on_line=self.lines.append,
        )

    def said(self, words: str) -> int:
        """Return in how many lines beat has said something."""
        return sum(words in line for line in self.lines)

    def end(self) -> int:
        """Ask it to end, and return its exit code; one that takes longer is killed, which the code shows."""
        return self.process.stop(patience_s=20)


@pytest.fixture
def site(settings: Settings, redis_url: str) -> Iterator[Site]:
    with open_site(settings, broker_url=redis_url, sweep_interval_s=0.2) as site:
        yield site


@pytest.fixture
def beat(site: Site, tmp_path: Path) -> Iterator[Beat]:
    running = Beat(site.settings, tmp_path / "beat")
    yield running
    running.process.stop(patience_s=1)


def test_beat_sweeps_leaves_no_file_and_ends_when_asked(site: Site, beat: Beat) -> None:
    _, (first,) = site.submit()
    eventually(lambda: site.jobs.read.target(first.id).sent_at, 60, "the first message")
    _, (second,) = site.submit()
    eventually(lambda: site.jobs.read.target(second.id).sent_at, 60, "the message of a later sweep")
    assert beat.end() == 0
    assert list(beat.folder.iterdir()) == [], "no celerybeat-schedule, no pid file"
    assert beat.said("chores -> underbutler.sweep")
    assert site.messages() == [(str(first.id), 1), (str(second.id), 1)], "and no message of beat's own"


def test_beat_without_work_does_not_import_the_butler(site: Site, beat: Beat) -> None:
    site.submit()
    eventually(lambda: beat.said("swept"), 60, "a sweep")
    maps = Path(f"/proc/{beat.process.pid}/maps")
    if not maps.exists():
        pytest.skip("the test reads /proc")
    assert "lsst" not in maps.read_text()
    assert "astropy" not in maps.read_text()


def test_beat_outlives_a_broker_that_goes_away_and_says_so_once(settings: Settings, tmp_path: Path) -> None:
    broker = start_redis(tmp_path / "redis", keep=True)
    with open_site(settings, broker_url=broker.url, sweep_interval_s=0.2) as site:
        beat = Beat(site.settings, tmp_path / "beat")
        try:
            site.submit()
            eventually(lambda: beat.said("swept"), 60, "a sweep")
            broker.process.stop()
            eventually(lambda: beat.said("sweep_part_failed"), 60, "the outage in the log")
            swept = site.jobs.sweep.remembered("swept")
            eventually(lambda: (site.jobs.sweep.remembered("swept") or swept) != swept, 60, "a sweep without a broker")
            assert {part: beat.said(f"part={part}") for part in ("messages", "notices")}["notices"] == 1
            assert beat.process.exit_code is None
        finally:
            assert beat.end() == 0


def test_beat_starts_without_the_records_and_says_so_once(settings: Settings, redis_url: str, tmp_path: Path) -> None:
    away = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/records"
    changes = {"broker_url": redis_url, "database_url": away, "database_wait_s": 0.1, "sweep_interval_s": 0.1}
    beat = Beat(settings.model_copy(update=changes), tmp_path / "beat")
    try:
        eventually(lambda: beat.said("records_away"), 60, "the outage in the log")
    finally:
        assert beat.end() == 0
    assert beat.said("records_away") == 1


def test_sweeping_by_hand_runs_until_ctrl_c_and_prints(site: Site, tmp_path: Path) -> None:
    by_hand = Beat(site.settings, tmp_path / "hand", BY_HAND)
    try:
        for expected in (1, 2):
            site.submit()
            eventually(lambda expected=expected: by_hand.said("1 sent") == expected, 60, "the line of a sweep")
    finally:
        code = by_hand.process.stop(patience_s=20, by=signal.SIGINT)
    assert code == 0
    assert by_hand.lines == ["messages    1 sent"] * 2
