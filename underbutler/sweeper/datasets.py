"""What ended targets have in the Butler, compared with what they meant to write and recorded.

lsst is imported only when there is something to compare.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from underbutler.butlers.pruning import prune_datasets
from underbutler.errors import FatalError, RecordsUnavailableError
from underbutler.model.job import TargetState
from underbutler.telemetry.logs import get_logger

from .report import Tally
from .rounds import Round

if TYPE_CHECKING:
    from lsst.daf.butler import DatasetRef

    from underbutler.records import TargetRow

__all__ = ["compare"]

log = get_logger(__name__)

BATCH = 100
"""Targets that are compared at once."""


class LostProductError(FatalError, LookupError):
    """What the records call a product is not in the Butler."""


def compare(turn: Round, tally: Tally) -> None:
    """Compare the intents of ended targets with the registry: prune what is not a product, cry out for what is missing.

    A target that has ended writes no more, so what it meant to write and did not record was left by a claim that died,
    failed or was cut. Targets that are open are never touched: a new claim may be writing the same datasets.

    Where a lease ran out, its process may only have been stopped, and may have written, or removed to write anew, when
    it woke up. Such a target is compared again when no process of that claim can be left.
    """
    for words in ("compared", "pruned", "missing"):
        tally.add(words, 0)
    left, troubled = turn.limits.targets, set[str]()
    while left > 0 and not turn.stopped() and _next(turn, 1, sorted(troubled)):
        with turn.alone("datasets") as mine:
            if not mine:
                tally.note("another sweeper is at it")
                return
            batch = _next(turn, min(BATCH, left), sorted(troubled))
            if not batch:
                return
            left -= len(batch)
            for label, targets in _by_label(turn, batch).items():
                try:
                    _compare(turn, tally, label, targets)
                except RecordsUnavailableError:
                    raise
                except Exception as error:  # noqa: BLE001 - told by the tally: other repositories have no part in it
                    tally.failed(error)
                    troubled.add(label)
    tally.more = left <= 0


def _next(turn: Round, number: int, leave_out: Sequence[str]) -> list[TargetRow]:
    """Return ended targets that were never compared, then those that are to be compared again."""
    return turn.jobs.sweep.ended_unchecked(number, not_in=leave_out) or turn.jobs.sweep.to_check_again(
        number, float(turn.settings.hard_limit_s), not_in=leave_out
    )


def _by_label(turn: Round, targets: Sequence[TargetRow]) -> dict[str, list[TargetRow]]:
    """Return targets by the repository that they write into."""
    by_label: dict[str, list[TargetRow]] = defaultdict(list)
    for target in targets:
        by_label[turn.context.job(target.job_id).out].append(target)
    return by_label


def _compare(turn: Round, tally: Tally, label: str, targets: Sequence[TargetRow]) -> None:
    """Compare targets of one repository, prune what is stray, and mark them as checked.

    An aborted target has no products: nothing of it is to be visible, whatever it had recorded when it was cut.
    """
    ids = [target.id for target in targets]
    aborted = {target.id for target in targets if target.state is TargetState.ABORTED}
    recorded = turn.jobs.sweep.product_ids(ids)
    products = {dataset: target for dataset, target in recorded.items() if target not in aborted}
    intended = {target: {intent.dataset_id for intent in turn.jobs.intents.of_target(target)} for target in ids}
    found = _found(turn, label, recorded.keys() | set().union(*intended.values()))
    strays = [ref for dataset, ref in found.items() if dataset not in products]
    if strays:
        with turn.context.repositories.butler(label, writeable=True) as butler:
            prune_datasets(butler, strays)
        tally.add("pruned", len(strays))
        log.info("strays_pruned", repo=label, datasets=len(strays))
    turn.jobs.sweep.forget_products(recorded.keys() - products.keys())
    settled = [target.id for target in targets if target.checked_at is not None or not target.worker_deaths]
    turn.jobs.intents.forget(set().union(*(intended[target] for target in settled)) - products.keys())
    turn.jobs.sweep.mark_checked(ids)
    tally.add("compared", len(ids))
    for dataset in sorted(products.keys() - found.keys()):
        _cry_out(tally, label, products[dataset], dataset)


def _found(turn: Round, label: str, datasets: Collection[uuid.UUID]) -> dict[uuid.UUID, DatasetRef]:
    """Return those of some datasets that the registry knows."""
    if not datasets:
        return {}
    with turn.context.repositories.butler(label) as butler:
        return {ref.id: ref for ref in butler.get_many_datasets(datasets)}


def _cry_out(tally: Tally, label: str, target: uuid.UUID, dataset: uuid.UUID) -> None:
    tally.add("missing")
    names = {"repo": label, "target": str(target), "dataset": str(dataset)}
    log.critical("product_missing", **names)
    tally.failed(
        LostProductError(
            f"The dataset {dataset} is recorded as a product of target {target} and is not in the repository "
            f"{label!r}. Somebody removed it: submit the target again to make it anew.",
            **names,
        )
    )
