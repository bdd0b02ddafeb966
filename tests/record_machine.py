"""The records against a small model: whatever order claims, give-backs, ends, expiries and cancels come in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule
from record_rows import (
    claim_of,
    let_lease_expire,
    let_send_lease_expire,
    let_wait_pass,
    new_job,
    notice_of,
    product,
)
from sqlalchemy import Engine, select

from underbutler.errors import FencedOutError
from underbutler.model.job import Phase, TargetState, may_follow, phase_when_ended
from underbutler.records import Claim, JobStore, Outcome, StandDown, tables
from underbutler.sql import read

JOBS = 5
"""Few jobs: so that events meet."""
ENDED = [state for state in TargetState if state.ended]


@dataclass
class ModelTarget:
    """What a target should be."""

    job: UUID
    state: TargetState = TargetState.QUEUED
    claim_no: int = 0
    expired: bool = False
    waiting: bool = False
    to_send: bool = True
    send_no: int = 0
    ends: Counter = field(default_factory=Counter)

    def live(self, claim: Claim) -> bool:
        """Tell whether a claim is the target's present one."""
        return claim.claim_no == self.claim_no and not self.state.ended

    def go(self, state: TargetState) -> None:
        """Change the state, if the law allows it."""
        assert may_follow(self.state, state)
        self.state = state


class RecordsMachine(RuleBasedStateMachine):
    """Rules that a worker, a submitter, a sweeper and a person may follow at any time."""

    targets = Bundle("targets")
    claims = Bundle("claims")
    engine: ClassVar[Engine]

    def __init__(self) -> None:
        super().__init__()
        self.empty()
        self.store = JobStore(self.engine)
        self.model: dict[UUID, ModelTarget] = {}
        self.phases: dict[UUID, Phase] = {}
        self.visible: set[UUID] = set()

    def empty(self) -> None:
        """Remove every row that an earlier example left."""
        raise NotImplementedError

    @precondition(lambda self: len(self.phases) < JOBS)
    @rule(target=targets, number=st.sampled_from([2, 1, 0]))
    def submit(self, number: int):
        job = self.store.create_job(new_job(number))
        self.phases[job.id] = Phase.QUEUED if number else Phase.COMPLETED
        ids = [row.id for row in self.store.targets(job.id)]
        self.model |= {one: ModelTarget(job.id) for one in ids}
        return multiple(*ids)

    @rule(confirmed=st.booleans())
    def send(self, confirmed: bool) -> None:
        taken = [one.message.envelope for one in self.store.take_unsent()]
        expected = {
            one: target.send_no + 1
            for one, target in self.model.items()
            if target.state is TargetState.QUEUED and target.to_send and not target.waiting
        }
        assert {envelope.target: envelope.send_no for envelope in taken} == expected
        for one, number in expected.items():
            self.model[one].send_no = number
            self.model[one].to_send = not confirmed
        if confirmed:
            assert self.store.mark_sent([(envelope.target, envelope.send_no) for envelope in taken]) == len(taken)
        else:
            let_send_lease_expire(self.engine)

    @rule(target=claims, one=targets)
    def claim(self, one: UUID):
        target = self.model[one]
        free = target.state is TargetState.QUEUED and not target.waiting
        lost = target.state is TargetState.RUNNING and target.expired
        try:
            claim = claim_of(self.store, one, send_no=target.send_no)
        except StandDown:
            assert not free
            assert not lost
            return multiple()
        assert free or lost
        assert claim.claim_no == target.claim_no + 1
        target.ends["expired"] += lost
        target.state = TargetState.RUNNING
        target.claim_no, target.expired, target.to_send = claim.claim_no, False, False
        if self.phases[target.job] is Phase.QUEUED:
            self.phases[target.job] = Phase.EXECUTING
        return claim

    @rule(claim=claims)
    def expire(self, claim: Claim) -> None:
        target = self.model[claim.target]
        if target.live(claim) and target.state is TargetState.RUNNING:
            let_lease_expire(self.engine, claim.target)
            target.expired = True

    @rule(target=claims, one=targets, state=st.sampled_from(ENDED))
    def overtake(self, one: UUID, state: TargetState):
        """Let a worker stop past its lease, another go on, and the first wake up."""
        stopped = self.claim(one)
        if not isinstance(stopped, Claim):
            return multiple()
        self.expire(stopped)
        other = self.claim(one)
        self.complete(stopped, state)
        return other

    @rule(one=targets)
    def wait_passes(self, one: UUID) -> None:
        if self.model[one].waiting:
            let_wait_pass(self.engine, one)
            self.model[one].waiting = False

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        target = self.model[claim.target]
        held = target.live(claim) and target.state is not TargetState.QUEUED
        assert self.store.renew(claim, 600) == held
        if held:
            target.expired = False

    @rule(claim=claims, end=st.sampled_from(["given_back", "died", "transient"]), waiting=st.booleans())
    def give_back(self, claim: Claim, end: str, waiting: bool) -> None:
        target = self.model[claim.target]
        allowed = target.live(claim) and target.state is TargetState.RUNNING
        repeated = target.live(claim) and target.state is TargetState.QUEUED
        try:
            self.store.give_back(claim, reason="test", end=end, not_before_in_s=600 if waiting else 0)
        except FencedOutError:
            assert not allowed
            return
        assert allowed or repeated
        if allowed:
            target.go(TargetState.QUEUED)
            target.waiting, target.to_send, target.expired = waiting, True, False
            target.ends[end] += 1

    @rule(claim=claims)
    def begin_delivery(self, claim: Claim) -> None:
        target = self.model[claim.target]
        allowed = target.live(claim) and target.state is TargetState.RUNNING
        repeated = target.live(claim) and target.state is TargetState.DELIVERING
        try:
            self.store.begin_delivery(claim, [])
        except FencedOutError:
            assert not allowed
            return
        assert allowed or repeated
        if allowed:
            target.go(TargetState.DELIVERING)

    @rule(claim=claims, state=st.sampled_from(ENDED))
    def complete(self, claim: Claim, state: TargetState) -> None:
        target = self.model[claim.target]
        open_ = target.live(claim) and target.state is not TargetState.QUEUED
        allowed = open_ and may_follow(target.state, state)
        made = product()
        outcome = Outcome(state=state, products=[made], notices=[notice_of(made, claim)])
        try:
            self.store.complete(claim, outcome)
        except FencedOutError:
            assert not allowed
            return
        assert allowed or (claim.claim_no == target.claim_no and target.state is state)
        if allowed:
            target.go(state)
            self.visible.add(made.dataset_id)
            target.ends["failed" if state is TargetState.HELD else state.value] += 1
            self._end_job_when_last(target.job)

    @rule(one=targets)
    def cancel(self, one: UUID) -> None:
        job = self.model[one].job
        self.store.cancel(job)
        aborted = [target for target in self.model.values() if target.job == job and not target.state.ended]
        for target in aborted:
            target.ends["aborted"] += target.state is not TargetState.QUEUED
            target.go(TargetState.ABORTED)
        if aborted:
            self.phases[job] = Phase.ABORTED

    def _end_job_when_last(self, job: UUID) -> None:
        counts = self._counts(job)
        if not sum(number for state, number in counts.items() if not state.ended):
            self.phases[job] = phase_when_ended(counts)

    def _counts(self, job: UUID) -> Counter:
        return Counter(target.state for target in self.model.values() if target.job == job)

    @invariant()
    def rows_are_as_they_should_be(self) -> None:
        with read(self.engine) as connection:
            jobs, targets, claims, products, notices = (
                connection.execute(select(*table.__table__.columns)).all()
                for table in (tables.Job, tables.Target, tables.Claim, tables.Product, tables.Notice)
            )
        for row in jobs:
            self._check_job(row)
        assert {row.id for row in targets} == self.model.keys()
        for row in targets:
            self._check_target(row, [claim for claim in claims if claim.target_id == row.id])
        assert {row.dataset_id for row in products} == self.visible
        assert {UUID(row.body["dataset"]) for row in notices} == self.visible

    def _check_job(self, row: Any) -> None:
        counts = self._counts(row.id)
        n_open = sum(number for state, number in counts.items() if not state.ended)
        assert (row.n_open, row.phase) == (n_open, self.phases[row.id])
        assert row.n_failed == counts[TargetState.FAILED] + counts[TargetState.HELD]
        assert row.n_aborted == counts[TargetState.ABORTED]
        assert (row.ended_at is None) == bool(n_open)

    def _check_target(self, row: Any, tries: list[Any]) -> None:
        target = self.model[row.id]
        assert (row.state, row.claim_no, row.send_no) == (target.state, target.claim_no, target.send_no)
        counters = (row.deaths, row.transient_retries, row.worker_deaths)
        assert counters == (target.ends["died"], target.ends["transient"], target.ends["expired"])
        assert (row.lease_until is None) == (target.state not in {TargetState.RUNNING, TargetState.DELIVERING})
        assert sorted(claim.claim_no for claim in tries) == list(range(1, target.claim_no + 1))
        assert Counter(claim.end for claim in tries if claim.end) == +target.ends
        assert sum(claim.end is None for claim in tries) == (row.lease_until is not None)
