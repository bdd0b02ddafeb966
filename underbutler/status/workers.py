"""Workers, and what they are there for: queues that nobody takes from, targets that wait, what is in quarantine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from underbutler.model.identity import short_id
from underbutler.settings import Settings
from underbutler.wording import counted, span_text, when_text

from .findings import Finding, Gravity, PartState, State

if TYPE_CHECKING:
    from underbutler.records import Overview, WaitingGroup, WorkerRow

    from .records import RecordsAnswer

__all__ = ["NAME", "work_findings", "workers_state"]

NAME: Final = "workers"
_START: Final = "`celery -A workers worker{queue}`, or `underbutler up`"


def workers_state(settings: Settings, told: RecordsAnswer) -> PartState:
    """Return which workers live, what they take, and what nobody takes."""
    overview = told.overview
    alive, gone = _parted(overview, settings)
    by_queue: dict[str, list[WorkerRow]] = defaultdict(list)
    for worker in alive:
        for queue in worker.queue.split(","):
            by_queue[queue].append(worker)
    findings = [
        *_none(told, alive),
        *_unserved(told, by_queue, alive),
        *_silent(overview, gone),
        *_unfit(overview, alive),
    ]
    state = State.ANSWERS if alive else State.NEVER if told.last_worker_at is None else State.AWAY
    since = min((worker.started_at for worker in alive), default=None)
    return PartState(
        name=NAME,
        state=state,
        told=_line(alive, by_queue, since),
        since=since if alive else told.last_worker_at,
        findings=tuple(findings),
        facts={"alive": len(alive), "silent": len(gone), "queues": {q: len(w) for q, w in sorted(by_queue.items())}},
    )


def work_findings(overview: Overview) -> list[Finding]:
    """Return what of the work itself somebody should know: what waits for a reason, is held or parked."""
    return [
        *_repositories(overview),
        *(_waiting(waiting, overview.now) for waiting in overview.waiting),
        *_quarantine(overview),
    ]


def _parted(overview: Overview, settings: Settings) -> tuple[list[WorkerRow], list[WorkerRow]]:
    """Part those that were seen within their lease from those that were not."""
    alive = [worker for worker in overview.workers if overview.now - worker.seen_at <= settings.lease_s]
    return alive, [worker for worker in overview.workers if worker not in alive]


def _line(alive: list[WorkerRow], by_queue: dict[str, list[WorkerRow]], since: float | None) -> str:
    if not alive:
        return ""
    queues = ", ".join(f"{queue} {len(workers)}" for queue, workers in sorted(by_queue.items()))
    processes = counted(sum(worker.concurrency for worker in alive), "process", "processes")
    return f"{counted(len(alive), 'worker')} with {processes}; {queues}; since {when_text(since)}"


def _none(told: RecordsAnswer, alive: list[WorkerRow]) -> Iterator[Finding]:
    if alive:
        return
    overview, n_open = told.overview, told.overview.open_targets
    work = f", and {counted(n_open, 'target is', 'targets are')} to be run" if n_open else ""
    last = told.last_worker_at
    seen = "none was seen yet" if last is None else f"the last was seen {span_text(overview.now - last)} ago"
    yield Finding(
        about=NAME,
        what=f"No worker is alive{work}; {seen}.",
        cure=f"Start one: {_START.format(queue='')}.",
        count=n_open or None,
    )


def _unserved(told: RecordsAnswer, by_queue: dict[str, list[WorkerRow]], alive: list[WorkerRow]) -> Iterator[Finding]:
    for queue, number in sorted(told.measures.waiting.items()):
        if not number or queue in by_queue or not alive:
            continue
        start = _START.format(queue="").partition(",")[0]
        yield Finding(
            about=NAME,
            what=f"No worker takes from the queue {queue!r}, and "
            f"{counted(number, 'target waits', 'targets wait')} there "
            f"for {span_text(told.measures.waiting_age_s.get(queue, 0.0))}.",
            why=f"The workers that live take from {', '.join(sorted(by_queue))}.",
            cure=f"Start one with UNDERBUTLER_QUEUE={queue}: {start}.",
            count=number,
        )


def _silent(overview: Overview, gone: list[WorkerRow]) -> Iterator[Finding]:
    for worker in gone:
        yield Finding(
            about=NAME,
            what=f"Worker {worker.id} was not seen for {span_text(overview.now - worker.seen_at)}.",
            why="No heartbeat: killed, suspended, or cannot reach the database.",
            cure=f"Look on {worker.host} whether its process {worker.pid} runs; what it had is given to others.",
            gravity=Gravity.NOTED,
            since=worker.seen_at,
        )


def _unfit(overview: Overview, alive: list[WorkerRow]) -> Iterator[Finding]:
    unfit = [worker for worker in alive if worker.unfit_reason]
    for worker in unfit:
        since = worker.unfit_since if worker.unfit_since is not None else overview.now
        yield Finding(
            about=NAME,
            what=f"Worker {worker.id} takes no targets for {span_text(overview.now - since)}.",
            why=worker.unfit_reason or "",
            gravity=Gravity.WRONG if len(unfit) == len(alive) else Gravity.NOTED,
            since=worker.unfit_since,
        )


def _repositories(overview: Overview) -> Iterator[Finding]:
    for breaker in overview.breakers:
        left = span_text((breaker.open_until or overview.now) - overview.now)
        yield Finding(
            about=f"repository {breaker.label}",
            what=f"Circuit breaker for repository {breaker.label!r} is open for another {left}, "
            f"after {counted(breaker.failures, 'failure')} in a row.",
            why=breaker.reason,
            cure="It closes by itself when the repository can be opened again.",
            since=breaker.changed_at,
            until=breaker.open_until,
        )


def _quarantine(overview: Overview) -> Iterator[Finding]:
    for count, one, many in (
        (overview.held, "target is", "targets are"),
        (overview.parked, "parked message is", "parked messages are"),
    ):
        if count:
            yield Finding(
                about="quarantine",
                what=f"{counted(count, one, many)} in quarantine.",
                cure="Look at them: `underbutler quarantine list`.",
                gravity=Gravity.NOTED,
                count=count,
            )


def _waiting(waiting: WaitingGroup, now: float) -> Finding:
    soon = "" if waiting.next_at is None or waiting.next_at <= now else f", next in {span_text(waiting.next_at - now)}"
    number = counted(waiting.count, "target waits", "targets wait")
    long = "" if waiting.since is None else f" for {span_text(now - waiting.since)}"
    return Finding(
        about="waiting",
        what=f"{number}{long}{soon}.",
        why=waiting.reason or "A service was unavailable; they are retried.",
        cure=f"Look at one: `underbutler status {short_id(waiting.job)} -v`.",
        gravity=Gravity.NOTED,
        since=waiting.since,
        until=waiting.next_at,
        count=waiting.count,
    )
