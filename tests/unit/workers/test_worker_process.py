"""What a worker process has open is its own: made after the fork, never a parent's."""

from __future__ import annotations

from workers import process


def test_a_process_opens_one_context_until_it_closes() -> None:
    first = process.current()
    assert process.current() is first
    process.close()
    second = process.current()
    assert second is not first
    process.close()
