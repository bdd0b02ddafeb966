"""One stream of a run: what is read into arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self

from underbutler.errors import UsageError
from underbutler.model.identity import short_id

from .arrays.conversion import Selection, to_dataset
from .arrays.external import ExternalData
from .arrays.filling import Fill, Fillers, check_fill
from .arrays.partitions import Partition, cut_into_partitions, nominal_rows
from .configuration import Configuration
from .documents import Descriptor, Start, Stop
from .entry import Entry, NotPersistedError
from .presentation import stream_html, stream_text
from .replay import Replay
from .source import RunSource
from .transforms import Transform, parse_transforms, transformed, unchanged

if TYPE_CHECKING:
    import xarray

__all__ = ["BlueskyEventStream", "SelectionError"]


class SelectionError(UsageError, ValueError):
    """What shall be read of a stream contradicts itself."""


class BlueskyEventStream(Entry):
    """One stream of a run. Nothing of it is kept: read again, it has the events that came meanwhile.

    Parameters
    ----------
    stream_name
        Such as ``primary``.
    source
        Where the run's documents come from.
    fillers
        Fillers by ``yes``, ``no`` and ``delayed``; made of all known handlers when None.
    transforms
        See `parse_transforms`.
    metadata
        What else is known: the ``start`` document at least.
    include, exclude
        Fields that are read, or not; names that the stream does not have are ignored. Give one of them.
    sub_dict
        ``data`` or ``timestamps``.
    configuration_for
        Read the configuration of this object instead of the stream's fields.
    **kwargs
        ``name``, ``description`` and other words of intake's catalogues; kept, and not used.

    Raises
    ------
    SelectionError
        If both ``include`` and ``exclude`` are given, or ``sub_dict`` is neither of the two (also a `ValueError`).
    """

    def __init__(
        self,
        stream_name: str,
        source: RunSource,
        fillers: Mapping[str, Any] | None = None,
        transforms: Mapping[str, Transform | str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        include: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
        sub_dict: str = "data",
        configuration_for: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._arguments = {key: value for key, value in locals().items() if key not in {"self", "kwargs", "__class__"}}
        self._take_options(kwargs)
        _check_selection(include, exclude, sub_dict)
        self.stream_name = stream_name
        self.include, self.exclude = include, exclude
        self.fillers = Fillers.adopt(fillers)
        self._transforms = parse_transforms(transforms)
        self._metadata = dict(metadata or {})
        self.source = source
        self.external = ExternalData(self.source, self.fillers, self._transforms["resource"])
        self.selection = Selection(
            stream=stream_name,
            run=str(_start_of(self._metadata).get("uid", "")),
            include=None if include is None else frozenset(include),
            exclude=frozenset(exclude or ()),
            sub_dict="timestamps" if sub_dict == "timestamps" else "data",
            configuration_for=configuration_for,
        )

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.stream_name

    @property
    def descriptors(self) -> list[Descriptor]:
        """The stream's descriptors, the earliest first, as their transform makes them."""
        found = {}
        for document in self.source.get_event_descriptors():
            if document.get("name", "primary") == self.stream_name:
                found[document["uid"]] = transformed(document, Descriptor, self._transforms["descriptor"])
        return sorted(found.values(), key=lambda descriptor: descriptor.get("time", 0.0))

    @property
    def metadata(self) -> dict[str, Any]:
        """What is known of the stream: ``start``, ``stop`` (None while the run is open), ``descriptors``."""
        stop = self.source.get_run_stop()
        return {
            **self._metadata,
            "stop": None if stop is None else transformed(stop, Stop, self._transforms["stop"]),
            "descriptors": self.descriptors,
        }

    def read(self) -> xarray.Dataset:
        """Return the stream as arrays in memory, event by event along ``time``.

        Raises
        ------
        FieldError
            If the values of a field are not what the descriptor says; the field is named.
        NoHandlerError, DataGoneError, DataAwayError, UnreadableDataError
            If an external value cannot be read; the event and the URL are named.
        """
        return self._dataset(lazy=False)

    def to_dask(self) -> xarray.Dataset:
        """Return the stream with arrays that are read when they are computed.

        External values are fetched one event at a time, and only those that are asked for. Large arrays that are in the
        events are read some events at a time. Scalars are in memory.
        """
        return self._dataset(lazy=True)

    @property
    def config(self) -> Configuration[Self]:
        """The configuration of each object, as streams: ``stream.config["camera"].read()``."""
        return Configuration(self, "data")

    @property
    def config_timestamps(self) -> Configuration[Self]:
        """When the configuration of each object was read, as streams."""
        return Configuration(self, "timestamps")

    @property
    def timestamps(self) -> Self:
        """When each field was read, as a stream."""
        return self._new(sub_dict="timestamps")

    @property
    def npartitions(self) -> int:
        """How many partitions `read_partition` has, of the size that it chooses."""
        return len(self._partitions(self.rows_per_partition("auto")))

    def read_partition(
        self, partition: int | Mapping[str, Any], *, fill: Fill = "yes", partition_size: int | str = "auto"
    ) -> list[tuple[str, Any]]:
        """Return the documents of some events, with the resources and datums that they point to.

        Partition 0 begins with the start document and the stream's descriptors. The number of partitions grows while
        the run is open.

        Parameters
        ----------
        partition
            Its number, or a mapping of ``index``, ``fill`` and ``partition_size`` as databroker's clients send it; then
            a number past the end gives no documents.
        fill
            ``yes``, ``no`` or ``delayed``.
        partition_size
            How many events are in one; about 16 MiB of them when ``auto``.

        Raises
        ------
        PartitionIndexError
            If there is no such partition (also an `IndexError`).
        PartitionSizeError
            If the size is not a positive number (also a `ValueError`).
        FillChoiceError
            If ``fill`` is not a valid choice (also a `ValueError`).
        """
        asked = Partition.of(partition, fill, partition_size)
        check_fill(asked.fill)
        partitions = self._partitions(self.rows_per_partition(asked.size or "auto"))
        if not 0 <= asked.index < len(partitions):
            if asked.lenient:
                return []
            raise asked.there_is_none(self.selection, len(partitions))
        descriptors = self.descriptors
        replay = Replay(self.source, self.external, descriptors, asked.fill)
        pairs: list[tuple[str, Any]] = []
        if asked.index == 0:
            start = _start_of(self._metadata)
            pairs = [("start", start)] if start else []
            pairs += [("descriptor", descriptor) for descriptor in descriptors]
        for uid, skip, limit in partitions[asked.index]:
            for page in self.source.get_event_pages(uid, skip, limit):
                pairs.extend(replay.page(page))
        return pairs

    def configure_new(self, **kwargs: Any) -> Self:
        """Return this stream; or, if there are arguments, another that differs in them.

        Parameters
        ----------
        **kwargs
            Parameters of the class: ``include=["fwhm"]``. What was included before gives way to ``exclude``, and the
            other way round.
        """
        return self._new(**kwargs) if kwargs else self

    get = __call__ = configure_new

    def persist(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: whole runs are exported.

        Raises
        ------
        NotPersistedError
            Always (also a `NotImplementedError`).
        """
        del args, kwargs
        raise NotPersistedError(
            f"{self.selection} is not saved alone. Save its run: underbutler runs export {self.selection.run}"
        )

    def _dataset(self, *, lazy: bool) -> xarray.Dataset:
        if self.source.get_run_stop() is None:
            self.fillers.forget_handlers()
        return to_dataset(self.source, self.external, self.descriptors, self.selection, lazy=lazy)

    def _new(self, **kwargs: Any) -> Self:
        inherited = dict(self._arguments) | self._options
        if kwargs.get("include") is not None and "exclude" not in kwargs:
            inherited["exclude"] = None
        if kwargs.get("exclude") is not None and "include" not in kwargs:
            inherited["include"] = None
        inherited["fillers"] = self.fillers
        return type(self)(**{**inherited, **kwargs})

    def rows_per_partition(self, partition_size: int | str = "auto") -> int:
        """Return how many events are in one partition of a size.

        Parameters
        ----------
        partition_size
            That number, or ``auto``.

        Raises
        ------
        PartitionSizeError
            If the size is not a positive number (also a `ValueError`).
        """
        return Partition.size_of(partition_size) or nominal_rows(self.descriptors)

    def _partitions(self, size: int) -> list[list[tuple[str, int, int]]]:
        count = self.source.get_event_count
        return cut_into_partitions([(one["uid"], count(one["uid"])) for one in self.descriptors], size)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.stream_name!r} from Run {short_id(self.selection.run)}...>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self) if cycle else stream_text(self))

    def _repr_html_(self) -> str:
        return stream_html(self)

    def event_count(self) -> int:
        """Return how many events there are now."""
        return sum(self.source.get_event_count(descriptor["uid"]) for descriptor in self.descriptors)


def _check_selection(include: object, exclude: object, sub_dict: str) -> None:
    if include is not None and exclude is not None:
        raise SelectionError("Give include or exclude, not both: the fields that are read, or those that are not.")
    for name, given in (("include", include), ("exclude", exclude)):
        if isinstance(given, str):
            raise SelectionError(f"{name}={given!r} is one name. Write a list: {name}=[{given!r}].")
    if sub_dict not in {"data", "timestamps"}:
        raise SelectionError(f"sub_dict={sub_dict!r} is not a part of an event. Choose 'data' or 'timestamps'.")


def _start_of(metadata: Mapping[str, Any]) -> Start:
    return transformed(metadata.get("start") or {}, Start, unchanged)
