"""Why a target is where it is: one chain of reasons, in words, from what is recorded."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from underbutler.errors import UnderbutlerError
from underbutler.model.fingerprint import fingerprint_of
from underbutler.model.identity import short_id
from underbutler.model.job import TargetState
from underbutler.telemetry.tracebacks import own_line
from underbutler.wording import counted, span_text, when_text

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import ClaimRow, JobRow, JobStore, Overview, TargetRow, WorkerRow
    from underbutler.settings import Settings

__all__ = ["Explanation", "Reason", "explain", "lacking", "one_of_each"]

KINDS: Final = 10
"""So many kinds of targets are explained, by one of each."""
LATE_SEND_S: Final = 60.0
"""A message that is due for longer should have been sent, in seconds."""
_BAD_ENDS: Final = {
    "died": "its process died",
    "worker_died": "its whole worker died",
    "expired": "nobody renewed its lease",
    "timed_out": "it ran longer than its limit",
    "transient": "a service was away",
    "given_back": "its worker was stopped",
    "fenced_out": "another claim had overtaken it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One link of the chain.

    Parameters
    ----------
    kind
        ``state``, ``waits``, ``unsent``, ``queue``, ``workers``, ``breaker``, ``claim``, ``attempt``, ``exception``,
        ``lacks``, ``again`` or ``cancelled``: for programs.
    text
        The reason, in a sentence.
    cure
        What to do about it; empty if nothing is to be done.
    """

    kind: str
    text: str
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a target is where it is.

    Parameters
    ----------
    job, target, ordinal
        Which.
    data
        Its data ID in words.
    state
        Its state.
    alike
        How many others of the job are there for the same reason.
    reasons
        From where it is to what lies behind that.
    """

    job: uuid.UUID
    target: uuid.UUID
    ordinal: int
    data: str
    state: TargetState
    alike: int
    reasons: tuple[Reason, ...]


def explain(jobs: JobStore, settings: Settings, target: TargetRow, *, alike: int = 0) -> Explanation:
    """Return why a target is where it is, by what the records say.

    Parameters
    ----------
    jobs
        The records.
    settings
        Length of a lease, number of tries.
    target
        Which.
    alike
        How many others are there for the same reason.

    Raises
    ------
    RecordsUnavailableError
        If the records do not answer.
    """
    facts = _Facts(jobs, settings, target)
    return Explanation(
        job=target.job_id,
        target=target.id,
        ordinal=target.ordinal,
        data=target.argsrepr,
        state=target.state,
        alike=alike,
        reasons=tuple(facts.reasons()),
    )


def one_of_each(targets: Sequence[TargetRow]) -> list[tuple[TargetRow, int]]:
    """Return one target for each state and reason, those that are not done first, and how many others are like it."""
    kinds: dict[tuple[object, ...], list[TargetRow]] = {}
    for target in targets:
        reason = fingerprint_of(target.error_type or "", target.error_text or target.waiting_reason or "")
        waits = target.not_before is not None
        kinds.setdefault((target.state, target.queue, target.sent_at is None, waits, reason), []).append(target)
    order = [TargetState.FAILED, TargetState.HELD, TargetState.RUNNING, TargetState.DELIVERING, TargetState.QUEUED]
    rank = {state: place for place, state in enumerate(order)}
    groups = sorted(kinds.values(), key=lambda members: rank.get(members[0].state, len(order)))
    return [(members[0], len(members) - 1) for members in groups[:KINDS]]


def lacking(context: ServiceContext, job: JobRow, target: TargetRow) -> tuple[Reason, ...]:
    """Look into the repository what a target lacks now, as a submission of it would; nothing is written.

    Parameters
    ----------
    context
        Records and butlers.
    job, target
        Which.
    """
    from underbutler.submission.preparing import look_before
    from underbutler.sweeper.resubmission import prepare_again

    try:
        with prepare_again(context, job, [target]) as prepared:
            found = look_before(prepared)
    except UnderbutlerError as error:
        return (Reason(kind="lacks", text=f"What it needs cannot be looked at: {error}"),)
    return tuple(
        Reason(kind="lacks", text=f"It lacks something now: {finding.what}.", cure=finding.cure)
        for finding in found.refusals
    )


class _Facts:
    """What is recorded of one target and of what it waits for."""

    def __init__(self, jobs: JobStore, settings: Settings, target: TargetRow) -> None:
        self._jobs = jobs
        self._settings = settings
        self._target = target
        self._job: JobRow = jobs.read.job(target.job_id)
        self._claims: list[ClaimRow] = jobs.read.claims(target.id)
        self._service: Overview = jobs.overview.take()
        self._now = self._service.now

    def reasons(self) -> Iterator[Reason]:
        """Yield the chain."""
        if self._target.cancel_requested and not self._target.state.ended:
            yield Reason(kind="cancelled", text="It was asked to be cancelled, and is being stopped.")
        match self._target.state:
            case TargetState.QUEUED:
                yield from self._queued()
            case TargetState.RUNNING | TargetState.DELIVERING:
                yield from self._held_by_a_worker()
            case TargetState.FAILED | TargetState.HELD:
                yield from self._failed()
            case _:
                yield from self._over()
        yield from self._attempts()

    def _queued(self) -> Iterator[Reason]:
        target, now = self._target, self._now
        if target.not_before is not None and target.not_before > now:
            left = span_text(target.not_before - now)
            tries = f" (try {target.transient_retries} of {self._settings.max_transient_retries})"
            why = target.waiting_reason or f"A service was away{tries if target.transient_retries else ''}."
            when = when_text(target.not_before)
            yield Reason(kind="waits", text=f"It waits until {when}, another {left}: {why}")
        elif target.waiting_reason:
            yield Reason(kind="waits", text=f"It waits: {target.waiting_reason}")
        yield from self._breakers()
        if target.sent_at is None:
            yield from self._unsent()
        else:
            place = self._jobs.places.of(target)
            since = span_text(now - target.sent_at)
            before = (
                counted(place.ahead, "message is before it", "messages are before it") if place.ahead else "it is next"
            )
            running = counted(place.running, "target of that queue runs", "targets of that queue run")
            yield Reason(
                kind="queue",
                text=f"Its message has been in the queue {target.queue!r} for {since}; {before}, {running}.",
            )
        yield from self._workers()

    def _unsent(self) -> Iterator[Reason]:
        due = self._target.not_before or self._target.queued_at
        late = self._now - due
        if late <= 0:
            return
        swept = self._service.swept_at
        cure = ""
        if late > LATE_SEND_S:
            cure = "Look at the broker: `underbutler status`."
            if swept is None or self._now - swept > LATE_SEND_S:
                cure = "Nobody sweeps: start `celery -A beat beat`, or `underbutler sweep --every 5`."
        yield Reason(kind="unsent", text=f"Its message is due for {span_text(late)} and was not sent yet.", cure=cure)

    def _workers(self) -> Iterator[Reason]:
        queue = self._target.queue
        alive = [one for one in self._service.workers if self._lives(one)]
        serving = [one for one in alive if queue in one.queue.split(",")]
        start = f"Start one with UNDERBUTLER_QUEUE={queue}: `celery -A workers worker`."
        if not serving:
            others = f"; those that live take from {', '.join(sorted({one.queue for one in alive}))}" if alive else ""
            yield Reason(kind="workers", text=f"No worker takes from the queue {queue!r}{others}.", cure=start)
            return
        unfit = [one for one in serving if one.unfit_reason]
        processes = counted(sum(one.concurrency for one in serving), "process", "processes")
        takes = counted(len(serving), "worker takes", "workers take")
        yield Reason(kind="workers", text=f"{takes} from the queue {queue!r}, with {processes}.")
        for one in unfit:
            yield Reason(kind="workers", text=f"Worker {one.id} takes nothing now: {one.unfit_reason}")

    def _breakers(self) -> Iterator[Reason]:
        for breaker in self._service.breakers:
            if breaker.label in {self._job.repo, self._job.out}:
                left = span_text((breaker.open_until or self._now) - self._now)
                yield Reason(
                    kind="breaker",
                    text=f"The repository {breaker.label!r} could not be opened {breaker.failures} times in a row; it "
                    f"is tried again in {left}: {breaker.reason}",
                )

    def _held_by_a_worker(self) -> Iterator[Reason]:
        target, now = self._target, self._now
        live = next((claim for claim in reversed(self._claims) if claim.end is None), None)
        if target.lease_until is None or live is None:
            yield Reason(
                kind="waits",
                text="Its datasets are in the Butler, and S3 was away when they were to be delivered; any worker goes "
                "on with it.",
                cure="Look at S3: `underbutler status`.",
            )
            yield from self._workers()
            return
        what = "delivers" if target.state is TargetState.DELIVERING else "runs"
        since = span_text(now - live.started_at)
        yield Reason(
            kind="claim",
            text=f"It {what}: worker {live.worker}, process {live.pid}, attempt {live.claim_no}, for {since}.",
        )
        if target.lease_until < now:
            over = span_text(now - target.lease_until)
            yield Reason(
                kind="claim",
                text=f"Nobody has renewed its lease, which ran out {over} ago: its worker is gone, or suspended.",
                cure="The next sweep gives it to another; see `underbutler status` whether somebody sweeps.",
            )

    def _failed(self) -> Iterator[Reason]:
        target = self._target
        short = short_id(target.job_id)
        log = next((claim.log for claim in reversed(self._claims) if claim.log), "") or ""
        said = f"{target.error_type}: {target.error_text}" if target.error_text else target.error_type or "no reason"
        if target.state is TargetState.HELD:
            yield Reason(kind="exception", text=f"It is held: {said}", cure=self._of_quarantine())
        else:
            yield Reason(
                kind="exception", text=f"It failed: {said}", cure=f"See all of it: `underbutler logs {short}`."
            )
        if line := own_line(log):
            yield Reason(kind="exception", text=f"It was raised at {line}")
        if target.replayed_as is not None:
            yield Reason(kind="again", text=f"It was run again, by job {short_id(target.replayed_as)}.")

    def _of_quarantine(self) -> str:
        if self._target.discarded_at is not None:
            return "It was discarded."
        return f"`underbutler quarantine show {short_id(self._target.id)}`; run it again with `quarantine replay`."

    def _over(self) -> Iterator[Reason]:
        target = self._target
        when = when_text(target.ended_at)
        told = {TargetState.DONE: "It is done", TargetState.NO_WORK: "It found nothing to do"}
        text = f"{told.get(target.state, 'It was cancelled')}, at {when}"
        yield Reason(kind="state", text=f"{text}: {target.error_text}" if target.error_text else f"{text}.")

    def _attempts(self) -> Iterator[Reason]:
        for claim in self._claims:
            if claim.end in _BAD_ENDS:
                reason = f": {claim.reason}" if claim.reason else ""
                yield Reason(
                    kind="attempt",
                    text=f"Attempt {claim.claim_no} by {claim.worker} ended after "
                    f"{span_text((claim.ended_at or self._now) - claim.started_at)}: {_BAD_ENDS[claim.end]}{reason}",
                )

    def _lives(self, worker: WorkerRow) -> bool:
        return self._now - worker.seen_at <= self._settings.lease_s
