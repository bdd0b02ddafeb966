"""Decoding of what travels: one message, one fresh context, one object per equal thing.

The Butler's persistence caches are keyed by neither universe nor repository and are empty in other threads, so that a
context lives exactly as long as one message of one repository. Only what goes through ``from_simple`` is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from underbutler.errors import MessageError

if TYPE_CHECKING:
    from lsst.daf.butler import DataCoordinate, DatasetRef, DimensionUniverse

__all__ = ["coordinate", "decode", "decode_refs", "encode_refs"]

P = ParamSpec("P")
T = TypeVar("T")


def decode(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a decoder inside one fresh ``PersistenceContextVars().run``.

    Parameters
    ----------
    function
        Decodes one message of one repository; neither a generator nor a coroutine function, whose body would run
        outside of the context.
    """
    from lsst.daf.butler.persistence_context import PersistenceContextVars

    return PersistenceContextVars().run(function, *args, **kwargs)  # type: ignore[no-any-return]


def encode_refs(refs: Iterable[DatasetRef]) -> list[dict[str, Any]]:
    """Encode resolved dataset references as JSON values, without dimension records."""
    return [_without_records(ref).to_simple().model_dump(mode="json", exclude_defaults=True) for ref in refs]


def decode_refs(documents: Sequence[Mapping[str, Any]], universe: DimensionUniverse) -> list[DatasetRef]:
    """Decode a list of dataset references inside one context.

    Equal data IDs and dataset types of the list become one object.

    Parameters
    ----------
    documents
        What `encode_refs` made.
    universe
        Universe of the repository that the references are of.

    Raises
    ------
    MessageError
        If an element is not a reference of this universe, naming its place.
    """
    return decode(_decode_each, documents, universe)


def coordinate(universe: DimensionUniverse, data_id: Mapping[str, Any]) -> DataCoordinate:
    """Return the coordinate of cast values: inside of `decode`, equal data IDs become one object.

    Parameters
    ----------
    data_id
        Values of at least the required dimensions, already cast (``from_simple`` casts nothing).
    """
    from lsst.daf.butler import DataCoordinate, SerializedDataCoordinate

    return DataCoordinate.from_simple(
        SerializedDataCoordinate.direct(dataId=dict(data_id), records=None), universe=universe
    )


def _decode_each(documents: Sequence[Mapping[str, Any]], universe: DimensionUniverse) -> list[DatasetRef]:
    from lsst.daf.butler import DatasetRef, SerializedDatasetRef

    refs = []
    for index, document in enumerate(documents):
        try:
            refs.append(DatasetRef.from_simple(SerializedDatasetRef.model_validate(document), universe=universe))
        except (ValueError, LookupError, TypeError) as error:
            raise MessageError(
                f"Element {index} of the list is not a dataset reference of this repository: {error}", index=index
            ) from error
    return refs


def _without_records(ref: DatasetRef) -> DatasetRef:
    if not ref.dataId.hasRecords():
        return ref
    from lsst.daf.butler import DataCoordinate, DatasetRef

    bare = DataCoordinate.standardize(dict(ref.dataId.required), universe=ref.dimensions.universe)
    return DatasetRef(ref.datasetType, bare, run=ref.run, id=ref.id)
