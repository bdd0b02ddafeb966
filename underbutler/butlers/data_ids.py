"""Data IDs at submission: cast by the dimension's key type, and expanded to what exists.

No value leaves here as it was typed: ``"1"`` for a detector is 1, and a filter called ``48`` is a text. A range over a
dimension is a query of what exists, never a list.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from underbutler.errors import UnknownNameError, UsageError
from underbutler.instruments.header_values import filter_name
from underbutler.model.dataref import DataIdValue
from underbutler.model.ranges import Range

from .users_queries import check_length, faulty_query_told, parts_that_fit

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DataCoordinate, DatasetType, DimensionUniverse

__all__ = [
    "Constraint",
    "FoundDataIds",
    "Range",
    "cast_data_id",
    "cast_value",
    "expanded_exposures",
    "exposure_records",
    "find_data_ids",
    "instruments",
    "required_values",
]

_LARGEST_INT = 2**63 - 1


Constraint: TypeAlias = DataIdValue | Range
Exposure: TypeAlias = tuple[DataIdValue, DataIdValue]
"""Instrument and exposure."""


@dataclass(frozen=True, slots=True)
class FoundDataIds:
    """What a search of data IDs found.

    Parameters
    ----------
    data_ids
        Values of the required dimensions, ordered: keys as they were given, later keys vary fastest, keys that were not
        given last.
    missing
        Combinations of explicitly given values for which nothing exists.
    """

    data_ids: list[dict[str, DataIdValue]] = field(default_factory=list)
    missing: list[dict[str, DataIdValue]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.data_ids)

    def __iter__(self) -> Iterator[dict[str, DataIdValue]]:
        return iter(self.data_ids)


def cast_data_id(universe: DimensionUniverse, data_id: Mapping[str, DataIdValue]) -> dict[str, DataIdValue]:
    """Return the data ID with each value of its dimension's key type.

    Raises
    ------
    UnknownNameError
        If a key is not a dimension.
    UsageError
        If a value does not cast, naming dimension, value and expected type.
    """
    return {name: cast_value(universe, name, value) for name, value in data_id.items()}


def cast_value(universe: DimensionUniverse, name: str, value: DataIdValue) -> DataIdValue:
    """Return one value of a data ID, of the dimension's key type.

    Raises
    ------
    UnknownNameError
        If `name` is not a dimension.
    UsageError
        If the value does not cast.
    """
    expected = key_type(universe, name)
    if name == "physical_filter" and isinstance(value, str):
        value = filter_name(value)
    if expected is str and isinstance(value, int | str) and not isinstance(value, bool) and value != "":
        return _storable(name, str(value))
    if expected is int and not isinstance(value, bool):
        try:
            number = int(value)
        except (TypeError, ValueError):
            pass
        else:
            if number == value or isinstance(value, str):
                return _within_64_bits(name, number)
    raise UsageError(
        f"Dimension {name}: the value {value!r} is not of type {expected.__name__}. Give {_EXAMPLE[expected]}.",
        dimension=name,
        value=value,
        expected=expected.__name__,
    )


def key_type(universe: DimensionUniverse, name: str) -> type[int] | type[str]:
    """Return the type of a dimension's primary key.

    Raises
    ------
    UnknownNameError
        If `name` is not a dimension.
    """
    dimensions = universe.dimensions
    if name not in dimensions.names:
        known = dimensions.names - universe.skypix_dimensions.names
        raise UnknownNameError.of("dimension", name, known, _of_gen2(name))
    expected: type[int] | type[str] = dimensions[name].primaryKey.getPythonType()
    return expected


def find_data_ids(
    butler: Butler,
    dimensions: Sequence[str],
    constraints: Mapping[str, Sequence[Constraint]],
    *,
    dataset_type: str | None = None,
    collections: Sequence[str] = (),
    where: str = "",
    limit: int | None = None,
) -> FoundDataIds:
    """Find the data IDs that exist and meet all constraints.

    Parameters
    ----------
    butler
        Butler of the repository that is searched.
    dimensions
        Dimensions of the data IDs, e.g. ``("instrument", "detector", "exposure")``.
    constraints
        Values and ranges per dimension, in the order in which the user gave them. Dimensions outside of `dimensions`
        (``day_obs``, ``physical_filter``, ``band``) only select.
    dataset_type
        Dataset type that must exist in `collections` for a data ID to be found. One that is not registered, or that is
        a calibration, is an output: its data IDs are those of the dimension records.
    collections
        Collections that are searched for `dataset_type`.
    where
        A Butler query expression that selects further. A bare time in ISO form (``T'2026-11-20 22:00'``) is UTC.
    limit
        Return the first so many; None returns all.

    Raises
    ------
    UnknownNameError
        If a dimension or a collection does not exist.
    UsageError
        If a value does not cast, a range is over texts, or the query is none.
    """
    given = {name: _cast_constraints(butler.dimensions, name, values) for name, values in constraints.items()}
    for name in dimensions:
        key_type(butler.dimensions, name)
    wanted = butler.dimensions.conform(dimensions)
    joined = wanted.union(butler.dimensions.conform(given))
    if "instrument" in joined.names and "instrument" not in {*given, *_WORD.findall(where)}:
        given["instrument"] = _only_instrument(butler)
    searched = dataset_type if _is_input(butler, dataset_type) else None
    check_length(where)
    rows = [
        row
        for one in _one_instrument_each(given)
        for part in parts_that_fit(one, Range)
        for row in _query(butler, joined, part, where, searched=(searched, tuple(collections)))
    ]
    ordered = sorted(rows, key=_order(given, wanted.required))
    distinct = dict.fromkeys(tuple(row[name] for name in wanted.required) for row in ordered)
    data_ids = [dict(zip(wanted.required, values, strict=True)) for values in distinct]
    return FoundDataIds(data_ids if limit is None else data_ids[:limit], _missing(rows, given))


def instruments(butler: Butler) -> list[str]:
    """Return the instruments that are registered, sorted."""
    return sorted(record.name for record in butler.query_dimension_records("instrument", explain=False))


def exposure_records(butler: Butler, exposures: Iterable[Exposure]) -> dict[Exposure, Any]:
    """Return the exposure records of pairs of instrument and exposure; those that do not exist are left out."""
    return {key: one.records["exposure"] for key, one in expanded_exposures(butler, exposures).items()}


def expanded_exposures(butler: Butler, exposures: Iterable[Exposure]) -> dict[Exposure, DataCoordinate]:
    """Return the same exposures as data IDs with the records of all that they imply: filter, observing day, group."""
    coordinates = _exposures(butler, exposures)
    if not coordinates:
        return {}
    with butler.query() as query:
        found = query.join_data_coordinates(coordinates).data_ids(["exposure"]).with_dimension_records()
        return {(one["instrument"], one["exposure"]): one for one in found}


def _exposures(butler: Butler, exposures: Iterable[Exposure]) -> list[DataCoordinate]:
    from lsst.daf.butler import DataCoordinate

    return [
        DataCoordinate.standardize(instrument=instrument, exposure=exposure, universe=butler.dimensions)
        for instrument, exposure in dict.fromkeys(exposures)
    ]


def required_values(coordinate: DataCoordinate) -> dict[str, DataIdValue]:
    """Return the required values of a coordinate as a plain dict."""
    return {name: coordinate[name] for name in coordinate.dimensions.required}


_WORD = re.compile(r"\w+")
_EXAMPLE = {int: "an integer, for example 0", str: "a text"}


_GEN2: Final = {"ccd": "detector", "ccdnum": "detector", "dateObs": "day_obs", "filter": "physical_filter"}
"""Keys of Gen2's data IDs, and the dimensions that hold the same."""


def _of_gen2(name: str) -> str:
    return f"Gen2's {name!r} is {_GEN2[name]!r} here." if name in _GEN2 else ""


def _storable(name: str, text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError(f"Dimension {name}: the value {text!r} holds what no database takes.", dimension=name)
    return text


def _within_64_bits(name: str, number: int) -> int:
    if abs(number) > _LARGEST_INT:
        raise UsageError(f"Dimension {name}: the value {number} has over 64 bits.", dimension=name, value=number)
    return number


def _cast_constraints(universe: DimensionUniverse, name: str, values: Sequence[Constraint]) -> list[Constraint]:
    if not values:
        raise UsageError(f"Dimension {name} was given no value. Leave the key out to take all.", dimension=name)
    cast: list[Constraint] = []
    for value in values:
        if not isinstance(value, Range):
            cast.append(cast_value(universe, name, value))
        elif key_type(universe, name) is int:
            cast.append(Range(_within_64_bits(name, value.begin), _within_64_bits(name, value.end), value.step))
        else:
            raise UsageError(f"Dimension {name} holds texts; {value} is a range of integers.", dimension=name)
    return cast


def _only_instrument(butler: Butler) -> list[Constraint]:
    """Return the one instrument of the repository: the Butler answers no query that leaves it open."""
    known = instruments(butler)
    if len(known) != 1:
        raise UsageError(
            f"The data ID leaves the instrument open, and the repository has {', '.join(known) or 'none'}. "
            + ("Add instrument=NAME." if known else "Ingest frames first."),
            known=known,
        )
    return list(known)


def _one_instrument_each(given: Mapping[str, list[Constraint]]) -> list[dict[str, list[Constraint]]]:
    """Return the constraints once per instrument: a query is of one."""
    if "instrument" not in given:
        return [dict(given)]
    return [dict(given) | {"instrument": [name]} for name in dict.fromkeys(given["instrument"])]


def _is_input(butler: Butler, dataset_type: str | None) -> bool:
    from lsst.daf.butler import MissingDatasetTypeError

    if dataset_type is None:
        return False
    try:
        return not butler.get_dataset_type(dataset_type).isCalibration()
    except MissingDatasetTypeError:
        return False


def _query(
    butler: Butler,
    group: Any,
    given: Mapping[str, list[Constraint]],
    where: str,
    *,
    searched: tuple[str | None, tuple[str, ...]],
) -> list[dict[str, DataIdValue]]:
    from lsst.daf.butler import MissingCollectionError

    dataset_type, collections = searched
    names = sorted(group.names)
    try:
        with faulty_query_told(butler, where), butler.query() as query:
            if dataset_type is not None:
                query = query.join_dataset_search(dataset_type, collections)  # noqa: PLW2901 - a query is a value
            result = query.data_ids(group)
            for name, values in given.items():
                expression, bind = _expression(name, values)
                result = result.where(expression, bind=bind)
            if where:
                result = result.where(where)
            return [{name: row[name] for name in names} for row in result]
    except MissingCollectionError as error:
        raise unknown_collection(butler, collections) from error


def unknown_collection(butler: Butler, collections: Sequence[str]) -> UnknownNameError:
    """Return the error that names the first of `collections` that does not exist."""
    known = set(butler.collections.query("*"))
    missing = next((name for name in collections if name not in known), ", ".join(collections))
    return UnknownNameError.of("collection", missing, known)


def _expression(name: str, values: Sequence[Constraint]) -> tuple[str, dict[str, Any]]:
    parameter = f"given_{name}"
    if len(values) == 1 and not isinstance(values[0], Range):
        return f"{name} = {parameter}", {parameter: values[0]}
    listed = [value for value in values if not isinstance(value, Range)]
    terms = [f"{name} IN ({value})" for value in values if isinstance(value, Range)]
    if listed:
        terms.append(f"{name} IN ({parameter})")
    return " OR ".join(terms), {parameter: listed} if listed else {}


def _order(
    given: Mapping[str, list[Constraint]], required: Sequence[str]
) -> Callable[[Mapping[str, DataIdValue]], tuple[Any, ...]]:
    """Return the sort key of rows: keys and values as given, later keys fastest, other keys last."""
    listed = {name: _first_places(values) for name, values in given.items()}
    ranges = {
        name: [(place, one) for place, one in enumerate(values) if isinstance(one, Range)]
        for name, values in given.items()
    }

    def place(name: str, value: DataIdValue) -> int:
        explicit = listed[name].get(value, len(given[name]))
        return min([explicit, *(index for index, one in ranges[name] if value in one)])

    def key(row: Mapping[str, DataIdValue]) -> tuple[Any, ...]:
        by_given = [(place(name, row[name]), row[name]) for name in given]
        return (*by_given, *(row[name] for name in required if name not in given))

    return key


def _first_places(values: Sequence[Constraint]) -> dict[Constraint, int]:
    return {value: index for index, value in reversed(list(enumerate(values)))}


def _missing(
    rows: Sequence[Mapping[str, DataIdValue]], given: Mapping[str, list[Constraint]]
) -> list[dict[str, DataIdValue]]:
    listed = {name: [value for value in values if not isinstance(value, Range)] for name, values in given.items()}
    explicit = {name: values for name, values in listed.items() if len(values) == len(given[name])}
    if not explicit:
        return []
    present = {tuple(row[name] for name in explicit) for row in rows}
    combinations = dict.fromkeys(itertools.product(*explicit.values()))
    return [dict(zip(explicit, values, strict=True)) for values in combinations if values not in present]


def how_to_make(name: str, repo: str, dataset_type: DatasetType, data_id: Mapping[str, DataIdValue]) -> str:
    """Return the sentence that says how a calibration that is missing is made, or done without."""
    keys = " ".join(f"{key}={data_id[key]}" for key in sorted(dataset_type.dimensions.required) if key in data_id)
    capital = name[:1].upper() + name[1:]
    return (
        f"Make it with `underbutler submit make{capital} {repo} --id {keys} --inputId exposure=…`, or switch it off "
        f"with `-c do{capital}=false` if the task has that field."
    )
