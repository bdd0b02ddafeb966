"""What one id argument holds: the data IDs that were named, and references of those that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from underbutler.butlers.bound import bind
from underbutler.butlers.data_ids import Range, find_data_ids, instruments
from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.dataref import DataRef, human_data_id

from .id_values import TARGET_LIMIT, cast_given, cross_product, product_size

if TYPE_CHECKING:
    import argparse

    from lsst.daf.butler import Butler

    from underbutler.butlers.bound import BoundDataRef
    from underbutler.butlers.data_ids import Constraint, FoundDataIds
    from underbutler.model.dataref import DataIdValue
    from underbutler.pipe.datasets import DatasetSpec

__all__ = ["DataIdContainer"]

_SHOWN = 5


class DataIdContainer:
    """Data IDs and references of one id argument, e.g. ``parsedCmd.id``.

    Parameters
    ----------
    level
        Dimension at which references are made, e.g. ``exposure``; None takes the dimensions of the dataset type.

    Attributes
    ----------
    idList
        Data IDs as named, cast, in the order of the command line, later keys varying fastest; a range over a big
        dimension is there as the values that exist.
    refList
        References of the data IDs that exist, complete and bound, in the same order.
    dimensions
        Required dimensions of the references.
    """

    def __init__(self, level: str | None = None) -> None:
        self.level = level
        self.datasetType: str | None = None
        self.option = "--id"
        self.given: list[Mapping[str, Sequence[str | Range]]] = []
        self.idList: list[dict[str, DataIdValue]] = []
        self.refList: list[BoundDataRef] = []
        self.dimensions: tuple[str, ...] | None = None
        self._found: list[dict[str, DataIdValue]] = []

    def setDatasetType(self, datasetType: str) -> None:
        """Set the dataset type whose data IDs these are."""
        self.datasetType = datasetType

    def makeDataRefList(self, namespace: argparse.Namespace) -> None:
        """Make `refList`: one bound reference per data ID that was found."""
        universe = namespace.butler.dimensions
        for data_id in self._found:
            ref = DataRef(
                namespace.repo,
                data_id,
                collections=namespace.collections,
                run=namespace.run,
                dataset_type=self.datasetType,
                out=namespace.out,
                universe=(universe.namespace, universe.version),
            )
            first = self.refList[0] if self.refList else None
            self.refList.append(bind(ref, namespace.butler) if first is None else first.beside(ref))

    def named(self, butler: Butler, *, may_be_many: bool) -> None:
        """Fill `idList` with what was named, without asking what exists.

        Raises
        ------
        UsageError
            If a key is not a dimension, a value does not cast, or there are too many.
        """
        for words in self.given:
            given = self._cast(butler, words, may_be_many=may_be_many)
            if any(isinstance(value, Range) for value in _values(given)):
                found = find_data_ids(butler, list(given), given)
                self.idList += _projected(found, given)
            else:
                self.idList += cross_product(given)  # type: ignore[arg-type]  # no range is in it
        self.idList = _distinct(self.idList)
        self._refuse_many(len(self.idList), may_be_many=may_be_many)

    def search(
        self,
        namespace: argparse.Namespace,
        declared: Mapping[str, DatasetSpec],
        where: str,
        log: Any,
    ) -> None:
        """Fill `idList` and the data IDs of `makeDataRefList` with what exists.

        Parameters
        ----------
        namespace
            The parsed command, with its butler and collections.
        declared
            The task's outputs: a dataset type among them need not exist, its data IDs are those of the dimensions.
        where
            A Butler query expression that selects further.
        log
            Is told of repetitions, and of data IDs that do not exist, if that is allowed.

        Raises
        ------
        UsageError
            If a key is not a dimension, a value does not cast, the dataset type is not known, something that was named
            does not exist (unless ``--allow-empty``), or there is too much (unless ``--yes``).
        """
        butler = namespace.butler
        self.setDimensions(butler, declared)
        assert self.dimensions is not None
        searched = None if self.datasetType in declared else self.datasetType
        for words in self.given or ([{}] if where else []):
            given = self._cast(butler, words, may_be_many=namespace.yes)
            found = find_data_ids(
                butler,
                self.dimensions,
                given,
                dataset_type=searched,
                collections=namespace.collections,
                where=where,
            )
            self._check_found(found, given, where, namespace, log)
            self._found += [_ordered(data_id, given) for data_id in found]
            self.idList += _projected(found, given or dict.fromkeys(self.dimensions, ()))
        before = len(self._found)
        self._found, self.idList = _distinct(self._found), _distinct(self.idList)
        if len(self._found) < before:
            log.warning(
                "%s: %d data IDs were named more than once; each is taken once.", self.option, before - len(self._found)
            )
        self._refuse_many(len(self._found), may_be_many=namespace.yes)

    def instruments(self) -> list[str]:
        """Return the instruments that were named, in order."""
        named = (value for words in self.given for value in words.get("instrument", ()))
        return list(dict.fromkeys(value for value in named if isinstance(value, str)))

    def _cast(
        self, butler: Butler, words: Mapping[str, Sequence[str | Range]], *, may_be_many: bool
    ) -> dict[str, list[Constraint]]:
        given = cast_given(butler.dimensions, words)
        self._refuse_many(product_size(given), may_be_many=may_be_many)
        return given

    def _refuse_many(self, number: int, *, may_be_many: bool) -> None:
        if number > TARGET_LIMIT and not may_be_many:
            raise UsageError(
                f"{self.option} names {number} data IDs, more than {TARGET_LIMIT}. Narrow it, or pass --yes.",
                number=number,
            )

    def setDimensions(self, butler: Butler, declared: Mapping[str, DatasetSpec]) -> None:
        """Set `dimensions`: those of the level, or of the dataset type, which is registered or declared.

        Raises
        ------
        UnknownNameError
            If there is no such dimension or dataset type.
        """
        self.dimensions = self._required(butler, declared)

    def _required(self, butler: Butler, declared: Mapping[str, DatasetSpec]) -> tuple[str, ...]:
        from lsst.daf.butler import MissingDatasetTypeError

        universe = butler.dimensions
        if self.level is not None:
            if self.level not in universe.dimensions.names:
                raise UnknownNameError.of("dimension", self.level, universe.dimensions.names)
            return tuple(universe.conform([self.level]).required)
        name = self.datasetType
        if name is None:
            raise UsageError(f"{self.option} has no dataset type: give add_id_argument one.")
        try:
            return tuple(butler.get_dataset_type(name).dimensions.required)
        except MissingDatasetTypeError:
            if name in declared:
                return tuple(universe.conform(declared[name].dimensions).required)
            known = [kind.name for kind in butler.registry.queryDatasetTypes("*")]
            raise UnknownNameError.of(
                "dataset type",
                name,
                known,
                f"Ingest frames first, or declare it in the task's datasetTypes ({self.option}).",
            ) from None

    def _check_found(
        self, found: FoundDataIds, given: Mapping[str, Any], where: str, namespace: argparse.Namespace, log: Any
    ) -> None:
        """Refuse what was named and does not exist; of a query (a range, ``-d``) something must, the rest is said."""
        if not found.missing and len(found):
            return
        is_query = bool(where) or any(isinstance(value, Range) for value in _values(given))
        _check_instruments(namespace.butler, given)
        text = self._nothing(found, given, where, namespace)
        if not namespace.allowEmpty and not (is_query and len(found)):
            raise UsageError(
                f"{text} See what exists with --show data, or pass --allow-empty to go on without.",
                option=self.option,
                missing=found.missing,
            )
        log.warning(text)

    def _nothing(
        self, found: FoundDataIds, given: Mapping[str, Sequence[Any]], where: str, namespace: argparse.Namespace
    ) -> str:
        kind = "data ID" if self.datasetType is None else self.datasetType
        place = f"in {', '.join(namespace.collections) or 'no collection'} of {namespace.repo!r}"
        if found.missing and len(found):
            named = "; ".join(human_data_id(data_id) for data_id in found.missing[:_SHOWN])
            more = f" and {len(found.missing) - _SHOWN} more" if len(found.missing) > _SHOWN else ""
            return f"{self.option}: no {kind} {place} for {named}{more}."
        words = " ".join(f"{key}={'^'.join(map(str, values))}" for key, values in given.items())
        asked = " and ".join(part for part in (words, f"-d {where!r}" if where else "") if part)
        hint = " Gen2's visit is the dimension exposure here." if "visit" in given else ""
        return f"{self.option}: no {kind} {place} matches {asked or 'at all'}.{hint}"


def _values(given: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    return (value for values in given.values() for value in values)


def _projected(found: FoundDataIds, given: Mapping[str, Any]) -> list[dict[str, DataIdValue]]:
    """Return what was found, reduced to the keys that were given, without repetitions."""
    keys = [key for key in given if not len(found) or key in found.data_ids[0]]
    return _distinct([{key: data_id[key] for key in keys} for data_id in found])


def _distinct(data_ids: Sequence[dict[str, DataIdValue]]) -> list[dict[str, DataIdValue]]:
    first: dict[tuple[Any, ...], dict[str, DataIdValue]] = {}
    for data_id in data_ids:
        first.setdefault(tuple(sorted(data_id.items())), data_id)
    return list(first.values())


def _ordered(data_id: Mapping[str, DataIdValue], given: Mapping[str, Any]) -> dict[str, DataIdValue]:
    """Return a data ID with its keys in the order of the command line, the others last: as people will read it."""
    return {key: data_id[key] for key in dict.fromkeys([*given, *data_id]) if key in data_id}


def _check_instruments(butler: Butler, given: Mapping[str, Sequence[Any]]) -> None:
    known = instruments(butler)
    for name in given.get("instrument", ()):
        if name not in known:
            raise UnknownNameError.of("instrument", str(name), known)
