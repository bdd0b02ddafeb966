"""The one face of the records: what submitters, workers, the sweeper and readers call."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, select

from underbutler.errors import UnknownNameError
from underbutler.model.job import TargetState
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.sql import read

from . import cancelling, claims, completion, ending, intents, outbox, reading, submission
from .breakers import Breakers
from .deliveries import Deliveries
from .ending import GiveBackEnd
from .keeping import Keeping
from .measures import Measuring
from .overview import Overviews
from .quarantine import Quarantine
from .recorder import Recorder, recorded_by
from .rows import ClaimRow, JobRow, ProductRow, TargetRow
from .schedules import Schedules
from .sweeping import Sweeping
from .tables import Job
from .tokens import Tokens
from .uploads import Uploads
from .values import Claim, Intent, NewJob, Outcome, Outgoing, Product, Upload
from .waiting import Waiting
from .workers import Workers

__all__ = ["JobStore"]


class JobStore(
    Keeping,
    Waiting,
    Sweeping,
    Uploads,
    Workers,
    Breakers,
    Quarantine,
    Tokens,
    Deliveries,
    Overviews,
    Measuring,
    Schedules,
):
    """Jobs, targets, claims, intents, products and notices in one SQL database, and the service around them.

    Every change of a target is guarded by its claim number and its state. Times are the database's clock. The store
    holds nothing but the engine: make it after a fork, share it between threads. Everything here raises
    `RecordsUnavailableError` when the database is away.

    Parameters
    ----------
    engine
        What `underbutler.sql.open_engine` returned, for a database that `underbutler.migrations.upgrade` prepared.
    recorder
        Who writes what becomes of jobs into the catalogue, in the same transactions; nobody, if it is None.
    """

    def __init__(self, engine: Engine, recorder: Recorder | None = None) -> None:
        super().__init__(recorded_by(engine, recorder))

    def ping(self) -> None:
        """Ask whether the records are there and have their tables.

        Raises
        ------
        RecordsUnavailableError
            If not.
        """
        with read(self._engine) as connection:
            connection.execute(select(Job.id).limit(1))

    # Submission

    def create_job(self, new: NewJob) -> JobRow:
        """Record a job and its targets in one transaction, phase QUEUED; without targets it is COMPLETED at once.

        Raises
        ------
        ConflictError
            If the job or a target is recorded already, or `parent_id` is not, or a sweeper has given the submission
            up; then nothing is written.
        """
        submission.create_job(self._engine, new)
        return self.job(new.id)

    def cancel(self, job: uuid.UUID | str) -> list[str]:
        """Abort what is open of a job: what nobody holds at once, what is held when its claim ends.

        What has ended stays, and so does what completes before its claim is cut. The phase is ABORTED with the last
        target, if any was aborted.

        Returns
        -------
        task_ids
            Celery task ids of targets that were aborted at once and whose message was sent, or was being sent.

        Raises
        ------
        UnknownNameError
            If there is no such job.
        """
        return cancelling.cancel(self._engine, self.job(job).id)

    def cancel_target(self, target: uuid.UUID) -> TargetState:
        """Abort one target, as `cancel` does a job's; return its state: one that is held is aborted later.

        Raises
        ------
        UnknownNameError
            If there is no such target.
        """
        return cancelling.cancel_target(self._engine, target)

    # The outbox

    def take_unsent(
        self, *, job: uuid.UUID | None = None, limit: int = 500, older_than_s: float = 0.0, lease_s: float = 30.0
    ) -> list[Outgoing]:
        """Take messages that are to be sent, oldest first. Each gets a new number of sending.

        They are of queued targets, and of deliveries that nobody holds.

        Parameters
        ----------
        job
            Only of this job.
        limit
            How many at most.
        older_than_s
            Leave targets that were never sent and are younger than this to their submitter, in seconds.
        lease_s
            For how long nobody else takes them, in seconds.
        """
        return outbox.take_unsent(self._engine, job=job, limit=limit, older_than_s=older_than_s, lease_s=lease_s)

    def mark_sent(self, sent: Iterable[tuple[uuid.UUID, int]]) -> int:
        """Mark messages that the broker confirmed, by target and number of sending.

        Returns
        -------
        marked
            How many; one that was claimed or taken again in the meantime needs no mark.
        """
        return outbox.mark_sent(self._engine, sent)

    def take_unsent_notices(
        self, *, limit: int = 500, older_than_s: float = 0.0, lease_s: float = 30.0
    ) -> list[LargeFileObjectAvailable]:
        """Take notices that are to be sent, oldest first; parameters as of `take_unsent`."""
        return outbox.take_unsent_notices(self._engine, limit=limit, older_than_s=older_than_s, lease_s=lease_s)

    def mark_notices_sent(self, ids: Iterable[str]) -> int:
        """Mark notices that the broker confirmed, and return how many were not marked before."""
        return outbox.mark_notices_sent(self._engine, ids)

    # Claims

    def claim(
        self,
        *,
        target: uuid.UUID,
        digest: str,
        send_no: int,
        worker: str,
        pid: int,
        lease_s: float,
        pid_started: float | None = None,
    ) -> Claim:
        """Claim a queued target, or a delivery that nobody holds, for one try. What runs is never taken over.

        Parameters
        ----------
        target, digest, send_no
            As in the message's header.
        worker, pid, pid_started
            Who claims, and when that process began, seconds since 1970 UTC.
        lease_s
            The claim is judged dead after so long unless it is renewed, in seconds.

        Raises
        ------
        StandDown
            If the message is not to be run: unknown, old digest, cancelled, ended, live elsewhere, or to wait (also
            for a repository whose breaker is open).
        """
        return claims.claim(
            self._engine,
            target=target,
            digest=digest,
            send_no=send_no,
            worker=worker,
            pid=pid,
            lease_s=lease_s,
            pid_started=pid_started,
        )

    def renew(self, claim: Claim, lease_s: float) -> bool:
        """Let the lease end `lease_s` seconds from now; False when the claim no longer holds."""
        return claims.renew(self._engine, claim, lease_s)

    def begin_delivery(
        self,
        claim: Claim,
        products: Sequence[Product],
        *,
        scalars: Mapping[str, Any] | None = None,
        seconds: float | None = None,
        uploads: Sequence[Upload] = (),
    ) -> None:
        """Go from running to delivering: the science is done and in the Butler, the large products are on their way.

        Parameters
        ----------
        claim
            Whose.
        products
            Everything that it made.
        scalars, seconds
            What the science measured, and how long it took; kept for whichever claim completes the target.
        uploads
            Keys of the annex that are going to be written.

        Raises
        ------
        FencedOutError
            If the claim no longer holds.
        ConflictError
            If a product is recorded as another target's.
        """
        claims.begin_delivery(self._engine, claim, products, scalars=scalars, seconds=seconds, uploads=uploads)

    def complete(self, claim: Claim, outcome: Outcome) -> None:
        """Bring a target to its end, in one transaction: state, claim, products, notices, and with the last the job.

        A repetition after a lost answer is accepted.

        Raises
        ------
        FencedOutError
            If the claim no longer holds, or the state may not follow; then nothing changes.
        ConflictError
            If a product is recorded as another target's; then nothing changes.
        UsageError
            If the outcome's state is no last state.
        """
        completion.complete(self._engine, claim, outcome)

    def give_back(
        self,
        claim: Claim,
        *,
        reason: str,
        not_before_in_s: float = 0.0,
        end: GiveBackEnd = "given_back",
        log: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> TargetState:
        """Let a child end its own claim early: the message is to be sent anew.

        A running target is queued again, a delivery is resumed by another claim. If its cancellation was asked for, it
        is aborted.

        Parameters
        ----------
        claim
            The claim that ends.
        reason
            Why, for people.
        not_before_in_s
            Nobody may claim it before, seconds from now.
        end
            ``died`` raises `deaths`, ``transient`` raises `transient_retries`, ``given_back`` raises neither.
        log, metadata
            What the claim said; kept with the claim.

        Returns
        -------
        state
            What the target is now. A repetition after a lost answer is accepted.

        Raises
        ------
        FencedOutError
            If the claim no longer holds.
        """
        return ending.give_back(
            self._engine, claim, reason=reason, not_before_in_s=not_before_in_s, end=end, log=log, metadata=metadata
        )

    # Datasets

    def intend(self, claim: Claim, datasets: Sequence[Intent]) -> None:
        """Record what a claim is going to write; what earlier claims of the same target recorded is taken over.

        Raises
        ------
        ConflictError
            If another target owns one of the datasets, naming its job; then nothing is written.
        FencedOutError
            If the claim no longer holds.
        """
        intents.intend(self._engine, claim, datasets)

    def intents_of_dead_claims(self, claim: Claim) -> list[Intent]:
        """Return what earlier claims of the same target meant to write and this one has not taken over."""
        return intents.intents_of_dead_claims(self._engine, claim)

    def forget_intents(self, dataset_ids: Iterable[uuid.UUID]) -> None:
        """Remove the intents of datasets that were pruned."""
        intents.forget_intents(self._engine, dataset_ids)

    def decide_large(self, job: uuid.UUID, dataset_type: str, size: int, threshold: int) -> bool:
        """Tell whether a job's datasets of one type go to the annex: decided by the first that is seen.

        Parameters
        ----------
        job, dataset_type
            Of which.
        size, threshold
            Size of the dataset at hand, and from which size on it is large, in bytes.
        """
        return intents.decide_large(self._engine, job, dataset_type, size, threshold)

    # Reading

    def job(self, name: uuid.UUID | str) -> JobRow:
        """Return a job by its id, or by the first characters of it.

        Raises
        ------
        UnknownNameError
            If there is none.
        UsageError
            If there are several, naming them.
        """
        return reading.find_job(self._engine, name)

    def job_if_any(self, job: uuid.UUID) -> JobRow | None:
        """Return a job by its id; None if there is none."""
        try:
            return self.job(job)
        except UnknownNameError:
            return None

    def jobs(self, limit: int | None = 20) -> list[JobRow]:
        """Return jobs, newest first."""
        return reading.jobs(self._engine, limit)

    def counts(self, job: uuid.UUID) -> dict[TargetState, int]:
        """Return the number of a job's targets in every state, without loading them."""
        return reading.counts(self._engine, job)

    def counts_of_jobs(self, jobs: Iterable[uuid.UUID]) -> dict[uuid.UUID, dict[TargetState, int]]:
        """Return `counts` of several jobs at once."""
        return reading.counts_of_jobs(self._engine, jobs)

    def targets(
        self, job: uuid.UUID, states: Collection[TargetState] | None = None, limit: int | None = None
    ) -> list[TargetRow]:
        """Return a job's targets in their order, all or those in some states."""
        return reading.targets(self._engine, job, states=states, limit=limit)

    def target(self, target: uuid.UUID) -> TargetRow:
        """Return one target.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        return reading.target(self._engine, target)

    def claims(self, of: uuid.UUID) -> list[ClaimRow]:
        """Return the claims of a target, or of all targets of a job, in order."""
        return reading.claims(self._engine, of)

    def products(self, job: uuid.UUID) -> list[ProductRow]:
        """Return what a job's targets made."""
        return reading.products(self._engine, job)

    def products_of(self, target: uuid.UUID) -> list[ProductRow]:
        """Return what a target made."""
        return reading.products_of(self._engine, target)

    def notices(self, job: uuid.UUID) -> list[LargeFileObjectAvailable]:
        """Return what a job's targets announced, in order."""
        return reading.notices(self._engine, job)
