"""The data reference that is bound to butlers: what a task's `runDataRef` gets."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from underbutler.errors import ConflictError, LostDatasetError, UsageError, suggest
from underbutler.instruments.extensions import parts_of_detector
from underbutler.instruments.instrument_map import InstrumentMap, shipped_maps
from underbutler.instruments.readout import FramePart
from underbutler.model.dataref import DataIdValue, DataRef, human_data_id
from underbutler.telemetry import tracing

from .calibration_cache import CalibrationCache
from .data_ids import find_data_ids, how_to_make, key_type, unknown_collection
from .lookup import Lookup
from .parts_choice import choosing_parts

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef, DatasetType

__all__ = ["BoundDataRef", "PutJournal", "bind"]

MASTERS = ("bias", "dark", "flat")
"""Calibrations of which a camera may have several at a time, one for each of its settings."""

PUT_TRIES = 3
"""How often a put prunes what a stopped claim wrote meanwhile, and puts again."""

T = TypeVar("T")


class PutJournal(Protocol):
    """Who is told of outputs: the records, in a worker."""

    def intend(self, refs: Sequence[DatasetRef]) -> None:
        """Note datasets that will be written; also again, before one that is in the way is pruned.

        Raises
        ------
        ConflictError
            If another target owns one of the UUIDs.
        FencedOutError
            If the claim was overtaken: then nothing is written or pruned.
        """

    def stored(self, ref: DatasetRef) -> None:
        """Note a dataset that has been written."""


def bind(
    ref: DataRef,
    butler: Butler,
    *,
    read_butler: Butler | None = None,
    journal: PutJournal | None = None,
    cache: CalibrationCache | None = None,
    declared: Mapping[str, Any] | None = None,
    on_missing_record: Callable[[str], None] | None = None,
    instrument_map: Callable[[str, str], InstrumentMap | None] | None = None,
) -> BoundDataRef:
    """Bind a reference to a butler, so that `get`, `put` and the others work.

    Parameters
    ----------
    ref
        The plain reference.
    butler
        Butler of ``ref.out``; writeable if the reference is.
    read_butler
        Butler of ``ref.repo``, if that is another repository.
    journal
        Is told of every output before it is written, and after.
    cache
        Keeps calibrations that were read.
    declared
        Dataset types that the task declares, by name; None allows every registered one.
    on_missing_record
        Called with a label whose dimension records are older than the data: the factory behind should be rebuilt. The
        bound butler is refreshed here.
    instrument_map
        Returns the map of an instrument, by label and instrument; None leaves the maps that ship.
    """
    out = Lookup(butler, ref.out, cache=cache, on_missing_record=on_missing_record)
    same = read_butler is None or read_butler is butler
    read = out if same else Lookup(read_butler, ref.repo, cache=cache, on_missing_record=on_missing_record)
    names = None if declared is None else frozenset(declared)
    return BoundDataRef(ref, _Binding(out, read, journal, names, instrument_map or _shipped_map))


def _shipped_map(_: str, instrument: str) -> InstrumentMap | None:
    return next((one for one in shipped_maps() if one.name == instrument), None)


class _Binding:
    """The butlers of one target, shared by its references."""

    def __init__(
        self,
        out: Lookup,
        read: Lookup,
        journal: PutJournal | None,
        declared: frozenset[str] | None,
        instrument_map: Callable[[str, str], InstrumentMap | None],
    ) -> None:
        self.out = out
        self.read = read
        self.journal = journal
        self.declared = declared
        self.instrument_map = instrument_map
        self.intended: set[uuid.UUID] = set()
        self.predicted: set[frozenset[tuple[str, DataIdValue]]] = set()


class BoundDataRef(DataRef):
    """A data reference with its butlers. Pickled, compared or encoded it is the plain value.

    `get` searches the output RUN first, then the reference's collections. `put` makes the dataset's UUID of run,
    dataset type and data ID, so that a second try writes the same dataset and not another.
    """

    _binding: _Binding

    def __init__(self, ref: DataRef, binding: _Binding) -> None:
        super().__init__(
            ref.repo,
            ref.data_id,
            collections=ref.collections,
            run=ref.run,
            dataset_type=ref.dataset_type,
            out=ref.out,
            universe=ref.universe,
        )
        object.__setattr__(self, "_binding", binding)

    def get(self, datasetType: str | None = None, **rest: DataIdValue) -> Any:
        """Read a dataset; `rest` are extra data ID values.

        Raises
        ------
        LostDatasetError
            If it does not exist: the text names type, data ID and the collections that were searched, and for a
            calibration how to make it.
        """
        name = self._type_name(datasetType)
        if name in MASTERS and {"exposure", "detector"} <= {*self.data_id, *rest}:
            return self._master(name, rest, has_bias=True)[0]
        for lookup, collections in self._places():
            data_id = self._data_id(lookup, rest)
            found = lookup.find(name, data_id, collections)
            if found is not None:
                with choosing_parts(partial(self._parts_of, found)):
                    return lookup.read(found)
        raise self._lost(name, self._data_id(self._binding.read, rest))

    def choose_master(self, name: str, *, has_bias: bool = True, **rest: DataIdValue) -> tuple[Any, str]:
        """Read the master of a frame: ``bias``, ``dark`` or ``flat``, chosen by how the camera was set.

        Parameters
        ----------
        name
            Dataset type.
        has_bias
            Whether the bias is subtracted from the frame: only then a dark may be scaled to another exposure time.
        **rest
            Extra data ID values.

        Returns
        -------
        master, warning
            The master, and what is to be said of it; an empty text if nothing is.

        Raises
        ------
        LostDatasetError
            If none fits; the field ``reason`` says in what the nearest one differs.
        """
        return self._master(name, rest, has_bias=has_bias)

    def origin_of(self, datasetType: str) -> tuple[uuid.UUID, str] | None:
        """Return UUID and RUN of the dataset of a type that was read last; None if none was."""
        return next((found for one, _ in self._places() if (found := one.origin_of(datasetType))), None)

    def put(self, obj: Any, datasetType: str | None = None, **rest: DataIdValue) -> uuid.UUID:
        """Write a dataset to `run` and return its UUID; `rest` are extra data ID values.

        Raises
        ------
        UsageError
            If the reference has no RUN, or the dataset type is not declared or not registered.
        ConflictError
            If another target owns the dataset.
        """
        name = self._type_name(datasetType)
        with tracing.span(f"put {name}"):
            ref = self._output(name, rest)
            self._intend(ref)
            self._write(obj, ref)
        if self._binding.journal is not None:
            self._binding.journal.stored(ref)
        identity: uuid.UUID = ref.id
        return identity

    def dataset_exists(self, datasetType: str | None = None, write: bool = False, **rest: DataIdValue) -> bool:
        """Tell whether a dataset and its artifact exist; with `write` look only in `run`."""
        name = self._type_name(datasetType)
        places = self._places()[:1] if write and self.run is not None else self._places()
        for lookup, collections in places:
            searched = (self.run,) if write and self.run is not None else collections
            found = lookup.find(name, self._data_id(lookup, rest), searched)
            if found is not None and lookup.is_stored(found):
                return True
        return False

    def get_uri(self, datasetType: str | None = None, write: bool = False, **rest: DataIdValue) -> str:
        """Return the URI of a dataset's artifact; with `write` where it would be put."""
        name = self._type_name(datasetType)
        if write:
            return str(self._binding.out.butler.getURI(self._output(name, rest), predict=True))
        for lookup, collections in self._places():
            found = lookup.find(name, self._data_id(lookup, rest), collections)
            if found is not None:
                return str(lookup.butler.getURI(found))
        raise self._lost(name, self._data_id(self._binding.read, rest))

    def sub_items(self, level: str | None = None) -> list[DataRef]:
        """Return references of all existing data IDs that are finer by the dimension `level`, sorted.

        With no `level`, finer by what the reference's dataset type has and its data ID lacks; empty if that is nothing.
        """
        read = self._binding.read
        dataset_type = read.dataset_type(self.dataset_type) if self.dataset_type else None
        own = set(self.data_id)
        if level is not None:
            key_type(read.butler.dimensions, level)
            finer = {level}
        else:
            finer = set() if dataset_type is None else set(dataset_type.dimensions.required) - own
        if not finer - own:
            return []
        found = find_data_ids(
            read.butler,
            sorted(own | finer),
            {name: [value] for name, value in self.data_id.items()},
            dataset_type=None if dataset_type is None else dataset_type.name,
            collections=self.collections,
        )
        return [BoundDataRef(self.replaced(data_id=dict(data_id)), self._binding) for data_id in found]

    def beside(self, ref: DataRef) -> BoundDataRef:
        """Return another reference of the same repositories and RUN, bound to the same butlers.

        Raises
        ------
        UsageError
            If it is of other repositories or another RUN.
        """
        if (ref.repo, ref.out, ref.run) != (self.repo, self.out, self.run):
            raise UsageError(f"The reference {ref} of {ref.repo!r} and {ref.run!r} needs butlers of its own: bind it.")
        return BoundDataRef(ref, self._binding)

    def instrument_map(self) -> InstrumentMap | None:
        """Return how raw headers of the reference's instrument are read; None if it names none, or none has a map."""
        instrument = self.data_id.get("instrument")
        return None if instrument is None else self._binding.instrument_map(self.repo, str(instrument))

    def getButler(self) -> Butler:
        """Return the butler that `put` writes to."""
        return self._binding.out.butler

    def _master(self, name: str, rest: Mapping[str, DataIdValue], *, has_bias: bool) -> tuple[Any, str]:
        own, collections = self._binding.read, self.collections
        if self.run is not None:
            made_here = self._binding.out.find(name, self._data_id(self._binding.out, rest), (self.run,))
            if made_here is not None:
                return self._binding.out.read(made_here), ""
        data_id = self._data_id(own, rest)
        choice = own.choose(name, data_id, collections, self.instrument_map(), has_bias=has_bias)
        if choice.master is None:
            raise self._lost(name, data_id, choice.reason)
        return own.read(choice.master.dataset), choice.warning

    def _parts_of(self, ref: DatasetRef, parts: Sequence[FramePart]) -> Sequence[FramePart]:
        """Return the images of a raw file that are of a dataset's detector."""
        return parts_of_detector(parts, self.instrument_map(), ref.dataId.get("detector"))

    def _type_name(self, given: str | None) -> str:
        name = given or self.dataset_type
        if name is None:
            raise UsageError(f"The reference {self} has no default dataset type: name one, for example get('raw').")
        return name

    def _places(self) -> list[tuple[Lookup, tuple[str, ...]]]:
        binding = self._binding
        run = () if self.run is None else (self.run,)
        if binding.read is binding.out:
            return [(binding.out, (*run, *self.collections))]
        return [(binding.out, run), (binding.read, self.collections)]

    def _data_id(self, lookup: Lookup, rest: Mapping[str, DataIdValue]) -> dict[str, DataIdValue]:
        if "doBackup" in rest:
            raise UsageError(
                "doBackup has no meaning here: a dataset is written once into its RUN collection, and a new job gets a "
                "new one. Leave the argument out.",
                argument="doBackup",
            )
        values = {key: value for key, value in rest.items() if key != "immediate"}  # Gen2's; every read is immediate
        return lookup.cast({**self.data_id, **values})

    def _output(self, name: str, rest: Mapping[str, DataIdValue]) -> DatasetRef:
        if self.run is None:
            raise UsageError(
                f"The reference {self} only reads: {name} cannot be put. Submit the task, or give the reference a run."
            )
        declared, out = self._binding.declared, self._binding.out
        dataset_type = out.dataset_type(name)
        if dataset_type is None or (declared is not None and name not in declared):
            raise self._undeclared(name)
        return out.output(dataset_type, self._data_id(out, rest), self.run)

    def _undeclared(self, name: str) -> UsageError:
        known = sorted(self._binding.declared or ())
        return UsageError(
            f"The dataset type {name!r} is not declared as an output.{suggest(name, known)} Declared: "
            f"{', '.join(known) or 'none'}. Add it to the task: datasetTypes = {{{name!r}: DatasetSpec(dimensions, "
            "storageClass)}.",
            dataset_type=name,
        )

    def _intend(self, ref: DatasetRef) -> None:
        binding = self._binding
        if binding.journal is None:
            return
        own = frozenset(self.data_id.items())
        refs = [ref] if own in binding.predicted else [ref, *self._predicted()]
        new = {one.id: one for one in refs if one.id not in binding.intended}
        if new:
            binding.journal.intend(list(new.values()))
            binding.intended.update(new)
        binding.predicted.add(own)

    def _predicted(self) -> list[DatasetRef]:
        """Return the outputs that declaration and data ID tell before the first put."""
        assert self.run is not None
        out = self._binding.out
        data_id = out.cast(dict(self.data_id))
        types = [out.dataset_type(name) for name in sorted(self._binding.declared or ())]
        known: list[DatasetType] = [one for one in types if one is not None]
        return [
            out.output(one, data_id, self.run) for one in known if one.dimensions.required and out.covers(data_id, one)
        ]

    def _write(self, obj: Any, ref: DatasetRef) -> None:
        from lsst.daf.butler.registry import ConflictingDefinitionError

        for tries_left in reversed(range(PUT_TRIES)):
            try:
                self._binding.out.write(obj, ref)
            except ConflictingDefinitionError as error:
                if not tries_left:
                    raise ConflictError(
                        f"{ref.datasetType.name} of {human_data_id(dict(ref.dataId.required))} in {ref.run} is written "
                        f"by someone else at the same time: {PUT_TRIES} tries met it again. Cancel the other job.",
                        dataset=str(ref.id),
                    ) from error
                if self._binding.journal is not None:
                    self._binding.journal.intend([ref])  # a claim that was overtaken prunes nothing of its successor
                self._binding.out.prune(ref, error)
            else:
                return

    def _lost(self, name: str, data_id: Mapping[str, DataIdValue], reason: str = "") -> LostDatasetError:
        read = self._binding.read
        searched = [*(() if self.run is None else (self.run,)), *self.collections]
        known = set(read.butler.collections.query("*"))
        absent = [collection for collection in self.collections if collection not in known]
        if absent:
            cause = unknown_collection(read.butler, absent)
            return LostDatasetError(str(cause), dataset_type=name, data_id=dict(data_id), collections=searched)
        dataset_type = read.dataset_type(name)
        if dataset_type is not None:
            read.coordinate(dataset_type, data_id)  # raises when it is the exposure or the detector that is unknown
        words = f"for {human_data_id(data_id)} in {', '.join(searched) or 'no collection'} of {self.repo}"
        if dataset_type is not None and dataset_type.isCalibration():
            because = f": {reason}" if reason else ""
            text = f"No {name} is valid {words}{because}. {how_to_make(name, self.repo, dataset_type, data_id)}"
        elif dataset_type is None:
            text = f"No {name} {words}: no dataset type of that name is registered. Run the task that makes it first."
        else:
            text = f"No {name} {words}. Ingest it, run the task that makes it, or search other --collections."
        return LostDatasetError(text, dataset_type=name, data_id=dict(data_id), collections=searched, reason=reason)
