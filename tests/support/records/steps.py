"""Every verb of the records about jobs and targets, called together with what it should do to the model."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine

from tests.support.records.rows import (
    DIGEST,
    claim_of,
    keys,
    let_destruction_come,
    let_lease_expire,
    let_send_lease_expire,
    let_wait_pass,
    new_job,
    notice_of,
    product,
)
from tests.support.records.truths import ModelTarget, Truths
from underbutler.errors import FencedOutError, UnknownNameError
from underbutler.model.job import Phase, TargetState, may_follow
from underbutler.recording import JobRecorder
from underbutler.records import Claim, JobStore, Outcome, StandDown, Upload

BOUNDS = {"max_deaths": 2, "max_worker_deaths": 3}
"""Small, so that they are reached."""
OF_WORKERS = ("worker_died", "expired")


class Steps:
    """What submitters, senders, children, keepers, sweepers and people may do at any time, in any order.

    Parameters
    ----------
    engine
        A database without rows.
    store
        What is tested on it.
    """

    def __init__(self, engine: Engine, store: JobStore) -> None:
        self.engine = engine
        self.store = store
        self.truths = Truths()
        self.model = self.truths.targets
        self.every_target: list[UUID] = []
        self.every_claim: list[Claim] = []

    def of(self, claim: Claim) -> ModelTarget | None:
        """Return the target that a claim holds."""
        target = self.model.get(claim.target)
        return target if target and target.leased and target.claim_no == claim.claim_no else None

    # Submitters and senders

    def submit(self, number: int) -> None:
        """Record a job of some targets."""
        job = self.store.submissions.create_job(new_job(number))
        self.truths.phases[job.id] = Phase.QUEUED if number else Phase.COMPLETED
        ids = [row.id for row in JobStore(self.engine, JobRecorder()).read.targets(job.id)]
        self.model |= {one: ModelTarget(job.id) for one in ids}
        self.every_target += ids

    def send(self, *, confirmed: bool) -> None:
        """Take all messages, and have them confirmed or die before."""
        waiting = {one for one, target in self.model.items() if target.free and target.to_send and not target.waiting}
        taken = keys(self.store.outbox.take())
        assert {one for one, _ in taken} == waiting
        for one, number in taken:
            assert number > self.model[one].send_no
            self.model[one].send_no = number
            self.model[one].to_send = not confirmed
        if confirmed:
            self.store.outbox.mark_sent(taken)
        else:
            let_send_lease_expire(self.engine)

    def lose(self, one: UUID, *, current: bool) -> None:
        """Let a child die with a message before it claims."""
        target = self.model.get(one)
        number = target.send_no - (not current) if target else 1
        known = target is not None and target.free and current
        assert self.store.outbox.lost(one, number) == known
        if known:
            target.to_send = True

    def find_lost(self, limit: int) -> None:
        """Let a sweeper see that the broker has lost messages."""
        sent = {one: target for one, target in self.model.items() if target.free and not target.to_send}
        assert self.store.outbox.count_sent("reduce") == len(sent)
        assert self.store.outbox.queues() == (["reduce"] if sent else [])
        oldest = self.store.outbox.oldest_sent("reduce", limit)
        assert len(oldest) == min(limit, len(sent))
        self.store.outbox.forget_sent(oldest)
        for one, number in oldest:
            assert number == sent[one].send_no
            sent[one].to_send = True

    # Children

    def claim(self, one: UUID, worker: str) -> Claim | None:
        """Claim a target, if it is to be had."""
        target = self.model.get(one)
        claimable = target is not None and target.free and not target.waiting
        try:
            claim = claim_of(self.store, one, send_no=target.send_no if target else 1, worker=worker)
        except StandDown:
            assert not claimable
            return None
        assert claimable
        assert claim.claim_no == target.claim_no + 1
        assert claim.delivering == (target.state is TargetState.DELIVERING)
        if not claim.delivering:
            target.go(TargetState.RUNNING)
        target.claim_no, target.leased, target.worker = claim.claim_no, True, worker
        target.to_send = target.expired = False
        if self.truths.phases[target.job] is Phase.QUEUED:
            self.truths.phases[target.job] = Phase.EXECUTING
        self.every_claim.append(claim)
        if claim.delivering:
            self.store.uploads.add(claim, [upload_of(claim)])
            self.truths.plan_upload(upload_of(claim).key, claim)
        return claim

    def renew(self, claim: Claim) -> None:
        """Prolong a lease."""
        target = self.of(claim)
        assert self.store.claims.renew(claim, 600) == (target is not None)
        if target:
            target.expired = False

    def give_back(self, claim: Claim, end: str, *, waiting: bool) -> None:
        """Let a child end its claim early."""
        target, now = self.of(claim), self.model.get(claim.target)
        repeated = now is not None and now.was_ended_by(claim.claim_no, end)
        try:
            state = self.store.claims.give_back(claim, reason="test", end=end, not_before_in_s=600 if waiting else 0)
        except FencedOutError:
            assert target is None
            assert not repeated
            return
        assert target or repeated
        if target:
            self._end(target, end, waiting, max_deaths=10**6)
        assert state is now.state

    def begin_delivery(self, claim: Claim) -> None:
        """Begin to deliver."""
        target = self.of(claim)
        try:
            self.store.claims.begin_delivery(claim, [], uploads=[upload_of(claim)])
        except FencedOutError:
            assert target is None
            return
        assert target
        if target.state is TargetState.RUNNING:
            target.go(TargetState.DELIVERING)
            self.truths.plan_upload(upload_of(claim).key, claim)

    def complete(self, claim: Claim, state: TargetState) -> None:
        """Bring a target to its end."""
        target, now = self.of(claim), self.model.get(claim.target)
        allowed = target is not None and may_follow(target.state, state)
        claim_end = "failed" if state is TargetState.HELD else state.value
        upload = upload_of(claim)
        made = product(url=f"s3://{upload.bucket}/{upload.key}")
        outcome = Outcome(state=state, products=[made], notices=[notice_of(made, claim)])
        try:
            self.store.claims.complete(claim, outcome)
        except FencedOutError:
            assert not allowed
            return
        assert allowed or (now.state is state and now.was_ended_by(claim.claim_no, claim_end))
        if allowed:
            target.end_claim(claim_end)
            target.go(state)
            self.truths.visible.add(made.dataset_id)
            self.truths.uploads.pop(upload.key, None)
            self.truths.end_job_when_last(target.job)

    # Keepers and sweepers

    def expire(self, claim: Claim) -> None:
        """Let the lease of a claim run out."""
        if target := self.of(claim):
            let_lease_expire(self.engine, claim.target)
            target.expired = True

    def renew_worker(self, worker: str) -> None:
        """Renew what a worker holds."""
        mine = {one: t for one, t in self.model.items() if t.leased and t.worker == worker}
        seen = self.store.leases.of_worker(worker)
        renewed = self.store.leases.renew_worker(worker, None, 600)
        for held in (seen, renewed):
            assert {one.target: (one.claim_no, one.cancel_requested) for one in held} == {
                one: (target.claim_no, target.cancel) for one, target in mine.items()
            }
        for target in mine.values():
            target.expired = False

    def end_for_child(self, claim: Claim, end: str, *, waiting: bool) -> None:
        """End a claim for its child; `expired` only when its lease has run out."""
        target, now = self.of(claim), self.model.get(claim.target)
        delay = 600 if waiting else 0
        state = self.store.leases.end_claim(
            claim.target, claim.claim_no, end=end, reason="test", delay_s=delay, **BOUNDS
        )
        if target and (end != "expired" or target.expired):
            self._end(target, end, waiting)
            assert state is target.state
        elif now and now.was_ended_by(claim.claim_no, end):
            assert state is now.state
        else:
            assert state is None

    def judge(self) -> None:
        """Let a sweeper judge every lease that has run out."""
        expired = self.store.leases.expired()
        assert {held.target for held in expired} == {one for one, target in self.model.items() if target.expired}
        for held in expired:
            state = self.store.leases.end_claim(held.target, held.claim_no, end="expired", reason="test", **BOUNDS)
            self._end(self.model[held.target], "expired", waiting=False)
            assert state is self.model[held.target].state

    def _end(self, target: ModelTarget, end: str, waiting: bool, max_deaths: int = BOUNDS["max_deaths"]) -> None:
        target.end_claim(end)
        died_too_often = end == "died" and target.ends["died"] >= max_deaths
        lost_too_often = (
            end in OF_WORKERS and sum(target.ends[one] for one in OF_WORKERS) >= BOUNDS["max_worker_deaths"]
        )
        if end == "aborted" or target.cancel:
            target.go(TargetState.ABORTED)
        elif end == "timed_out":
            target.go(TargetState.FAILED)
        elif died_too_often or lost_too_often:
            target.go(TargetState.HELD)
        else:
            target.waiting, target.to_send = waiting, True
            if target.state is TargetState.RUNNING:
                target.go(TargetState.QUEUED)
        self.truths.end_job_when_last(target.job)

    def wait_passes(self, one: UUID) -> None:
        """Let a target wait no more."""
        if one in self.model and self.model[one].waiting:
            let_wait_pass(self.engine, one)
            self.model[one].waiting = False

    def defer(self, one: UUID, *, current: bool, waiting: bool, hold: bool) -> None:
        """Let a message wait, or be held, because it cannot be run where it came to."""
        target = self.model.get(one)
        number = target.send_no - (not current) if target else 1
        times = {"delay_s": 600 if waiting else 0, "hold_after_s": 0 if hold else None}
        try:
            state = self.store.waiting.defer(one, DIGEST, number, reason="no task", **times)
        except StandDown:
            assert target is None
            return
        if target.free and current:
            if hold:
                self._leave(target, TargetState.HELD)
            else:
                target.waiting, target.to_send = waiting, True
        assert state is target.state

    def clean_annex(self) -> None:
        """Remove what is not visible and what no living claim may write, and nothing else."""
        dead = {
            key
            for key, (one, number) in self.truths.uploads.items()
            if (target := self.model.get(one)) is None or not target.leased or target.claim_no != number
        }
        rows = self.store.uploads.to_clean()
        assert {row.key for row in rows} == dead
        self.store.uploads.mark_cleaned(rows)
        self.store.uploads.forget(rows)
        for key in dead:
            del self.truths.uploads[key]

    # People

    def hold(self, one: UUID) -> None:
        """Hold a target."""
        if target := self.model.get(one):
            state = self.store.waiting.hold(one, "test")
            if target.free:
                self._leave(target, TargetState.HELD)
            assert state is target.state

    def cancel(self, one: UUID) -> None:
        """Cancel the job of a target."""
        if target := self.model.get(one):
            self.store.cancellation.cancel(target.job)
            self._cancel_job(target.job)

    def cancel_target(self, one: UUID) -> None:
        """Cancel a target alone."""
        try:
            state = self.store.cancellation.cancel_target(one)
        except UnknownNameError:
            assert one not in self.model
            return
        self._cancel(self.model[one])
        assert state is self.model[one].state

    def destroy(self, one: UUID) -> None:
        """Let a job's time come: what is open is cancelled, what has ended is removed."""
        if one not in self.model:
            return
        job = self.model[one].job
        ended = self.truths.phases[job].ended
        records = JobStore(self.engine, JobRecorder())
        records.outbox.mark_notices_sent([notice.id for notice in records.read.notices(job)])
        let_destruction_come(self.engine, job)
        assert self.store.lifetimes.destroy_due() == ([job] if ended else [])
        let_destruction_come(self.engine, None)
        if ended:
            self.truths.destroy(job)
        else:
            self._cancel_job(job)

    def _cancel_job(self, job: UUID) -> None:
        if not self.truths.phases[job].ended:
            self.truths.cancelled.add(job)
            for target in self.truths.of_job(job):
                self._cancel(target)

    def _cancel(self, target: ModelTarget) -> None:
        if not target.state.ended:
            free, target.cancel = target.free_of_claims, True
            if free:
                self._leave(target, TargetState.ABORTED)

    def _leave(self, target: ModelTarget, state: TargetState) -> None:
        target.go(state)
        self.truths.end_job_when_last(target.job)

    # The end

    def bring_to_an_end(self) -> None:
        """Whatever has happened: the sweeper's verbs and one good worker bring every target to an end."""
        for one, target in self.model.items():
            self.wait_passes(one)
            if target.leased:
                let_lease_expire(self.engine, one)
                target.expired = True
        self.judge()
        for one, target in self.model.items():
            if not target.state.ended:
                claim = self.claim(one, "w1")
                assert claim
                self.complete(claim, TargetState.DONE)
        assert all(target.state.ended for target in self.model.values())
        assert all(phase.ended for phase in self.truths.phases.values())
        assert self.store.lifetimes.close_jobs() == []


def upload_of(claim: Claim) -> Upload:
    """Return the key that a claim delivers to."""
    return Upload(bucket="b", key=f"{claim.target}.{claim.claim_no}")
