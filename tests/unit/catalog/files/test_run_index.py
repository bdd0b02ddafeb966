"""What is kept of a folder from one opening to the next: it is never more than a shorter way to the same answer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.catalog.rows import start_of, stop_of
from underbutler.catalog.files import run_index
from underbutler.catalog.files.run_index import Ended, RunIndex
from underbutler.catalog.files.run_store import RunFiles
from underbutler.catalog.run_store import RunHeader

OLD_NS = 1_700_000_000 * 10**9


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take three files for many, and files that have just been written for old."""
    monkeypatch.setattr("underbutler.catalog.files.run_store.INDEX_FROM", 3)
    monkeypatch.setattr(run_index, "_SETTLED_NS", -(10**18))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    for number in range(4):
        write(tmp_path / "runs" / f"{number}.jsonl", number, "old")
    return tmp_path / "runs"


def write(path: Path, number: int, label: str, *, ended: bool = True) -> None:
    start = start_of(f"run-{number}", time=float(number), label=label)
    documents = [("start", start), ("stop", stop_of(f"run-{number}", uid=f"stop-{number}"))][: 1 + ended]
    path.write_text("".join(json.dumps(pair) + "\n" for pair in documents))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the files that are opened, in their order."""
    opened: list[str] = []
    open_file = os.open

    def note(path: Any, *args: Any, **kwargs: Any) -> int:
        opened.append(Path(path).name)
        return open_file(path, *args, **kwargs)

    monkeypatch.setattr("underbutler.catalog.files.run_store.os.open", note)
    return opened


def all_of(folder: Path) -> list[RunHeader]:
    return list(RunFiles([str(folder)]).headers({}))


def test_a_folder_opened_before_is_opened_without_its_files(folder: Path, read: list[str]) -> None:
    first = all_of(folder)
    assert [header.uid for header in first] == ["run-3", "run-2", "run-1", "run-0"]
    index = RunIndex([str(folder)]).path
    assert index.stat().st_mode & 0o777 == 0o600
    read.clear()
    assert all_of(folder) == first
    assert not [name for name in read if name.endswith(".jsonl")]


def test_only_what_is_new_other_or_still_open_is_read_again(folder: Path, read: list[str]) -> None:
    write(folder / "4.jsonl", 4, "old", ended=False)
    all_of(folder)
    read.clear()
    write(folder / "2.jsonl", 2, "new")  # as long as before, but later
    write(folder / "4.jsonl", 4, "new")
    write(folder / "5.jsonl", 5, "new")
    (folder / "0.jsonl").unlink()
    found = {header.uid: header.start["label"] for header in all_of(folder)}
    assert found == {"run-5": "new", "run-4": "new", "run-3": "old", "run-2": "new", "run-1": "old"}
    assert sorted(name for name in read if name.endswith(".jsonl")) == ["2.jsonl", "4.jsonl", "5.jsonl"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[:-5],
        lambda content: content.replace(b"-index-", b"-other-"),
        lambda content: b"\xc1" + content,
        lambda content: content + b"\x01",
        lambda content: content + b"\x92\x01\x02",
    ],
)
def test_an_index_that_cannot_be_read_is_none(folder: Path, spoil: Callable[[bytes], bytes]) -> None:
    first = all_of(folder)
    index = RunIndex([str(folder)]).path
    index.write_bytes(spoil(index.read_bytes()))
    assert all_of(folder) == first


def test_where_no_index_can_be_kept_files_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = folder / "file"
    home.write_text("no folder")
    monkeypatch.setenv("UNDERBUTLER_HOME", str(home))
    assert len(all_of(folder)) == len(all_of(folder)) == 4


def test_what_may_change_unseen_is_not_kept_in_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_index, "_SETTLED_NS", 2 * 10**9)
    index = RunIndex(["a"])
    old = (OLD_NS, OLD_NS, 10)
    kept = {"a": Ended(old, {"uid": "ü\udcff", "n": float("inf"), "m": -0.0}, {"l": [1, 1.0, True, None]})}
    index.write(
        [
            *kept.items(),
            ("now", Ended((OLD_NS, 10**30, 10), {}, {})),
            ("large", Ended(old, {"n": 2**64}, {})),
            ("broken", Ended(old, {"n": "\ud800"}, {})),
            ("tuple", Ended(old, {"n": (1,)}, {})),
            ("b", Ended(old, {}, {})),
        ]
    )
    assert index.read() == kept | {"b": Ended(old, {}, {})}
    assert repr(index.read()["a"]) == repr(kept["a"])
    assert RunIndex(["b"]).read() == {}
    assert [path.name for path in index.path.parent.iterdir()] == [index.path.name]
