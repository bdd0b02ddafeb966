"""A delivery that another claim began: what was made stands in the records and lies in the Butler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.butlers.translation import translate_butler_errors

from .artifacts import recorded_artifacts
from .butler_session import opened
from .delivering import deliver_again
from .waiting_for_records import retry_until_available

if TYPE_CHECKING:
    from underbutler.records import Outcome

    from .attempt import Attempt

__all__ = ["resume"]


def resume(attempt: Attempt) -> Outcome:
    """Deliver what the target made, without running it again.

    Raises
    ------
    LostDatasetError
        If a dataset is gone from the Butler, naming it.
    TransientError
        If the repository or the annex does not answer.
    FencedOutError
        If the claim was overtaken.
    """
    attempt.delivering = True
    context = attempt.context
    job = retry_until_available(context.job, attempt.claim.job)
    rows = retry_until_available(context.jobs.read.products_of, attempt.claim.target)
    with opened(context.repositories.butler(job.out), {job.out}, context) as butler, translate_butler_errors(job.out):
        artifacts = recorded_artifacts(rows, butler)
    return deliver_again(attempt, artifacts)
