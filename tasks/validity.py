"""Over which time a master is valid, and its certification into a calibration collection."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lsst.pipe.base import TaskError

from underbutler.butlers.masters import validity_text
from underbutler.errors import UsageError

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetAssociation, DatasetRef, DatasetType, Timespan

__all__ = ["certify", "days_covered", "parse_validity", "refuse_overlap", "validity_text"]


def parse_validity(text: str) -> Timespan:
    """Read ``BEGIN..END``: two TAI dates or instants in ISO 8601, END not included; either may be left out.

    ``2026-11-20..2026-12-01`` begins and ends at 00:00 TAI; ``2026-11-20T12:00..`` has no end.

    Raises
    ------
    UsageError
        If it is not such a range, or ends before it begins.
    """
    from lsst.daf.butler import Timespan

    begin, dots, end = (part.strip() for part in text.partition(".."))
    if not dots or not (begin or end):
        raise UsageError(
            f"--validity takes BEGIN..END in TAI, e.g. 2026-11-20..2026-12-01; {text!r} is none.", validity=text
        )
    span = Timespan(_instant(begin, text), _instant(end, text), padInstantaneous=False)
    if span.isEmpty():
        raise UsageError(f"--validity {text} ends before it begins. Swap the two.", validity=text)
    return span


def days_covered(days: Iterable[Timespan]) -> Timespan:
    """Return the time from the begin of the first observing day to the end of the last one."""
    from lsst.daf.butler import Timespan

    spans = list(days)
    return Timespan(min(span.begin for span in spans), max(span.end for span in spans))


def refuse_overlap(
    butler: Butler, collection: str, dataset_type: DatasetType, data_id: Any, span: Timespan, *, run: str
) -> None:
    """Look, before anything is computed, whether another master is certified over the same time.

    Parameters
    ----------
    butler
        Butler of the repository that holds the collection.
    collection
        Calibration collection.
    dataset_type, data_id
        What will be certified.
    span
        Over which time.
    run
        RUN collection of what will be certified: what lies in it is an earlier try at the same thing.

    Raises
    ------
    TaskError
        If there is one, naming it.
    """
    for other in _overlapping(butler, collection, dataset_type, data_id, span):
        if other.ref.run != run:
            raise _overlap(f"the one of {run}", other, collection, span)


def certify(butler: Butler, collection: str, dataset: uuid.UUID, span: Timespan, *, replace: bool) -> str:
    """Certify a master over a time.

    Parameters
    ----------
    butler
        Writeable butler.
    collection
        Calibration collection; made if need be.
    dataset
        UUID of the master.
    span
        Over which time.
    replace
        Whether others that overlap lose that part of their time, in the same transaction.

    Returns
    -------
    done
        ``certified``, ``replaced``, or ``unchanged`` when this master was certified over this time already.

    Raises
    ------
    TaskError
        If another master, or another time of this one, overlaps, and `replace` is not set.
    """
    from lsst.daf.butler import CollectionType
    from lsst.daf.butler.registry import ConflictingDefinitionError

    ref = butler.get_dataset(dataset)
    if ref is None:
        raise UsageError(f"The repository has no dataset {dataset}: put it before certifying it.", dataset=str(dataset))
    butler.collections.register(collection, CollectionType.CALIBRATION)
    others = _overlapping(butler, collection, ref.datasetType, ref.dataId, span)
    if any(other.ref.id == ref.id and other.timespan == span for other in others):
        return "unchanged"
    if others and not replace:
        raise _overlap(f"{ref.id} of {ref.run}", others[0], collection, span)
    try:
        with butler.transaction():
            if others:
                butler.registry.decertify(collection, ref.datasetType, span, dataIds=[ref.dataId])
            butler.registry.certify(collection, [ref], span)
    except ConflictingDefinitionError as error:  # somebody certified between the look and the act
        winner = _overlapping(butler, collection, ref.datasetType, ref.dataId, span)
        if not winner:
            raise
        raise _overlap(f"{ref.id} of {ref.run}", winner[0], collection, span) from error
    return "replaced" if others else "certified"


def _instant(text: str, whole: str) -> Any:
    from astropy.time import Time

    if not text:
        return None
    try:
        return Time(text, scale="tai", format="isot" if "T" in text else "iso")
    except ValueError as error:
        raise UsageError(
            f"--validity {whole}: {text!r} is not an ISO 8601 date or instant such as 2026-11-20 or "
            "2026-11-20T12:00:00.",
            validity=whole,
        ) from error


def _overlapping(
    butler: Butler, collection: str, dataset_type: DatasetType, data_id: Any, span: Timespan
) -> list[DatasetAssociation]:
    """Return what is certified for a data ID over a part of the time, by begin."""
    from lsst.daf.butler import CollectionType, MissingCollectionError

    wanted = {name: data_id[name] for name in dataset_type.dimensions.required}
    try:
        found = [
            one
            for one in butler.registry.queryDatasetAssociations(
                dataset_type, collections=[collection], collectionTypes={CollectionType.CALIBRATION}
            )
            if one.timespan is not None and one.timespan.overlaps(span) and dict(one.ref.dataId.required) == wanted
        ]
    except MissingCollectionError:
        return []
    return sorted(found, key=lambda one: validity_text(one.timespan))


def _overlap(ours: str, other: DatasetAssociation, collection: str, span: Timespan) -> TaskError:
    ref: DatasetRef = other.ref
    name = ref.datasetType.name
    where = " ".join(f"{key}={value!r}" for key, value in dict(ref.dataId.required).items())
    return TaskError(
        f"{name} {where}: {ours} over {validity_text(span)} overlaps in {collection} with {ref.id} of {ref.run} over "
        f"{validity_text(other.timespan)}. Certify over another time with --validity BEGIN..END, or take that time "
        "from the other one with --replace."
    )
