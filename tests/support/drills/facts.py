"""What a drill did: counted from the records, the Butler, the bucket, and what a registered consumer heard."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underbutler.model.job import TargetState
from underbutler.records import JobRow

if TYPE_CHECKING:
    from tests.support.drills.site import DrillSite
    from underbutler.model.notice import LargeFileObjectAvailable

__all__ = ["Facts", "Heard", "facts_of"]

COMPLETING = ("done", "no_work", "failed")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What became of some jobs.

    Parameters
    ----------
    targets, lost, doubled
        As in the table.
    held
        Identities of the held targets.
    states
        How many targets are in which state.
    said
        Each loss and each doubling in words.
    """

    targets: int
    lost: int
    doubled: int
    held: frozenset[uuid.UUID]
    states: dict[str, int]
    said: tuple[str, ...]


class Heard:
    """The notices that a registered consumer was handed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: dict[str, Counter[str]] = defaultdict(Counter)

    def take(self, notice: LargeFileObjectAvailable) -> None:
        """Count a notice."""
        with self._lock:
            self._ids[notice.job][notice.id] += 1

    def forget(self) -> None:
        """Begin anew, as a consumer after a restore: of what was made since the backup it is told again."""
        with self._lock:
            self._ids.clear()

    def of(self, job: uuid.UUID) -> Counter[str]:
        """Return how often each notice id of a job was heard."""
        with self._lock:
            return Counter(self._ids[str(job)])


def facts_of(site: DrillSite, jobs: Sequence[JobRow], *, notices: bool) -> Facts:
    """Count.

    Parameters
    ----------
    notices
        Whether the consumer must have heard all of them: not where the broker lost what was in its queue, and the
        records are where it is read again.
    """
    lost: list[str] = []
    doubled: list[str] = []
    held: set[uuid.UUID] = set()
    states: Counter[str] = Counter()
    total = 0
    for job in jobs:
        targets = site.context.jobs.read.targets(job.id)
        total += len(targets)
        states.update(str(target.state) for target in targets)
        held |= {target.id for target in targets if target.state == TargetState.HELD}
        lost += [f"target {target.id} is {target.state}" for target in targets if not target.state.ended]
        lost += [f"job {job.id} has {job.n_targets} targets, {len(targets)} are there"] * (job.n_targets - len(targets))
        doubled += _completed_twice(site, job)
        more_lost, more_doubled = _products(site, job)
        lost += more_lost
        doubled += more_doubled
        more_lost, more_doubled = _notices(site, job, heard=notices)
        lost += more_lost
        doubled += more_doubled
    return Facts(
        targets=total,
        lost=len(lost),
        doubled=len(doubled),
        held=frozenset(held),
        states=dict(states),
        said=(*(f"lost: {word}" for word in lost), *(f"doubled: {word}" for word in doubled)),
    )


def _completed_twice(site: DrillSite, job: JobRow) -> list[str]:
    ends = Counter(claim.target_id for claim in site.context.jobs.read.claims(job.id) if claim.end in COMPLETING)
    return [f"target {target} was completed {count} times" for target, count in ends.items() if count > 1]


def _products(site: DrillSite, job: JobRow) -> tuple[list[str], list[str]]:
    """Compare the rows with the Butler: what is recorded must be there, and nothing else of the task's types."""
    done = {target.id for target in site.context.jobs.read.targets(job.id, states=[TargetState.DONE])}
    rows = [row for row in site.context.jobs.read.products(job.id) if row.target_id in done]
    recorded = {row.dataset_id for row in rows}
    lost: list[str] = []
    doubled: list[str] = []
    kinds = {"drillTable", "drillPicture", *(row.dataset_type for row in rows)}
    with site.context.repositories.butler(job.out, collections=[job.run]) as butler:
        there = [ref for ref in butler.query_all_datasets(job.run) if ref.datasetType.name in kinds]
        lost += [f"dataset {row.dataset_id} is recorded and not in the Butler" for row in rows if row.dataset_id not in
                 {ref.id for ref in there}]  # fmt: skip
        lost += [f"dataset {ref.id} has no file" for ref in there if not butler.stored(ref)]
    places = Counter((ref.datasetType.name, tuple(sorted(ref.dataId.required.items()))) for ref in there)
    doubled += [f"{place} is there {count} times" for place, count in places.items() if count > 1]
    doubled += [f"dataset {ref.id} is in the Butler and of no target that is done" for ref in there
                if ref.id not in recorded]  # fmt: skip
    expected = 2 * len(done) if job.task == "drillWrite" else 0
    if len(recorded) < expected:
        lost.append(f"{len(recorded)} datasets are recorded of {len(done)} targets that are done")
    return lost, doubled


def _notices(site: DrillSite, job: JobRow, *, heard: bool) -> tuple[list[str], list[str]]:
    """Every delivered product has one notice, its object is there byte for byte, and the consumer heard it once."""
    products = {str(row.dataset_id): row for row in site.context.jobs.read.products(job.id) if row.url}
    notices = site.context.jobs.read.notices(job.id)
    per_dataset = Counter(notice.dataset for notice in notices)
    lost = [f"product {dataset} has no notice" for dataset in products if not per_dataset[dataset]]
    doubled = [f"product {dataset} has {count} notices" for dataset, count in per_dataset.items() if count > 1]
    lost += [told for notice in notices if (told := _object_fault(site, notice))]
    ids = {notice.id for notice in notices}
    counted = site.heard.of(job.id)
    if heard:
        lost += [f"notice {name} was not heard" for name in ids if not counted[name]]
    doubled += [f"notice {name} was heard {count} times" for name, count in counted.items() if count > 1]
    doubled += [f"notice {name} was heard and is not recorded" for name in counted if name not in ids]
    return lost, doubled


def _object_fault(site: DrillSite, notice: Any) -> str:
    from botocore.exceptions import ClientError

    bucket, _, key = notice.url.removeprefix("s3://").partition("/")
    try:
        data = site.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        return f"the object of notice {notice.id} is not there: {error}"
    if hashlib.sha256(data).hexdigest() != notice.checkSum or len(data) != notice.byteSize:
        return f"the object of notice {notice.id} holds other bytes"
    return ""
