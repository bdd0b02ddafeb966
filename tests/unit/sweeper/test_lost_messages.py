"""How many messages a queue has lost: the least that was missing at every look since the first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbutler.sweeper.lost_messages import _confirmed

LOOKS = st.lists(st.tuples(st.integers(-5, 20), st.floats(0.1, 10.0)), min_size=1, max_size=20)


def looked(*looks: tuple[int, float], wait_s: float) -> list[int]:
    """Look again and again: (missing, seconds since the look before); return how many were lost by each look."""
    state: Any = None
    now, lost = 100.0, []
    for missing, seconds in looks:
        now += seconds
        state, found = _confirmed(state, missing, now, wait_s)
        lost.append(found)
    return lost


@pytest.mark.parametrize(
    ("looks", "lost"),
    [
        pytest.param([(3, 0), (3, 1)], [0, 0], id="two looks, too near"),
        pytest.param([(3, 0), (3, 5)], [0, 3], id="two looks, far enough"),
        pytest.param([(3, 0), (8, 5)], [0, 3], id="the later five may be on their way"),
        pytest.param([(8, 0), (3, 5)], [0, 3], id="five of them were"),
        pytest.param([(8, 0), (1, 1), (8, 5)], [0, 0, 1], id="the least in between"),
        pytest.param([(8, 0), (0, 1), (8, 5), (8, 5)], [0, 0, 0, 8], id="all was well in between"),
        pytest.param([(8, 0), (-2, 5)], [0, 0], id="a surplus: copies that stand down"),
        pytest.param([(8, 0), (8, 5), (8, 5), (8, 5)], [0, 8, 0, 8], id="a suspicion begins anew after each sending"),
    ],
)
def test_what_is_lost(looks: list[tuple[int, float]], lost: list[int]) -> None:
    assert looked(*looks, wait_s=3.0) == lost


@given(LOOKS)
def test_only_what_two_looks_in_a_row_missed_is_lost(looks: list[tuple[int, float]]) -> None:
    lost = looked(*looks, wait_s=3.0)
    assert lost[0] == 0
    for number, found in enumerate(lost):
        if found:
            assert 0 < found <= min(looks[number][0], looks[number - 1][0])
