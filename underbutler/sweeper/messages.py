"""Messages that are written and not sent."""

from __future__ import annotations

from underbutler.broker import send_to_every_queue, translate_broker_errors
from underbutler.submission.sending import SEND_BATCH, send

from .report import Tally
from .rounds import Round

__all__ = ["send_unsent"]


def send_unsent(turn: Round, tally: Tally) -> None:
    """Send what is queued, or waits to be delivered again, and has no message on its way; what must wait waits.

    What was never sent and is young is left to its submitter, who may be sending it now.
    """
    tally.add("sent", 0)
    turn.need_broker()
    send_to_every_queue(turn.app, turn.settings)
    taken = 0
    while taken < turn.limits.messages and not turn.stopped():
        wanted = min(SEND_BATCH, turn.limits.messages - taken)
        with translate_broker_errors(turn.settings):
            sent = send(turn.jobs, turn.app, older_than_s=turn.settings.outbox_grace_s, at_most=wanted)
        tally.add("sent", sent)
        taken += sent
        if sent < wanted:
            return
    tally.more = True
