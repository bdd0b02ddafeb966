"""The records against a small model: whatever order claims, ends, deaths, waits, losses and cancellations come in.

What each step should do is in `record_steps`, what is true of every state in `record_truths`; here is what may happen
when.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Engine

from tests.support.catalog.truths import check_runs
from tests.support.databases import empty_tables
from tests.support.records.steps import Steps
from underbutler.model.job import TargetState
from underbutler.recording import JobRecorder
from underbutler.records import Claim, JobStore

OPEN = 4
"""Few targets at a time: so that events meet."""
ENDED = [state for state in TargetState if state.ended]
WORKERS = ["w1", "w2"]

picks = st.integers(0, 23)
"""Which target or claim: mostly one that lives, sometimes one that is past."""
rarely = st.integers(0, 3).map(lambda number: number == 0)
ends = st.sampled_from(["died", "worker_died", "expired", "given_back", "aborted", "timed_out"])
backs = st.sampled_from(["given_back", "died", "transient"])


def _some_claim(machine: RecordsMachine) -> bool:
    return bool(machine.steps.every_claim)


class RecordsMachine(RuleBasedStateMachine):
    """Rules that a worker, its keeper, a submitter, a sweeper and a person may follow at any time."""

    engine: ClassVar[Engine]

    def __init__(self) -> None:
        super().__init__()
        empty_tables(self.engine)
        self.steps = Steps(self.engine, self.store())

    def store(self) -> JobStore:
        """Return the records that are tested."""
        return JobStore(self.engine, JobRecorder())

    def a_target(self, pick: int) -> UUID:
        """Pick a target; two of three times one that is open, if there is one."""
        living = [one for one, target in self.steps.model.items() if not target.state.ended]
        among = living if pick % 3 and living else self.steps.every_target
        return among[pick % len(among)]

    def a_claim(self, pick: int) -> Claim:
        """Pick a claim; two of three times one that holds, if there is one."""
        living = [claim for claim in self.steps.every_claim if self.steps.of(claim)]
        among = living if pick % 3 and living else self.steps.every_claim
        return among[pick % len(among)]

    # Submitters and senders

    @initialize()
    def begin(self) -> None:
        self.steps.submit(2)

    @precondition(lambda self: sum(not target.state.ended for target in self.steps.model.values()) < OPEN)
    @rule(number=st.sampled_from([2, 1, 0]))
    def submit(self, number: int) -> None:
        self.steps.submit(number)

    @rule(confirmed=st.booleans())
    def send(self, confirmed: bool) -> None:
        self.steps.send(confirmed=confirmed)

    @rule(pick=picks, current=st.booleans())
    def lose(self, pick: int, current: bool) -> None:
        self.steps.lose(self.a_target(pick), current=current)

    @rule(limit=st.integers(1, 3))
    def find_lost(self, limit: int) -> None:
        self.steps.find_lost(limit)

    # Children

    @rule(pick=picks, worker=st.sampled_from(WORKERS), deliver=st.booleans())
    def claim(self, pick: int, worker: str, deliver: bool) -> None:
        claim = self.steps.claim(self.a_target(pick), worker)
        if claim and deliver:
            self.steps.begin_delivery(claim)

    @precondition(_some_claim)
    @rule(pick=picks)
    def renew(self, pick: int) -> None:
        self.steps.renew(self.a_claim(pick))

    @precondition(_some_claim)
    @rule(pick=picks, end=backs, waiting=rarely)
    def give_back(self, pick: int, end: str, waiting: bool) -> None:
        self.steps.give_back(self.a_claim(pick), end, waiting=waiting)

    @precondition(_some_claim)
    @rule(pick=picks)
    def begin_delivery(self, pick: int) -> None:
        self.steps.begin_delivery(self.a_claim(pick))

    @precondition(_some_claim)
    @rule(pick=picks, state=st.sampled_from(ENDED))
    def complete(self, pick: int, state: TargetState) -> None:
        self.steps.complete(self.a_claim(pick), state)

    @rule(pick=picks, current=st.booleans(), waiting=st.booleans(), hold=rarely)
    def defer(self, pick: int, current: bool, waiting: bool, hold: bool) -> None:
        self.steps.defer(self.a_target(pick), current=current, waiting=waiting, hold=hold)

    @rule(pick=picks, end=ends, deliver=st.booleans())
    def come_to_the_same_end(self, pick: int, end: str, deliver: bool) -> None:
        """Let a target come to the same end as often as it is claimed."""
        one = self.a_target(pick)
        while claim := self.steps.claim(one, "w1"):
            if deliver:
                self.steps.begin_delivery(claim)
            self.steps.expire(claim)
            self.steps.end_for_child(claim, end, waiting=end == "given_back")

    @rule(pick=picks, state=st.sampled_from(ENDED), deliver=st.booleans())
    def overtake(self, pick: int, state: TargetState, deliver: bool) -> None:
        """Let a worker stop past its lease, be judged, another go on, and the first wake up."""
        one = self.a_target(pick)
        if stopped := self.steps.claim(one, "w1"):
            if deliver:
                self.steps.begin_delivery(stopped)
            self.steps.expire(stopped)
            self.steps.judge()
            self.steps.claim(one, "w2")
            self.steps.complete(stopped, state)
            self.steps.renew(stopped)

    # Keepers and sweepers

    @precondition(_some_claim)
    @rule(pick=picks)
    def expire(self, pick: int) -> None:
        self.steps.expire(self.a_claim(pick))

    @rule(worker=st.sampled_from(WORKERS))
    def renew_worker(self, worker: str) -> None:
        self.steps.renew_worker(worker)

    @precondition(_some_claim)
    @rule(pick=picks, end=ends, waiting=rarely)
    def end_for_child(self, pick: int, end: str, waiting: bool) -> None:
        self.steps.end_for_child(self.a_claim(pick), end, waiting=waiting)

    @rule()
    def judge(self) -> None:
        self.steps.judge()

    @rule()
    def waits_pass(self) -> None:
        for one in self.steps.model:
            self.steps.wait_passes(one)

    @rule()
    def clean_annex(self) -> None:
        self.steps.clean_annex()

    # People

    @rule(pick=picks, what=st.sampled_from(["cancel", "cancel_target", "hold", "destroy"]))
    def person(self, pick: int, what: str) -> None:
        getattr(self.steps, what)(self.a_target(pick))

    # The end

    @precondition(lambda self: len(self.steps.every_claim) > 5)
    @rule()
    def bring_to_an_end(self) -> None:
        self.steps.bring_to_an_end()

    @invariant()
    def rows_are_as_they_should_be(self) -> None:
        self.steps.truths.check(self.engine)
        check_runs(self.engine)
