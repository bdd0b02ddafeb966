"""How long a job to come may take, by what its task took before."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from underbutler.records import JobStore, PastTargets
    from underbutler.settings import Settings
    from underbutler.submission.preparing import Prepared

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a job may take.

    Parameters
    ----------
    past
        What targets of its task took, by instrument.
    numbers
        How many targets the job has of each of them.
    processes
        Worker processes that take from its queue now.
    """

    past: tuple[PastTargets, ...]
    numbers: tuple[int, ...]
    processes: int

    @property
    def seconds(self) -> float | None:
        """Seconds until it ends, by the medians, if nothing is ahead of it; None if nobody can tell."""
        totals = [one.total_s(number) for one, number in zip(self.past, self.numbers, strict=True)]
        known = [total for total in totals if total is not None]
        if not self.processes or not totals or len(known) < len(totals):
            return None
        return sum(known) / min(self.processes, max(1, sum(self.numbers)))

    def to_json(self) -> list[dict[str, Any]]:
        """Return the past as JSON data, with the number of targets that it stands for."""
        return [asdict(one) | {"targets": number} for one, number in zip(self.past, self.numbers, strict=True)]


def forecast(prepared: Prepared, jobs: JobStore, settings: Settings) -> Forecast:
    """Return what a submission may take."""
    numbers = Counter(str(target.data_id.get("instrument", "")) for target in prepared.targets)
    queue = prepared.command.request.queue or settings.queue
    living = jobs.workers.known(living_within_s=settings.lease_s)
    return Forecast(
        past=tuple(jobs.estimates.past(prepared.task, name) for name in numbers),
        numbers=tuple(numbers.values()),
        processes=sum(one.concurrency for one in living if one.queue == queue and one.unfit_reason is None),
    )
