"""The log of a claim keeps what its own thread said, bounded, with what a library said beside it."""

from __future__ import annotations

import logging
import threading

import pytest

from underbutler import logs
from workers.log_capture import LIMIT_CHARACTERS, captured


@pytest.fixture(autouse=True)
def _configured() -> None:
    logs.configure("INFO")


def test_ours_and_a_librarys_words_are_kept_with_what_was_bound() -> None:
    with captured() as said, logs.bound(target="t-1"):
        logs.get_logger("ours").info("target_started", claim=3)
        logging.getLogger("theirs").warning("the sky is %s", "bright")
    lines = said.text.splitlines()
    assert "target_started" in lines[0]
    assert "claim=3" in lines[0]
    assert "the sky is bright" in lines[1]
    assert all("t-1" in line for line in lines)


def test_nothing_is_kept_after_the_block_or_of_another_thread() -> None:
    with captured() as said:
        other = threading.Thread(target=logging.getLogger("other").warning, args=("from another thread",))
        other.start()
        other.join()
    logging.getLogger("late").warning("too late")
    assert said.text == ""


def test_the_oldest_lines_are_forgotten_beyond_the_limit() -> None:
    with captured() as said:
        for number in range(2000):
            logging.getLogger("chatty").info("line %d %s", number, "x" * 100)
    assert len(said.text) <= LIMIT_CHARACTERS
    assert "line 1999" in said.text
    assert "line 0 " not in said.text
