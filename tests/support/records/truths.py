"""A small model of jobs and targets, and what the rows must say of it after every step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select

from underbutler.model.job import Phase, TargetState, may_follow, phase_when_ended
from underbutler.records import Claim
from underbutler.records.tables import jobs as tables
from underbutler.sql import read

OPEN_FOR_CLAIMS = (TargetState.QUEUED, TargetState.DELIVERING)


@dataclass
class ModelTarget:
    """What a target should be.

    Parameters
    ----------
    expired
        Its lease has run out and was not judged.
    waiting
        Its `not_before` has not passed.
    to_send
        Its message is not on its way.
    cancel
        Its cancellation was asked for.
    ends
        How its claims ended.
    latest_end
        How its latest claim ended.
    """

    job: UUID
    state: TargetState = TargetState.QUEUED
    claim_no: int = 0
    leased: bool = False
    worker: str = ""
    expired: bool = False
    waiting: bool = False
    to_send: bool = True
    send_no: int = 0
    cancel: bool = False
    ends: Counter[str] = field(default_factory=Counter)
    latest_end: str = ""

    @property
    def free_of_claims(self) -> bool:
        """Whether it is open and nobody holds it."""
        return self.state in OPEN_FOR_CLAIMS and not self.leased

    @property
    def free(self) -> bool:
        """Whether it may be sent and claimed."""
        return self.free_of_claims and not self.cancel

    def go(self, state: TargetState) -> None:
        """Change the state, if the law allows it."""
        assert may_follow(self.state, state), (self.state, state)
        self.state = state

    def was_ended_by(self, claim_no: int, end: str) -> bool:
        """Whether a repetition of the call that ended its latest claim is accepted."""
        return not self.leased and (claim_no, end) == (self.claim_no, self.latest_end)

    def end_claim(self, end: str) -> None:
        """End its claim."""
        self.ends[end] += 1
        self.latest_end = end
        self.leased = self.expired = False


@dataclass
class Truths:
    """What all rows should say: targets, phases, cancelled jobs, visible datasets, and keys that claims planned."""

    targets: dict[UUID, ModelTarget] = field(default_factory=dict)
    phases: dict[UUID, Phase] = field(default_factory=dict)
    cancelled: set[UUID] = field(default_factory=set)
    visible: set[UUID] = field(default_factory=set)
    uploads: dict[str, tuple[UUID, int]] = field(default_factory=dict)
    _archived: dict[UUID, Counter[TargetState]] = field(default_factory=dict)

    def of_job(self, job: UUID) -> list[ModelTarget]:
        """Return a job's targets."""
        return [target for target in self.targets.values() if target.job == job]

    def counts(self, job: UUID) -> Counter[TargetState]:
        """Count a job's targets per state; of a destroyed one as they were."""
        return self._archived.get(job) or Counter(target.state for target in self.of_job(job))

    def end_job_when_last(self, job: UUID) -> None:
        """End a job of which nothing is open any more."""
        counts = self.counts(job)
        if all(state.ended for state in counts):
            self.phases[job] = phase_when_ended(counts, cancelled=job in self.cancelled)

    def plan_upload(self, key: str, claim: Claim) -> None:
        """Remember that a claim is going to write a key of the annex."""
        self.uploads[key] = (claim.target, claim.claim_no)

    def destroy(self, job: UUID) -> None:
        """Forget what hangs on a job."""
        self._archived[job] = self.counts(job)
        self.phases[job] = Phase.ARCHIVED
        for one in [one for one, target in self.targets.items() if target.job == job]:
            del self.targets[one]

    def check(self, engine: Engine) -> None:
        """Compare every row."""
        with read(engine) as connection:
            jobs, targets, claims, products, notices = (
                connection.execute(select(*table.__table__.columns)).all()
                for table in (tables.Job, tables.Target, tables.Claim, tables.Product, tables.Notice)
            )
        assert {row.id for row in jobs} == self.phases.keys()
        for row in jobs:
            self._check_job(row)
        assert {row.id for row in targets} == self.targets.keys()
        for row in targets:
            self._check_target(row, [claim for claim in claims if claim.target_id == row.id])
        visible = {row.dataset_id for row in products}
        assert visible <= self.visible
        assert {UUID(row.body["dataset"]) for row in notices} == visible
        winners = {row.id: row.claim_no for row in targets if row.state.ended}
        assert all(winners[row.target_id] == row.claim_no for row in products), "only what the winning claim made"

    def _check_job(self, row: Any) -> None:
        counts = self.counts(row.id)
        n_open = sum(number for state, number in counts.items() if not state.ended)
        assert (row.n_open, row.phase) == (n_open, self.phases[row.id])
        assert row.n_failed == counts[TargetState.FAILED] + counts[TargetState.HELD]
        assert row.n_aborted == counts[TargetState.ABORTED]
        assert (row.ended_at is None) == bool(n_open)
        assert row.cancel_requested == (row.id in self.cancelled)

    def _check_target(self, row: Any, tries: list[Any]) -> None:
        target = self.targets[row.id]
        assert (row.state, row.claim_no, row.send_no) == (target.state, target.claim_no, target.send_no)
        assert row.cancel_requested == target.cancel
        ends = target.ends
        counters = (row.deaths, row.transient_retries, row.worker_deaths)
        assert counters == (ends["died"], ends["transient"], ends["expired"] + ends["worker_died"])
        assert (row.lease_until is not None) == target.leased
        assert (row.ended_at is not None) == target.state.ended
        if target.free:
            assert (row.sent_at is None) == target.to_send
        assert sorted(claim.claim_no for claim in tries) == list(range(1, target.claim_no + 1))
        assert Counter(claim.end for claim in tries if claim.end) == +ends
        assert sum(claim.end is None for claim in tries) == target.leased
