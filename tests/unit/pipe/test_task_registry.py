"""Entry points, without installing anything: names, doubles, and a light import."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

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
