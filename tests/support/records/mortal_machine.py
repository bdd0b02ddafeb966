"""The machine of the records, called by processes that die between any two statements."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.support.records.deaths import MortalStore
from tests.support.records.machine import RecordsMachine
from underbutler.recording import JobRecorder
from underbutler.records import JobStore

plans = st.tuples(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 8]), st.booleans())


class MortalMachine(RecordsMachine):
    """At any time the next calls may die, each at one of its statements or commits, and are repeated."""

    def store(self) -> JobStore:
        self.mortal = MortalStore(JobStore(self.engine, JobRecorder()), self.engine)
        return self.mortal  # type: ignore[return-value]

    @rule(some=st.lists(plans, min_size=1, max_size=8))
    def die_soon(self, some: list[tuple[int, bool]]) -> None:
        self.mortal.plans = some
