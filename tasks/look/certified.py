"""What is certified in some collections, by data ID, and over which time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underbutler.model.dataref import DataIdValue

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef, Timespan

__all__ = ["Certified", "Validities", "certified_in"]


@dataclass(frozen=True, slots=True)
class Certified:
    """A calibration dataset, and where it is found.

    Parameters
    ----------
    ref
        The dataset.
    collection
        In which collection.
    timespan
        Over which time it is valid there; None: always, in a RUN or TAGGED collection.
    """

    ref: DatasetRef
    collection: str
    timespan: Timespan | None

    def is_valid_at(self, timespan: Timespan | None) -> bool:
        """Tell whether it is valid over a part of a time; None is any time."""
        return self.timespan is None or timespan is None or bool(self.timespan.overlaps(timespan))


class Validities:
    """The calibrations of one type in some collections, by data ID.

    Parameters
    ----------
    searched
        For each collection, in the order of the search, what it holds.
    """

    def __init__(self, searched: Sequence[Sequence[Certified]]) -> None:
        self._by_id: list[dict[frozenset[tuple[str, Any]], list[Certified]]] = []
        for ones in searched:
            held: dict[frozenset[tuple[str, Any]], list[Certified]] = defaultdict(list)
            for one in ones:
                held[frozenset(dict(one.ref.dataId.required).items())].append(one)
            self._by_id.append(held)

    def valid(self, data_id: Mapping[str, DataIdValue], timespan: Timespan | None) -> list[Certified]:
        """Return what is valid for a data ID, of the first collection that has any: more than one is ambiguous."""
        for held in self._by_id:
            if found := [one for one in held.get(frozenset(data_id.items()), ()) if one.is_valid_at(timespan)]:
                return found
        return []

    def of(self, data_id: Mapping[str, DataIdValue]) -> list[Certified]:
        """Return all calibrations of a data ID, whenever they are valid."""
        return [one for held in self._by_id for one in held.get(frozenset(data_id.items()), ())]


def certified_in(butler: Butler, dataset_type: str, collections: Sequence[str]) -> Validities:
    """Return the calibrations of one type in some collections; collections that do not exist hold none."""
    from lsst.daf.butler import CollectionType, MissingDatasetTypeError

    known = set(butler.collections.query("*"))
    existing = [name for name in collections if name in known]
    if not existing:
        return Validities([])
    flat = [info.name for info in butler.collections.query_info(existing, flatten_chains=True)]
    held: dict[str, list[Certified]] = {name: [] for name in flat}
    try:
        for one in butler.registry.queryDatasetAssociations(
            dataset_type, collections=flat, collectionTypes=set(CollectionType.all()), flattenChains=True
        ):
            held[one.collection].append(Certified(one.ref, one.collection, one.timespan))
    except MissingDatasetTypeError:
        return Validities([])
    return Validities(list(held.values()))
