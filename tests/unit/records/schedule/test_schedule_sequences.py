"""Whatever beats, people and files do: every slot of a schedule is decided once, or lies where it was not to fire."""

from __future__ import annotations

import itertools
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from underbutler.records import FiringState, JobStore
from underbutler.schedules.clocks import clock_of
from underbutler.schedules.files import parse_schedules
from underbutler.schedules.firing import bring, definition_of, fire_due

NUMBERS = itertools.count()
NOW = 1_800_000_000.0
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.floats(0, 400)),
        st.tuples(st.just("both beats"), st.floats(0, 90)),
        st.tuples(st.just("pause"), st.floats(0, 60)),
        st.tuples(st.just("resume"), st.floats(0, 60)),
        st.tuples(st.just("same file"), st.floats(0, 60)),
        st.tuples(st.just("other config"), st.floats(0, 60)),
    ),
    min_size=3,
    max_size=25,
)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.sampled_from(["catch_up", "latest", "skip"]), st.integers(7, 120))
def test_every_slot_is_decided_once(store: JobStore, steps: list[tuple[str, float]], missed: str, every: int) -> None:
    name, config = f"s{next(NUMBERS)}", itertools.count()

    def load(number: int) -> None:
        text = f'[[schedule]]\nname = "{name}"\ntask = "t"\nrepo = "r"\nwhen.every = {every}\nmissed = "{missed}"\n'
        text += f"config.number = {number}\ngrace = 30\n"
        bring(store, parse_schedules(text, Path("s.toml")), who="ann", now=now)

    now, number = NOW, next(config)
    load(number)
    due_after = clock_of(definition_of(store.schedules.entry(name))).due_after
    to_decide: set[float] = set()  # slots that a tick has passed while the entry was not paused
    next_slot, paused = due_after(now), False
    for step, seconds in steps:
        now += seconds
        row = store.schedules.entry(name)
        if step in ("tick", "both beats"):
            for beat in ("a", "b") if step == "both beats" else ("a",):
                while fire_due(store, now, fired_by=beat):
                    pass
            while not paused and next_slot is not None and next_slot <= now:
                to_decide.add(next_slot)
                next_slot = due_after(next_slot)
        elif step == "pause":
            store.schedules.pause(row.id, who="ann")
            paused = True
        elif step == "resume":
            if store.schedules.resume(row.id, next_due=due_after(now), since=now, who="ann"):
                next_slot, paused = due_after(now), False
        else:
            number = next(config) if step == "other config" else number
            load(number)
    rows = store.firings.latest(store.schedules.entry(name).id, limit=100_000)
    dues = [row.due_at for row in rows]
    fired = {row.due_at for row in rows if row.state is FiringState.WAITING}
    assert len(set(dues)) == len(dues)
    assert set(dues) <= to_decide
    assert len(dues) + sum(row.missed for row in rows) == len(to_decide)
    if missed == "catch_up":
        assert fired == to_decide
