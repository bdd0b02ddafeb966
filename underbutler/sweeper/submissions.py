"""Submissions that died after they wrote into the Butler and before their job was recorded. May import context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.errors import RecordsUnavailableError
from underbutler.logs import get_logger

from .report import Tally
from .rounds import Round

if TYPE_CHECKING:
    from underbutler.records import Submission

__all__ = ["undo_stale"]

log = get_logger(__name__)


def undo_stale(turn: Round, tally: Tally) -> None:
    """Remove the RUN that a dead submission made for its job alone; one that was named with ``-o`` is left as it is.

    From the moment on at which a submission is found dead here, its job is not recorded any more.
    """
    tally.add("undone", 0)
    for submission in turn.jobs.stale_submissions(turn.limits.submission_s, limit=turn.limits.jobs):
        try:
            if submission.own_run:
                _remove_run(turn, submission)
        except RecordsUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - reported by the tally: other submissions have nothing to do with it
            tally.failed(error)
            continue
        turn.jobs.forget_submission(submission.job)
        tally.add("undone")
        log.info("submission_undone", job=str(submission.job), repo=submission.out, run=submission.run)


def _remove_run(turn: Round, submission: Submission) -> None:
    from lsst.daf.butler import MissingCollectionError

    with turn.context.repositories.butler(submission.out, writeable=True) as butler:
        try:
            butler.removeRuns([submission.run])
        except MissingCollectionError:
            return  # it died before it had made it, or somebody else removed it
