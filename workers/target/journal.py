"""What a claim writes into the Butler, told to the records before and after each put."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from underbutler.records import Claim, Intent, JobStore

from .waiting_for_records import retry_until_available

if TYPE_CHECKING:
    from lsst.daf.butler import DatasetRef

__all__ = ["ClaimJournal"]


class ClaimJournal:
    """Writes intent rows before the first put of a claim, and remembers what was put.

    Parameters
    ----------
    jobs
        The records.
    claim
        The claim whose puts these are.
    """

    def __init__(self, jobs: JobStore, claim: Claim) -> None:
        self._jobs = jobs
        self._claim = claim
        self.stored_refs: dict[Any, DatasetRef] = {}
        """What was put, by dataset UUID."""

    def intend(self, refs: Sequence[DatasetRef]) -> None:
        """Record what is going to be written.

        Raises
        ------
        ConflictError
            If another target owns one of the UUIDs, naming its job.
        FencedOutError
            If the claim was overtaken.
        """
        retry_until_available(self._jobs.intents.record, self._claim, [_intent(ref) for ref in refs])

    def stored(self, ref: DatasetRef) -> None:
        """Remember that a dataset was put."""
        self.stored_refs[ref.id] = ref


def _intent(ref: DatasetRef) -> Intent:
    return Intent(
        dataset_id=ref.id,
        dataset_type=ref.datasetType.name,
        run=ref.run,
        data_id=dict(ref.dataId.required),
    )
