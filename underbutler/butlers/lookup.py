"""One butler's answers to a data reference: what a data ID means here, and which dataset it names.

Everything foreign is translated here. A dimension record that is not found is looked up a second time after this
butler's caches have been refreshed: instruments, detectors and filters that were registered after the factory was made
stay invisible to it otherwise.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from underbutler.errors import ConflictError, LostDatasetError, UsageError
from underbutler.model.dataref import DataIdValue, human_data_id

from .calibration_cache import CalibrationCache
from .data_ids import cast_data_id
from .masters import Masters, chosen_for
from .pruning import prune_datasets
from .translation import translate_butler_errors, unwrap_formatter_errors

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DataCoordinate, DatasetRef, DatasetType

    from underbutler.instruments.instrument_map import InstrumentMap
    from underbutler.instruments.master_choice import Choice

__all__ = ["Lookup"]

T = TypeVar("T")


class Lookup:
    """Reads data IDs, dataset types and datasets of one butler, for one target.

    Parameters
    ----------
    butler
        The butler; it belongs to one thread.
    label
        Label of its repository.
    cache
        Keeps calibrations that were read.
    on_missing_record
        Called with the label, once, when dimension records turn out to be older than the data.
    """

    def __init__(
        self,
        butler: Butler,
        label: str,
        *,
        cache: CalibrationCache | None = None,
        on_missing_record: Callable[[str], None] | None = None,
    ) -> None:
        self.butler = butler
        self.label = label
        self._cache = cache
        self._on_missing_record = on_missing_record
        self._last_read: dict[str, DatasetRef] = {}
        self._refreshed = False
        self._types: dict[str, DatasetType] = {}
        self._coordinates: dict[tuple[tuple[str, DataIdValue], ...], DataCoordinate] = {}
        self._masters: dict[tuple[str, ...], Masters] = {}

    def cast(self, data_id: Mapping[str, DataIdValue]) -> dict[str, DataIdValue]:
        """Return a data ID with each value of its dimension's key type."""
        return cast_data_id(self.butler.dimensions, data_id)

    def dataset_type(self, name: str) -> DatasetType | None:
        """Return a registered dataset type (or a component of one), or None."""
        from lsst.daf.butler import MissingDatasetTypeError

        if name not in self._types:
            try:
                self._types[name] = self.butler.get_dataset_type(name)
            except MissingDatasetTypeError:
                return None
        return self._types[name]

    def expand(self, data_id: Mapping[str, DataIdValue]) -> DataCoordinate:
        """Return the coordinate of a cast data ID, with dimension records.

        Raises
        ------
        LostDatasetError
            If the repository has no such instrument, detector, exposure …
        UsageError
            If a required dimension has no value.
        """
        from lsst.daf.butler import DataIdValueError, DimensionNameError

        key = tuple(sorted(data_id.items()))
        if key not in self._coordinates:
            try:
                with translate_butler_errors(self.label):
                    self._coordinates[key] = self.fresh(lambda: self.butler.registry.expandDataId(dict(data_id)))
            except DataIdValueError as error:
                raise LostDatasetError(
                    f"The repository {self.label!r} does not know {human_data_id(data_id)}: {error} Ingest its frames "
                    "first.",
                    data_id=dict(data_id),
                    repo=self.label,
                ) from error
            except DimensionNameError as error:
                raise UsageError(f"The data ID {human_data_id(data_id)} is not complete: {error.args[0]}") from error
        return self._coordinates[key]

    def covers(self, data_id: Mapping[str, DataIdValue], dataset_type: DatasetType) -> bool:
        """Tell whether a data ID has, or implies, every dimension of a dataset type."""
        group = self.butler.dimensions.conform(data_id)
        return bool(dataset_type.dimensions <= group)

    def coordinate(self, dataset_type: DatasetType, data_id: Mapping[str, DataIdValue]) -> DataCoordinate:
        """Return the part of a data ID that a dataset type has, with dimension records.

        Raises
        ------
        UsageError
            If the data ID lacks a dimension, naming it.
        """
        if not self.covers(data_id, dataset_type):
            group = self.butler.dimensions.conform(data_id)
            lacking = sorted(name for name in dataset_type.dimensions.required if name not in group)
            raise UsageError(
                f"The dataset type {dataset_type.name!r} needs {', '.join(lacking)}, which the data ID "
                f"{human_data_id(data_id)} lacks. Give it: get({dataset_type.name!r}, {lacking[0]}=…).",
                dataset_type=dataset_type.name,
                lacking=lacking,
            )
        return self.expand(data_id).subset(dataset_type.dimensions)

    def find(self, name: str, data_id: Mapping[str, DataIdValue], collections: Sequence[str]) -> DatasetRef | None:
        """Return the dataset that a data ID names in the first collection that has it, or None.

        A calibration is the one that is valid at the exposure of the data ID.

        Raises
        ------
        UsageError
            If a calibration is not decided by the data ID.
        """
        from lsst.daf.butler import CalibrationLookupError, MissingCollectionError

        dataset_type = self.dataset_type(name)
        if dataset_type is None or not collections:
            return None
        try:
            coordinate = self.coordinate(dataset_type, data_id)
        except LostDatasetError:
            return None
        options: dict[str, Any] = {}
        if dataset_type.isCalibration():
            options["timespan"] = self._timespan(data_id)
        try:
            with translate_butler_errors(self.label):
                return self.butler.find_dataset(dataset_type, coordinate, collections=list(collections), **options)
        except MissingCollectionError:
            return self._find_in_existing(dataset_type, coordinate, collections, options)
        except CalibrationLookupError as error:
            raise UsageError(
                f"More than one {name} is valid for {human_data_id(data_id)}: {error} Give an exposure.",
                dataset_type=name,
            ) from error

    def choose(
        self,
        name: str,
        data_id: Mapping[str, DataIdValue],
        collections: Sequence[str],
        instrument: InstrumentMap | None,
        *,
        has_bias: bool,
    ) -> Choice:
        """Choose the master of a frame.

        Parameters
        ----------
        name
            Dataset type: ``bias``, ``dark`` or ``flat``.
        data_id
            Data ID of the frame.
        collections
            What is searched.
        instrument
            Map of its instrument, or None.
        has_bias
            Whether the bias is subtracted from the frame.

        Raises
        ------
        LostDatasetError
            If the repository does not know the exposure or the detector.
        """
        masters = self._masters.get(tuple(collections))
        if masters is None:
            masters = self._masters[tuple(collections)] = Masters(self.butler, self.label, collections, self._cache)
        frame = self.expand({key: data_id[key] for key in ("instrument", "exposure", "detector")})
        raw = self.find("raw", data_id, collections)
        return chosen_for(masters, name, frame, raw, instrument, has_bias=has_bias)

    def origin_of(self, name: str) -> tuple[uuid.UUID, str] | None:
        """Return UUID and RUN of the dataset of a type that was read last, or None."""
        ref = self._last_read.get(name)
        return None if ref is None else (ref.id, ref.run)

    def read(self, ref: DatasetRef) -> Any:
        """Read a dataset; a calibration through the cache.

        Raises
        ------
        LostDatasetError
            If its artifact is gone.
        """
        self._last_read[ref.datasetType.name] = ref
        if self._cache is None or not ref.datasetType.isCalibration():
            return self._read(ref)
        return self._cache.get(ref.id, lambda: self._read(ref), ref.datasetType.component() or "")

    def write(self, obj: Any, ref: DatasetRef) -> None:
        """Write a dataset.

        Raises
        ------
        UsageError
            If its formatter refuses the object.
        """
        with unwrap_formatter_errors(), translate_butler_errors(self.label):
            self.butler.put(obj, ref)

    def is_stored(self, ref: DatasetRef) -> bool:
        """Tell whether the datastore has a dataset's artifact."""
        return bool(self.butler.exists(ref, full_check=True))

    def output(self, dataset_type: DatasetType, data_id: Mapping[str, DataIdValue], run: str) -> DatasetRef:
        """Return the reference of an output: its UUID is made of run, dataset type and data ID."""
        from lsst.daf.butler import DatasetIdGenEnum, DatasetRef

        return DatasetRef(
            dataset_type,
            self.coordinate(dataset_type, data_id),
            run=run,
            id_generation_mode=DatasetIdGenEnum.DATAID_TYPE_RUN,
        )

    def prune(self, ref: DatasetRef, cause: Exception) -> None:
        """Remove what a stopped claim of the same target left under this UUID.

        Raises
        ------
        ConflictError
            If it is not this UUID that is in the way.
        """
        other = self.butler.find_dataset(ref.datasetType, ref.dataId, collections=[ref.run])
        if other is not None and other.id != ref.id:
            raise ConflictError(
                f"The RUN collection {ref.run} has another {ref.datasetType.name} of "
                f"{human_data_id(dict(ref.dataId.required))}: {other.id}, which no task wrote. Choose another -o RUN.",
                dataset=str(other.id),
            ) from cause
        if self._is_in_transaction():
            raise ConflictError(
                f"The dataset {ref.id} ({ref.datasetType.name}) exists already and cannot be replaced inside "
                "butler.transaction(): a rollback would bring back the row and not the file. Put it outside.",
                dataset=str(ref.id),
            ) from cause
        with translate_butler_errors(self.label):
            prune_datasets(self.butler, [ref])

    def fresh(self, ask: Callable[[], T]) -> T:
        """Return an answer that needs dimension records, asked again after a refresh if one is not found."""
        from lsst.daf.butler import DataIdValueError

        try:
            return ask()
        except DataIdValueError:
            if not self._refresh():
                raise
        except LookupError as error:
            if "record with data ID" not in str(error) or not self._refresh():
                raise
        return ask()

    def _refresh(self) -> bool:
        if self._refreshed:
            return False
        self._refreshed = True
        self._coordinates.clear()
        self.butler.registry.refresh()
        if self._on_missing_record is not None:
            self._on_missing_record(self.label)
        return True

    def _is_in_transaction(self) -> bool:
        database = getattr(getattr(self.butler, "_registry", None), "_db", None)
        return database is not None and bool(database.isInTransaction())

    def _timespan(self, data_id: Mapping[str, DataIdValue]) -> Any:
        from lsst.daf.butler import Timespan

        return self.expand(data_id).timespan or Timespan(None, None)

    def _find_in_existing(
        self, dataset_type: DatasetType, coordinate: DataCoordinate, collections: Sequence[str], options: dict[str, Any]
    ) -> DatasetRef | None:
        known = set(self.butler.collections.query("*"))
        existing = [name for name in collections if name in known]
        if not existing:
            return None
        return self.butler.find_dataset(dataset_type, coordinate, collections=existing, **options)

    def _read(self, ref: DatasetRef) -> Any:
        try:
            with unwrap_formatter_errors(), translate_butler_errors(self.label):
                return self.fresh(lambda: self.butler.get(ref))
        except FileNotFoundError as error:
            raise LostDatasetError(
                f"The artifact of {ref.datasetType.name} {human_data_id(dict(ref.dataId.required))} ({ref.id}) in "
                f"{ref.run} is gone from the datastore: {error}. Make it again.",
                dataset=str(ref.id),
            ) from error
