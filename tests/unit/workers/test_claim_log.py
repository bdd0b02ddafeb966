"""The log of a claim keeps what its target said, bounded; on disk too, for the case that its process dies."""

from __future__ import annotations

import logging
import threading
import uuid
from pathlib import Path

import pytest

from underbutler.telemetry import claim_log_file as black_box
from underbutler.telemetry import logs
from workers.target.log_capture import LIMIT_CHARACTERS, ClaimLog, captured

TARGET = uuid.UUID(int=7)


@pytest.fixture(autouse=True)
def _configured() -> None:
    logs.configure("INFO")


def test_our_and_a_librarys_words_are_kept_without_the_repeated() -> None:
    with logs.target_bound(target="t-1", attempt=2), captured() as said:
        logs.get_logger("ours").info("target_started", claim=3, words="a b", attempt=9)
        logging.getLogger("theirs").warning("the sky is %s", "bright")
        said.trace(ArithmeticError("no sky"))
    first, second, third, *rest = said.text.splitlines()
    assert first.endswith(" [info] ours: target_started claim=3 words='a b' attempt=9")
    assert second.endswith(" [warning] theirs: the sky is bright")
    assert third.endswith(" [error] underbutler: ArithmeticError: no sky")
    assert rest == []


def test_other_threads_lines_are_kept_while_one_target_runs() -> None:
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


def test_the_oldest_lines_beyond_the_limit_go_and_that_is_said() -> None:
    with captured() as said:
        for number in range(2000):
            logging.getLogger("chatty").info("line %d %s", number, "x" * 100)
    assert len(said.text) <= LIMIT_CHARACTERS + 100
    head, first, *_ = said.text.splitlines()
    assert "line 1999" in said.text
    forgotten = int(first.partition(": line ")[2].split()[0])
    assert head == f"… {forgotten} earlier lines are left out"


def test_a_full_disk_costs_the_record_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(black_box.FOLDER, str(tmp_path / "is not there"))
    with captured() as said:
        said.survive(TARGET, 1)
        logging.getLogger("still").info("said")
    assert "said" in said.text
    assert black_box.make_folder(tmp_path / "is not there") is None


def test_a_log_handler_is_no_root_handler_after_its_block() -> None:
    with captured():
        pass
    assert not [handler for handler in logging.getLogger().handlers if isinstance(handler, ClaimLog)]
