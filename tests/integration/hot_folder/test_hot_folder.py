"""A hot folder whose watcher is killed: each frame comes in once, and is submitted once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import environment_of
from tests.support.hot_folder import SlowWriter
from tests.support.services import eventually
from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.errors import UsageError
from underbutler.hot_folder import submitting
from underbutler.hot_folder.submitting import Submitting, check_words
from underbutler.migrations import upgrade
from underbutler.settings import Settings
from underbutler.testing.night import Night, simulate_night

AS_IT_IS = ("-c", "doBias=false", "doFlat=false", "--no-versions")
PROGRAM = Path(sys.executable).parent / "underbutler"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return simulate_night(
        tmp_path_factory.mktemp("camera"), n_bias=1, n_flat=0, n_science=4, shape=(64, 64), detectors=(0,)
    )


@pytest.fixture
def context(tmp_path: Path, redis_url: str) -> Iterator[ServiceContext]:
    from underbutler.butlers import create_repository

    settings = Settings(_env_file=None, home=tmp_path / "home", broker_url=redis_url, user="tester")
    settings.home.mkdir()
    upgrade(settings.records_url)
    create_repository(tmp_path / "repo", "demo", settings)
    with ServiceContext(settings) as opened:
        yield opened


def submitter(context: ServiceContext, folder: str = "/data/tonight") -> Submitting:
    app = make_app(context.settings)
    return Submitting(context, app, task="processCcd", label="demo", words=AS_IT_IS, folder=folder)


def ingested(context: ServiceContext, night: Night) -> list[dict[str, Any]]:
    from underbutler.butlers import ingest_files

    report = ingest_files(context.repositories, "demo", night.files)
    return [dict(one.data_id) for one in report.ingested if one.data_id is not None]


def submitted(context: ServiceContext) -> Counter[int]:
    """Return how many targets each exposure has."""
    jobs = context.jobs.read.jobs(limit=None)
    return Counter(int(target.data_id["exposure"]) for job in jobs for target in context.jobs.read.targets(job.id))


def test_what_was_ingested_and_not_submitted_is_submitted_once(context: ServiceContext, night: Night) -> None:
    """The bias is left aside by the task; the frames of the sky have one target each."""
    bias, *sky = ingested(context, night)
    first = submitter(context)
    for data_id in (bias, *sky[:2]):
        first.offer(data_id, is_new=True)
    assert first.submit() is not None
    assert first.submit() is None
    again = submitter(context)  # whoever was there before was killed: nothing of it is known but the records
    for data_id in (bias, *sky):
        again.offer(data_id, is_new=False)
    done = again.submit()
    assert done is not None
    assert done.job is not None
    assert done.job.n_targets == 2
    assert submitted(context) == {data_id["exposure"]: 1 for data_id in sky}
    other = submitter(context, "/data/elsewhere")
    other.offer(sky[0], is_new=False)
    done = other.submit()
    assert done is not None
    assert done.job is not None, "another folder's frames are another folder's"


def test_old_frames_are_not_submitted_again(
    context: ServiceContext, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "RECENT_S", -3600.0)
    _, frame, *_ = ingested(context, night)
    late = submitter(context)
    late.offer(frame, is_new=False)
    assert late.submit() is None
    assert (late.left_aside, submitted(context)) == (1, {})


@pytest.mark.parametrize(
    ("task", "words", "text"),
    [
        ("processCcd", ["--id", "detector=0"], "leave out --id"),
        ("processCcd", ["-d", "exposure = 1"], "leave out --id and --data-query"),
        ("processCcd", ["-c", "doBais=false"], "doBais"),
        ("makeBias", [], "does not take raw frames by --id"),
    ],
)
def test_words_for_the_task_are_checked_at_the_start(task: str, words: list[str], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        check_words(task, "demo", words)


def test_a_watcher_that_is_killed_loses_and_doubles_nothing(
    context: ServiceContext, night: Night, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    command = [str(PROGRAM), "ingest", "demo", "--watch", str(folder), "--still", "0.2", "--then", "processCcd"]
    environment = {**os.environ, **environment_of(context.settings)}
    exposures = {frame.exposure for frame in night.frames}

    def known() -> set[int]:
        with context.repositories.butler("demo") as butler:
            if not butler.query_dimension_records("instrument", explain=False, instrument="SIMCAM"):
                return set()
            found = butler.query_dimension_records("exposure", explain=False, instrument="SIMCAM")
            return {record.id for record in found}

    with SlowWriter(night.files, folder, pieces=3, pause_s=0.3):
        with subprocess.Popen([*command, *AS_IT_IS], env=environment, stderr=subprocess.PIPE) as watcher:
            eventually(lambda: len(known()) >= 2, 60, "two exposures")
            watcher.kill()
        with subprocess.Popen(
            [*command, *AS_IT_IS], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watcher:
            eventually(lambda: sum(submitted(context).values()) >= len(exposures) - 1, 60, "the last target")
            watcher.send_signal(signal.SIGINT)
            said, told = watcher.communicate(timeout=30)
    assert watcher.returncode == 0, told
    assert said.startswith("Stopped. ")
    assert known() == exposures
    assert submitted(context) == {frame.exposure: 1 for frame in night.of_kind("OBJECT")}
