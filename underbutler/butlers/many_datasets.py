"""Facts of many frames at once, in a few queries: exposures, datasets, the calibrations that may be taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from underbutler.model.dataref import DataIdValue

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DataCoordinate, DatasetRef, Timespan

__all__ = ["Certified", "Validities", "certified_in", "datasets_of_frames", "expanded_exposures", "exposure_records"]

Frame: TypeAlias = tuple[DataIdValue, DataIdValue, DataIdValue]
"""Instrument, exposure, detector."""


def exposure_records(butler: Butler, exposures: Iterable[tuple[DataIdValue, DataIdValue]]) -> dict[Any, Any]:
    """Return the exposure records of pairs of instrument and exposure; those that do not exist are left out."""
    coordinates = _coordinates(butler, exposures)
    if not coordinates:
        return {}
    with butler.query() as query:
        records = query.join_data_coordinates(coordinates).dimension_records("exposure")
        return {(record.instrument, record.id): record for record in records}


def expanded_exposures(
    butler: Butler, exposures: Iterable[tuple[DataIdValue, DataIdValue]]
) -> dict[tuple[DataIdValue, DataIdValue], DataCoordinate]:
    """Return the same exposures as data IDs with the records of all that they imply: filter, observing day, group."""
    coordinates = _coordinates(butler, exposures)
    if not coordinates:
        return {}
    with butler.query() as query:
        found = query.join_data_coordinates(coordinates).data_ids(["exposure"]).with_dimension_records()
        return {(one["instrument"], one["exposure"]): one for one in found}


def _coordinates(butler: Butler, exposures: Iterable[tuple[DataIdValue, DataIdValue]]) -> list[DataCoordinate]:
    from lsst.daf.butler import DataCoordinate

    return [
        DataCoordinate.standardize(instrument=instrument, exposure=exposure, universe=butler.dimensions)
        for instrument, exposure in dict.fromkeys(exposures)
    ]


def datasets_of_frames(
    butler: Butler, dataset_type: str, frames: Collection[Frame], collections: Sequence[str]
) -> dict[Frame, DatasetRef]:
    """Return the datasets of frames, each from the first collection that has it; a frame without one is left out.

    Parameters
    ----------
    butler
        It reads.
    dataset_type
        A type of the dimensions instrument, exposure, detector.
    frames
        Which frames.
    collections
        Where they are looked for, in this order.
    """
    found: dict[Frame, DatasetRef] = {}
    by_detector: dict[tuple[DataIdValue, DataIdValue], list[DataIdValue]] = defaultdict(list)
    for instrument, exposure, detector in frames:
        by_detector[instrument, detector].append(exposure)
    for (instrument, detector), exposures in by_detector.items():
        wanted = set(exposures)
        # One range for each detector: a list of ten thousand values is more than some databases take.
        bounds = {"i": instrument, "d": detector, "low": min(exposures), "high": max(exposures)}
        where = "instrument = i AND detector = d AND exposure >= low AND exposure <= high"
        with butler.query() as query:
            for ref in query.datasets(dataset_type, list(collections)).where(where, bind=bounds):
                if ref.dataId["exposure"] in wanted:
                    found[instrument, ref.dataId["exposure"], detector] = ref
    return found


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
