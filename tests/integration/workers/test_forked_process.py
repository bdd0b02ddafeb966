"""What a forked process has open is its own: made after the fork, never its parent's."""

from __future__ import annotations

import os

from workers import process


def test_a_forked_child_makes_a_context_of_its_own() -> None:
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
