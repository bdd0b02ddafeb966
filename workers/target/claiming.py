"""A claim is asked for: granted, refused for good, or refused until a repository answers again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.errors import RecordsUnavailableError
from underbutler.records import StandDown, StandDownReason
from underbutler.telemetry.logs import get_logger

from .deferring import defer
from .waiting_for_records import retry_until_available

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.model.message import TargetMessage
    from underbutler.records import Claim

__all__ = ["claimed"]

log = get_logger(__name__)


def claimed(
    message: TargetMessage, context: ServiceContext, *, worker: str, pid: int, pid_started: float | None
) -> Claim:
    """Claim the target of a message.

    Raises
    ------
    StandDown
        If it is not to be run.
    DeferredError
        If the breaker of its repository is open: it waits until that closes.
    """
    envelope = message.envelope
    lost_answers = 0

    def ask() -> Claim:
        nonlocal lost_answers
        try:
            return context.jobs.claims.grant(
                target=envelope.target,
                digest=envelope.digest,
                send_no=envelope.send_no,
                worker=worker,
                pid=pid,
                pid_started=pid_started,
                lease_s=context.settings.lease_s,
            )
        except RecordsUnavailableError:
            lost_answers += 1
            raise

    try:
        return retry_until_available(ask)
    except StandDown as refusal:
        if refusal.reason is StandDownReason.BREAKER:
            raise _until_it_closes(refusal, message, context) from refusal
        if refusal.reason is StandDownReason.LIVE and lost_answers:
            _end_what_nobody_knows(message, context, worker, pid)
        raise


def _until_it_closes(refusal: StandDown, message: TargetMessage, context: ServiceContext) -> Exception:
    delay_s = max(context.settings.retry_base_s, float(refusal.fields["wait_s"]))
    return defer(message, context, kind="breaker", reason=str(refusal), delay_s=delay_s)


def _end_what_nobody_knows(message: TargetMessage, context: ServiceContext, worker: str, pid: int) -> None:
    """End a claim of this very process that was granted while its answer was lost: nobody would ever end it."""
    target, send_no = message.envelope.target, message.envelope.send_no
    *_, last = retry_until_available(context.jobs.read.claims, target)
    if (last.worker, last.pid, last.send_no, last.ended_at) == (worker, pid, send_no, None):
        settings = context.settings
        retry_until_available(
            context.jobs.leases.end_claim,
            target,
            last.claim_no,
            end="given_back",
            reason="the answer to the claim was lost",
            max_deaths=settings.max_deaths,
            max_worker_deaths=settings.max_worker_deaths,
        )
        log.warning("claim_without_an_answer_ended", claim=last.claim_no)
