"""A worker that its broker throws out waits longer each time, and begins anew when it had settled."""

from __future__ import annotations

from workers.intake.thrown_out import ThrownOut


def test_the_first_time_there_is_no_wait_and_then_it_doubles() -> None:
    thrown = ThrownOut()
    assert [thrown.wait_s(now) for now in (0, 1, 3, 6, 11, 20, 37)] == [0, 1, 2, 4, 8, 16, 30]


def test_who_stayed_for_a_minute_is_let_in_at_once_again() -> None:
    thrown = ThrownOut()
    assert [thrown.wait_s(now) for now in (0, 1, 100)] == [0, 1, 0]
