"""Notices that are written and not confirmed by the broker."""

from __future__ import annotations

from underbutler import metrics
from underbutler.errors import BrokerUnavailableError

from .report import Tally
from .rounds import Round

__all__ = ["send_unsent"]

BATCH = 500
"""Notices that are taken under one send lease."""


def send_unsent(turn: Round, tally: Tally) -> None:
    """Publish what was not confirmed; a notice that goes out twice has the same id, by which consumers know it."""
    tally.add("sent", 0)
    turn.need_broker()
    taken = 0
    while taken < turn.limits.notices and not turn.stopped():
        wanted = min(BATCH, turn.limits.notices - taken)
        batch = turn.jobs.outbox.take_notices(limit=wanted, older_than_s=turn.settings.outbox_grace_s)
        if not batch:
            return
        try:
            turn.context.publish(batch)
        except BrokerUnavailableError as error:
            confirmed = [str(one) for one in error.fields.get("published", ())]  # type: ignore[attr-defined]
            tally.add("sent", turn.jobs.outbox.mark_notices_sent(confirmed))
            raise
        metrics.NOTICES.count(len(batch), outcome="published")
        tally.add("sent", turn.jobs.outbox.mark_notices_sent(notice.id for notice in batch))
        taken += len(batch)
    tally.more = True
