"""``underbutler run``: how each target ended, where its files are, and every expected end in a sentence."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from tests.support.command_line import CommandLine
from tests.support.pipe_site import make_site
from underbutler.butlers import Repositories
from underbutler.pipe import plugins

SITE = "tests.support.pipe_site"
ALL = ["tiny", "--id", "instrument=CAM", "exposure=1..5", "detector=0"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repositories]:
    with make_site(tmp_path_factory.mktemp("site")) as repositories:
        yield repositories


@pytest.fixture
def underbutler(site: Repositories, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    points = [
        EntryPoint(name, f"{SITE}:{kind}", "underbutler.tasks")
        for name, kind in {"level": "LevelTask", "listless": "ListlessTask", "exposureLevel": "ExposureTask"}.items()
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == "underbutler.tasks" else [])
    monkeypatch.setenv("UNDERBUTLER_HOME", str(site.settings.home))
    monkeypatch.setenv("UNDERBUTLER_USER", "tester")
    return CommandLine(capsys)


def test_at_its_end_it_prints_targets_run_and_files(underbutler: CommandLine) -> None:
    said = underbutler("run", "level", *ALL, "-o", "u/tester/told", "-c", "fails_on=2", "empty_on=5")
    assert said.code == 1, "one target failed"
    rows = [line.split() for line in said.out.splitlines()]
    assert ["CAM", "1", "0", "done"] in [row[:4] for row in rows]
    assert ["CAM", "5", "0", "no", "work"] in [row[:5] for row in rows]
    assert any(
        row[:4] == ["CAM", "2", "0", "failed"] and "ValueError: exposure 2 is bad" in " ".join(row) for row in rows
    )
    assert ["RUN", "u/tester/told"] in rows
    (files,) = [row for row in rows if row[:2] == ["levelOf", "1"]]
    assert files[2].endswith(".yaml")
    assert "/u/tester/told/levelOf/" in files[2]


def test_the_time_limit_is_told_in_a_sentence(underbutler: CommandLine) -> None:
    said = underbutler("run", "level", *ALL, "-j", "2", "-t", "0.01", "-c", "sleep_s=60")
    assert said.code == 3, "no target ended"
    assert "3 targets did not end: raise -t SECONDS." in said.err
    assert "Traceback" not in said.err
    assert said.out.count("aborted") == 3


def test_doraise_shows_the_frames_of_the_task(underbutler: CommandLine) -> None:
    said = underbutler("run", "level", *ALL, "-c", "fails_on=1", "--doraise")
    assert said.code == 1
    assert "in runDataRef" in said.err
    assert "task_runner.py" not in said.err
    assert "of the framework folded" in said.err


def test_no_work_under_doraise_is_no_failure(underbutler: CommandLine) -> None:
    said = underbutler("run", "level", *ALL, "-c", "empty_on=1", "--doraise")
    assert (said.code, "No work: nothing there" in said.err, "Traceback" in said.err) == (0, True, False)


def test_pdb_stops_where_the_task_raised(underbutler: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("p 40 + exposure\nq\n"))
    said = underbutler("run", "level", *ALL, "-j", "2", "-c", "fails_on=2", "--pdb")
    assert said.code == 1
    assert "ValueError: exposure 2 is bad" in said.err
    assert "(Pdb) 42" in said.out


@pytest.mark.parametrize("command", ["run", "submit"])
def test_an_error_in_a_target_list_is_the_tasks(underbutler: CommandLine, command: str) -> None:
    said = underbutler(command, "listless", *ALL)
    assert said.code == 1
    assert "Error in the code of a task." in said.err
    assert "in getTargetList" in said.err
    assert said.err.rstrip().endswith("AttributeError: 'Namespace' object has no attribute 'visit'")
    assert "cli/main.py" not in said.err
