"""Entry points, without installing anything: names, doubles, and a light import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from underbutler.errors import UnknownNameError, UsageError
from underbutler.pipe import known_tasks, load_task, registry
from underbutler.pipe.registry import load_subtask


def registered(monkeypatch: pytest.MonkeyPatch, **points: list[str]) -> None:
    found = [EntryPoint(name, value, "any") for name, values in points.items() for value in values]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)


def test_a_name_that_two_packages_register_is_refused_and_keeps_nobody_else_from_working(
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


def test_importing_the_room_imports_neither_butler_nor_tasks() -> None:
    heavy = ("lsst.daf.butler", "lsst.pipe.base", "astropy", "tasks")
    code = (
        "import sys, underbutler.pipe as pipe\n"
        "pipe.task_names()\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
