"""Slots that have passed: each fires, or is counted as left out, once, however beats tick, stop and start again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from underbutler.records import FiringState
from underbutler.schedules.clocks import Every
from underbutler.schedules.entries import Missed
from underbutler.schedules.planning import CATCH_UP_LIMIT, Plan, plan

TEN = Every(10).after


def of(missed: Missed, now: float, next_due: float = 10, grace_s: float = 15) -> Plan:
    return plan(TEN, next_due, now, missed=missed, grace_s=grace_s)


def shown(one: Plan) -> list[tuple[float, str, int]]:
    return [(firing.due_at, firing.state.value, firing.missed) for firing in one.firings]


def test_what_is_on_time_fires_whatever_the_policy() -> None:
    for missed in Missed:
        assert shown(of(missed, 10.3)) == [(10, "waiting", 0)]
        assert of(missed, 10.3).next_due == 20


def test_nothing_is_due_before_its_time() -> None:
    assert of(Missed.CATCH_UP, 9.9) == Plan((), 10)


def test_catching_up_fires_all() -> None:
    assert shown(of(Missed.CATCH_UP, 45)) == [(due, "waiting", 0) for due in (10, 20, 30, 40)]


def test_latest_fires_the_last_and_counts_the_others() -> None:
    assert shown(of(Missed.LATEST, 45)) == [(40, "waiting", 3)]


def test_skip_fires_what_is_hardly_late_and_counts_the_others() -> None:
    assert shown(of(Missed.SKIP, 45)) == [(30, "waiting", 2), (40, "waiting", 0)]
    assert shown(of(Missed.SKIP, 45, grace_s=1)) == [(40, "skipped", 3)]


def test_a_long_absence_is_caught_up_in_portions() -> None:
    one = of(Missed.CATCH_UP, 10.0 * (CATCH_UP_LIMIT + 5))
    assert len(one.firings) == CATCH_UP_LIMIT
    assert one.next_due == 10 * (CATCH_UP_LIMIT + 1)


@given(
    st.sampled_from(Missed),
    st.integers(1, 400),
    st.lists(st.floats(0, 900), min_size=1, max_size=30),
    st.floats(1, 300),
)
def test_no_slot_is_decided_twice_or_left_undecided(
    missed: Missed, every: int, waits: list[float], grace_s: float
) -> None:
    due_after, next_due, now = Every(every).after, float(every), 0.0
    fired: list[float] = []
    left_out = 0
    for wait in waits:
        now += wait
        while True:
            one = plan(due_after, next_due, now, missed=missed, grace_s=grace_s, limit=7)
            fired += [firing.due_at for firing in one.firings if firing.state is FiringState.WAITING]
            left_out += sum(firing.missed + (firing.state is FiringState.SKIPPED) for firing in one.firings)
            assert one.next_due is not None
            next_due = one.next_due
            if next_due > now:
                break
    slots = [float(slot) for slot in range(every, int(now) + 1, every)]
    assert len(set(fired)) == len(fired)
    assert fired == sorted(fired)
    assert set(fired) <= set(slots)
    assert len(fired) + left_out == len(slots)
    if missed is Missed.CATCH_UP:
        assert fired == slots
