"""Entry points, without installing anything: names, doubles, and a light import."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from underbutler.errors import UnknownNameError, UsageError
from underbutler.pipe import known_tasks, load_task, plugins
from underbutler.pipe.plugins import load_subtask


def registered(monkeypatch: pytest.MonkeyPatch, **points: list[str]) -> None:
    found = [EntryPoint(name, value, "any") for name, values in points.items() for value in values]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found)


def test_a_name_of_two_packages_is_refused_and_others_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registered(monkeypatch, double=["one:Task", "other:Task"], broken=["not_a_module:Task"])
    entries = {entry.name: entry.error for entry in known_tasks()}
    assert entries["double"] is not None
    assert "one:Task" in entries["double"]
    assert "other:Task" in entries["double"]
    assert "No module named 'not_a_module'" in str(entries["broken"])
    with pytest.raises(UsageError, match="The task 'double' does not load"):
        load_task("double")


def test_an_entry_listed_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, loads=["json:loads", "json:loads"])
    import json

    assert load_subtask("loads") is json.loads
    with pytest.raises(UnknownNameError, match=r"No subtask is called 'load'\. Did you mean 'loads'"):
        load_subtask("load")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("from lsst.pipe.base import CmdLineTask", "Write `from underbutler import CmdLineTask`."),
        (
            "from lsst.pipe.base import Struct, timeMethod, CmdLineTask, TaskRunner",
            "Write `from lsst.utils.timer import timeMethod` and `from underbutler import CmdLineTask, TaskRunner`.",
        ),
        ("import lsst.daf.persistence as dafPersist", "Gen2's butler is no more"),
        ("import no_such_package.inner", "Install what its distribution needs: the package that has no_such_package."),
        ("from json import lods", "json has no such name: another version of it is installed"),
        ("class Other:\n    pass", "has no such name: correct the entry point 'mine' of its distribution."),
        ("def runDataRef(self:\n    pass", "Correct {file}, line 1."),
        ("import sys\nsys.exit('bye')", "The module ends the process when it is imported"),
        ("scale = 1 / 0", "ZeroDivisionError: division by zero. The error is raised when {module} is imported"),
    ],
)
def test_a_task_that_does_not_load_says_the_right_cure(
    source: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    module = f"broken_task_{request.node.callspec.indices['source']}"
    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    registered(monkeypatch, mine=[f"{module}:MineTask"])
    (entry,) = known_tasks()
    assert words.format(file=tmp_path / f"{module}.py", module=module) in str(entry.error)
    assert "importlib" not in str(entry.error)


def test_an_import_error_is_shown_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "the table [red] of 2019 has " + "very " * 60 + "many words"
    (tmp_path / "wordy_task.py").write_text(f"raise RuntimeError({text!r})")
    monkeypatch.syspath_prepend(tmp_path)
    registered(monkeypatch, wordy=["wordy_task:Task"])
    said = CommandLine(capsys)("tasks")
    assert said.code == 0
    assert f"wordy does not load: wordy_task:Task: RuntimeError: {text}." in said.out
    assert 'wordy_task.py", line 1, in <module>' in said.out
