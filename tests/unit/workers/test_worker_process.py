"""What a worker process has open is its own: made after the fork, never a parent's."""

from __future__ import annotations

import os

from workers import process


def test_a_process_opens_one_context_and_a_new_one_after_closing() -> None:
    first = process.current()
    assert process.current() is first
    process.close()
    second = process.current()
    assert second is not first
    process.close()


def test_a_forked_child_makes_a_context_of_its_own_and_leaves_its_parents_open() -> None:
    mine = process.current()
    engine = mine.engine
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        theirs = process.current()
        os.write(writing, b"own" if theirs is not mine and "engine" not in theirs.__dict__ else b"shared")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"own"
    os.close(reading)
    os.close(writing)
    assert process.current() is mine
    assert mine.engine is engine
    process.close()
