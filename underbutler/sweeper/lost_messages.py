"""Messages that the broker has lost, inferred from counts.

A broker can forget: Redis without its append-only file, a failover, a purge. The records know how many targets wait
with a message on its way; a queue that holds fewer messages than that has lost the difference. No message is looked at:
the oldest are sent again, and where the wrong one was sent, its copy is discarded as a duplicate delivery.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from underbutler.broker import queue_depth
from underbutler.telemetry.logs import get_logger

from .report import Tally
from .rounds import Round

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["find"]

log = get_logger(__name__)

MARGIN_S = 2.0
"""What was sent so shortly before the queue was looked at is not counted."""

State = dict[str, float]


def find(turn: Round, tally: Tally) -> None:
    """Mark the messages that every queue has lost as not sent: the next part sends them again.

    Two suspicions are kept per queue. What is missing even if every unacknowledged message were that of a waiting
    target is lost for certain, as soon as a second look some seconds later says so too. What may be in the hands of a
    living worker is given minutes: what it holds for so long belongs to running targets, and the message of the waiting
    one is lost all the same. The least that was missing at any look since the first is what counts.
    """
    tally.add("lost", 0)
    turn.need_broker()
    for queue in turn.jobs.outbox.queues():
        if turn.stopped():
            return
        _judge(turn, tally, queue)


def _judge(turn: Round, tally: Tally, queue: str) -> None:
    limits, jobs = turn.limits, turn.jobs
    name = f"lost:{queue}"
    sure, unsure = _missing(turn, queue)
    now, kept = jobs.now(), jobs.sweep.remembered(name)
    before: Mapping[str, Any] = (kept.body if kept else None) or {}
    sure_state, sure_lost = _confirmed(before.get("sure"), sure, now, limits.confirm_s)
    unsure_state, unsure_lost = _confirmed(before.get("unsure"), unsure, now, limits.stale_s)
    state = {"sure": sure_state, "unsure": unsure_state}
    nothing_to_remember = not any(before.values()) and not any(state.values())
    if nothing_to_remember or not jobs.sweep.remember_next(name, state, kept):
        return  # all is well, or another sweeper judges this queue at this moment
    if sure_lost:
        _send_again(turn, tally, queue, sure_lost, limits.confirm_s)
    elif unsure_lost:
        _send_again(turn, tally, queue, unsure_lost, limits.stale_s)


def _send_again(turn: Round, tally: Tally, queue: str, lost: int, older_than_s: float) -> None:
    """Mark the oldest messages of a queue as not sent, as many as it has lost."""
    wanted = min(lost, turn.limits.lost)
    oldest = turn.jobs.outbox.oldest_sent(queue, limit=wanted, older_than_s=older_than_s)
    again = turn.jobs.outbox.forget_sent(oldest)
    tally.add("lost", again)
    log.warning("messages_lost", queue=queue, lost=lost, sent_again=again)


def _missing(turn: Round, queue: str) -> tuple[int, int]:
    """Return how many messages are missing for certain, and how many if living workers hold none of them.

    The queue is looked at first, and the records are counted after: what waits then, and was sent well before, had its
    message in the broker at that look.
    """
    begin = time.monotonic()
    depth = queue_depth(turn.app, turn.settings, queue)
    waiting = turn.jobs.outbox.count_sent(queue, older_than_s=time.monotonic() - begin + MARGIN_S)
    unsure = waiting - depth.ready
    held = _most_in_hand(turn, queue) if depth.unacked is None else depth.unacked
    return unsure - held, unsure


def _most_in_hand(turn: Round, queue: str) -> int:
    """Return how many messages living workers can have taken and not acknowledged: one per child."""
    living = turn.jobs.workers.known(living_within_s=turn.settings.lease_s)
    return sum(worker.concurrency for worker in living if worker.queue == queue)


def _confirmed(before: State | None, missing: int, now: float, wait_s: float) -> tuple[State | None, int]:
    """Return what to remember of a suspicion, and how many messages are lost by it."""
    if missing <= 0:
        return None, 0
    if before is None:
        return {"missing": missing, "since": now}, 0
    least = int(min(before["missing"], missing))
    if now - before["since"] < wait_s:
        return {"missing": least, "since": before["since"]}, 0
    return None, least
