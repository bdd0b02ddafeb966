"""The log of a claim keeps what its target said, bounded; on disk too, for the case that its process dies."""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import uuid
from pathlib import Path

import pytest

from underbutler import black_box, logs
from workers.log_capture import LIMIT_CHARACTERS, ClaimLog, captured

TARGET = uuid.UUID(int=7)


@pytest.fixture(autouse=True)
def _configured() -> None:
    logs.configure("INFO")


def test_ours_and_a_librarys_words_are_kept_without_what_is_the_same_on_every_line() -> None:
    with logs.target_bound(target="t-1", attempt=2), captured() as said:
        logs.get_logger("ours").info("target_started", claim=3, words="a b", attempt=9)
        logging.getLogger("theirs").warning("the sky is %s", "bright")
        said.trace(ArithmeticError("no sky"))
    first, second, third, *rest = said.text.splitlines()
    assert first.endswith(" [info] ours: target_started claim=3 words='a b' attempt=9")
    assert second.endswith(" [warning] theirs: the sky is bright")
    assert third.endswith(" [error] underbutler: ArithmeticError: no sky")
    assert rest == []


def test_lines_of_other_threads_are_kept_as_long_as_one_target_runs_here() -> None:
    def speak() -> None:
        logging.getLogger("other").warning("from another thread")
        logging.getLogger("opentelemetry.exporter").warning("about no target")

    def spoken() -> None:
        other = threading.Thread(target=speak)
        other.start()
        other.join()

    with captured() as alone:
        spoken()
    with captured() as one, captured() as two:
        spoken()
    logging.getLogger("late").warning("too late")
    assert alone.text.endswith("from another thread")
    assert alone.text.count("\n") == 0
    assert (one.text, two.text) == ("", "")


def test_the_oldest_lines_are_forgotten_beyond_the_limit_and_that_is_said() -> None:
    with captured() as said:
        for number in range(2000):
            logging.getLogger("chatty").info("line %d %s", number, "x" * 100)
    assert len(said.text) <= LIMIT_CHARACTERS + 100
    head, first, *_ = said.text.splitlines()
    assert "line 1999" in said.text
    forgotten = int(first.partition(": line ")[2].split()[0])
    assert head == f"… {forgotten} earlier lines are left out"


def test_what_was_said_is_on_disk_while_the_claim_runs_bounded_and_gone_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = black_box.make_folder(tmp_path)
    assert folder is not None
    monkeypatch.setenv(black_box.FOLDER, str(folder))
    told_before = faulthandler.is_enabled()
    with captured() as said:
        logging.getLogger("before").info("before the claim")
        said.survive(TARGET, 3)
        logging.getLogger("after").info("password s3://ann:secret@host after it")
        assert black_box.find(tmp_path, TARGET, 3) == folder / f"{TARGET}.3.log"
        assert black_box.take(folder, TARGET, 3) == said.text
        assert "secret" not in said.text
        for number in range(3000):
            logging.getLogger("chatty").info("line %d %s", number, "ü" * 100)
        text = black_box.take(folder, TARGET, 3) or ""
        assert text.endswith("ü")
        assert f"line 2999 {'ü' * 100}" in text
        assert (folder / f"{TARGET}.3.log").stat().st_size <= black_box.LIMIT_BYTES
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            logging.getLogger("forked").info("of a process that the science forked")
            os._exit(0)
        os.waitpid(child, 0)
        assert black_box.take(folder, TARGET, 3) == text
    assert black_box.take(folder, TARGET, 3) is None
    assert faulthandler.is_enabled() == told_before
    faulthandler.enable()


def test_a_full_disk_costs_the_record_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(black_box.FOLDER, str(tmp_path / "is not there"))
    with captured() as said:
        said.survive(TARGET, 1)
        logging.getLogger("still").info("said")
    assert "said" in said.text
    assert black_box.make_folder(tmp_path / "is not there") is None


def test_folders_of_workers_that_are_gone_are_removed_and_no_others(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        made = black_box.make_folder(tmp_path)
        os.write(writing, str(made).encode())
        os._exit(0)
    os.waitpid(child, 0)
    gone = Path(os.read(reading, 1000).decode())
    assert gone.is_dir()
    mine = black_box.make_folder(tmp_path)
    other = black_box.make_folder(tmp_path)
    assert mine is not None
    assert other is not None
    assert not gone.exists()
    assert {mine, other} == set(tmp_path.iterdir())
    assert mine.stat().st_mode & 0o077 == 0


def test_a_log_handler_is_no_root_handler_after_its_block() -> None:
    with captured():
        pass
    assert not [handler for handler in logging.getLogger().handlers if isinstance(handler, ClaimLog)]
