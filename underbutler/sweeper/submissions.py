"""Submissions that died after they wrote into the Butler and before their job was recorded."""

from __future__ import annotations

from underbutler.errors import RecordsUnavailableError
from underbutler.submission.submit import undo_submission

from .report import Tally
from .rounds import Round

__all__ = ["undo_stale"]


def undo_stale(turn: Round, tally: Tally) -> None:
    """Remove the RUN that a dead submission made for its job alone; one that was named with ``-o`` is left as it is.

    From the moment on at which a submission is found dead here, its job is not recorded any more.
    """
    tally.add("undone", 0)
    for submission in turn.jobs.submissions.give_up_stale(turn.limits.submission_s, limit=turn.limits.jobs):
        try:
            undo_submission(turn.context, submission)
        except RecordsUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - reported by the tally: other submissions have nothing to do with it
            tally.failed(error)
            continue
        tally.add("undone")
