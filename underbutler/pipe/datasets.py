"""What a task says of its outputs: Gen2 mappers declared dataset types, now the task does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underbutler.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetType, DimensionUniverse

__all__ = ["DatasetSpec", "register_dataset_types"]


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """One dataset type that a task puts.

    Parameters
    ----------
    dimensions
        Dimensions of its data ID, e.g. ``("instrument", "exposure", "detector")``.
    storageClass
        Butler storage class, e.g. ``CcdImage``.
    large
        Whether its datasets are delivered to the annex; None leaves it to their size.
    isCalibration
        Whether it may be certified into a calibration collection.
    """

    dimensions: tuple[str, ...]
    storageClass: str
    large: bool | None = None
    isCalibration: bool = False

    def __post_init__(self) -> None:
        dimensions: object = self.dimensions
        if isinstance(dimensions, str) or not isinstance(dimensions, Iterable):
            raise UsageError(f"DatasetSpec takes a sequence of dimension names, not {dimensions!r}.")
        object.__setattr__(self, "dimensions", tuple(dimensions))

    def dataset_type(self, name: str, universe: DimensionUniverse) -> DatasetType:
        """Return the Butler's dataset type of this name.

        Raises
        ------
        UsageError
            If a dimension or the storage class does not exist.
        """
        from lsst.daf.butler import DatasetType

        for dimension in self.dimensions:
            if dimension not in universe.dimensions.names:
                raise UsageError(
                    f"Dataset type {name!r} is declared with the dimension {dimension!r}, which the repository's "
                    "universe does not have. Correct the task's datasetTypes.",
                    dataset_type=name,
                    dimension=dimension,
                )
        return DatasetType(name, universe.conform(self.dimensions), self.storageClass, isCalibration=self.isCalibration)


def register_dataset_types(butler: Butler, specs: Mapping[str, DatasetSpec]) -> None:
    """Register dataset types with a writeable butler; those that are registered alike stay as they are.

    All are checked before the first is registered. Processes may race: one registers, the others find it done.

    Raises
    ------
    ConflictError
        If one is registered with another definition.
    UsageError
        If a dimension or storage class does not exist.
    """
    wanted = {name: spec.dataset_type(name, butler.dimensions) for name, spec in specs.items()}
    missing = [kind for kind in wanted.values() if not _is_registered(butler, kind)]
    for kind in missing:
        butler.registry.registerDatasetType(kind)


def _is_registered(butler: Butler, wanted: Any) -> bool:
    from lsst.daf.butler import MissingDatasetTypeError

    try:
        wanted.storageClass  # noqa: B018 - looks the class up
    except KeyError as error:
        raise UsageError(
            f"Dataset type {wanted.name!r} is declared with the storage class {wanted.storageClass_name!r}, which the "
            "repository does not know. Add it with `underbutler repo upgrade-config`, or correct datasetTypes.",
            dataset_type=wanted.name,
            storage_class=wanted.storageClass_name,
        ) from error
    try:
        registered = butler.get_dataset_type(wanted.name)
    except MissingDatasetTypeError:
        return False
    if registered != wanted:
        raise ConflictError(
            f"Dataset type {wanted.name!r} is registered as {_words(registered)}; the task declares {_words(wanted)}. "
            "Declare it alike, or give the task's output another name.",
            dataset_type=wanted.name,
        )
    return True


def _words(kind: Any) -> str:
    calibration = ", a calibration" if kind.isCalibration() else ""
    return f"{kind.storageClass_name} over ({', '.join(kind.dimensions.required)}){calibration}"
