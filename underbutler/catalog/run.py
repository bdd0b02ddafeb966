"""A run: one job's documents, and its streams as arrays."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

from underbutler.errors import UnknownNameError, UsageError

from .arrays.external import ExternalData, location, no_handler
from .arrays.filling import Fill, Fillers, check_fill, known_specs
from .callables import CALLABLES, CallableSource
from .documents import Descriptor, Resource, Start, Stop
from .entry import Entry, NotPersistedError
from .presentation import run_html, run_text
from .replay import Replay
from .source import GetColumns, GetDatums, RunSource, datums_of
from .stream import BlueskyEventStream
from .transforms import Transform, parse_transforms, transformed

__all__ = ["BlueskyRun", "NoFileListError", "NoResourceError", "ReadStreamsError"]


class ReadStreamsError(UsageError, NotImplementedError):
    """A run is read stream by stream."""


class NoFileListError(UsageError, AttributeError):
    """A handler does not say which files it reads."""


class NoResourceError(UsageError, ValueError):
    """What shall be a resource document is none."""


class BlueskyRun(Entry, Mapping[str, BlueskyEventStream]):
    """One run: a mapping of its streams, which are attributes as well: ``run.primary``.

    A run that is still open has no stop document. Whatever is read of it is read anew, with the events that came since.

    Parameters
    ----------
    get_run_start, get_run_stop, get_event_descriptors, get_event_pages, get_event_count, get_resource, get_resources
        See `RunSource`.
    lookup_resource_for_datum, get_datum_pages
        See `RunSource`.
    get_filler
        ``get_filler(coerce=…)`` returns a new `event_model.Filler`, as a `FillerFactory` does; one that takes nothing
        will do. Made of all known handlers when None.
    transforms
        Functions, or their import paths, by any of ``start``, ``stop``, ``resource`` and ``descriptor``: each takes a
        document and returns it, patched.
    metadata
        More that is known of the run.
    get_columns, get_datums
        Short ways that a store may offer: see `RunSource`.
    **kwargs
        ``name``, ``description`` and other words of intake's catalogues; kept, and not used.
    """

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(
        self,
        get_run_start: Callable[[], Mapping[str, Any]],
        get_run_stop: Callable[[], Mapping[str, Any] | None],
        get_event_descriptors: Callable[[], Iterable[Mapping[str, Any]]],
        get_event_pages: Callable[..., Iterable[Mapping[str, Any]]],
        get_event_count: Callable[[str], int],
        get_resource: Callable[[str], Mapping[str, Any] | None],
        get_resources: Callable[[], Iterable[Mapping[str, Any]]],
        lookup_resource_for_datum: Callable[[str], str | None],
        get_datum_pages: Callable[[str], Iterable[Mapping[str, Any]]],
        get_filler: Callable[..., Any] | None = None,
        transforms: Mapping[str, Transform | str] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        get_columns: GetColumns | None = None,
        get_datums: GetDatums | None = None,
        **kwargs: Any,
    ) -> None:
        source = CallableSource(
            get_run_start=get_run_start,
            get_run_stop=get_run_stop,
            get_event_descriptors=get_event_descriptors,
            get_event_pages=get_event_pages,  # type: ignore[arg-type]  # whatever it yields becomes pages there
            get_event_count=get_event_count,
            get_resource=get_resource,
            get_resources=get_resources,
            lookup_resource_for_datum=lookup_resource_for_datum,
            get_datum_pages=get_datum_pages,
            get_columns=get_columns,
            get_datums=get_datums,
        )
        self._read_from(source, get_filler, transforms, metadata, kwargs)

    @classmethod
    def of(
        cls,
        source: RunSource,
        get_filler: Callable[..., Any] | None = None,
        transforms: Mapping[str, Transform | str] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return the run that a store gives.

        Parameters
        ----------
        source
            Where the run's documents come from.
        get_filler, transforms, metadata, **kwargs
            As those of the class.
        """
        run = cls.__new__(cls)
        run._read_from(source, get_filler, transforms, metadata, kwargs)
        return run

    def _read_from(
        self,
        source: RunSource,
        get_filler: Callable[..., Any] | None = None,
        transforms: Mapping[str, Transform | str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._take_options(dict(options or {}))
        self._arguments: dict[str, Any] = {"get_filler": get_filler, "transforms": transforms, "metadata": metadata}
        self.source = source
        self.fillers = Fillers(get_filler)
        self._transforms = parse_transforms(transforms)
        self._metadata = dict(metadata or {})
        self.external = ExternalData(source, self.fillers, self._transforms["resource"])

    @property
    def start(self) -> Start:
        """The start document, as its transform makes it."""
        return transformed(self.source.get_run_start(), Start, self._transforms["start"])

    @property
    def stop(self) -> Stop | None:
        """The stop document, as its transform makes it; None while the run is open."""
        stop = self.source.get_run_stop()
        return None if stop is None else transformed(stop, Stop, self._transforms["stop"])

    @property
    def uid(self) -> str:
        """The uid of the start document."""
        return str(self.source.get_run_start()["uid"])

    @property
    def name(self) -> str:
        """The run's uid."""
        return self.uid

    @property
    def metadata(self) -> dict[str, Any]:
        """The ``start`` and ``stop`` documents, and what else is known; ``stop`` is None while the run is open."""
        return {**self._metadata, "start": self.start, "stop": self.stop}

    @property
    def descriptors(self) -> list[Descriptor]:
        """The descriptors of all streams, the earliest first, as their transform makes them."""
        found = {
            document["uid"]: transformed(document, Descriptor, self._transforms["descriptor"])
            for document in self.source.get_event_descriptors()
        }
        return sorted(found.values(), key=lambda descriptor: descriptor.get("time", 0.0))

    def __getitem__(self, name: str) -> BlueskyEventStream:
        streams = list(self)
        if name not in streams:
            raise UnknownNameError.of("stream of this run", name, streams)
        return BlueskyEventStream(
            name, self.source, fillers=self.fillers, transforms=self._transforms, metadata=self.metadata
        )

    def __getattr__(self, name: str) -> BlueskyEventStream:
        if name.startswith("_"):
            raise AttributeError(name)
        if hasattr(type(self), name):  # a property of ours raised AttributeError: so it shall
            return object.__getattribute__(self, name)  # type: ignore[no-any-return]
        try:
            return self[name]
        except UnknownNameError as error:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}. {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(descriptor.get("name", "primary") for descriptor in self.descriptors))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def documents(self, *, fill: Fill, strict_order: bool = True) -> Generator[tuple[str, Any], None, None]:
        """Return a generator of the run's ``(name, document)`` pairs, for any consumer of Bluesky documents.

        The start, descriptors and resources come first, datum pages before the event pages that point to them, the stop
        at the end, if there is one.

        Parameters
        ----------
        fill
            ``yes`` loads external values, ``no`` leaves datum ids, ``delayed`` gives dask arrays.
        strict_order
            Whether events of all streams come in order of time; else one stream's after the other's.

        Raises
        ------
        FillChoiceError
            At once, if ``fill`` is not a valid choice (also a `ValueError`).
        """
        check_fill(fill)
        return self._documents(fill, strict_order)

    def _documents(self, fill: Fill, strict_order: bool) -> Generator[tuple[str, Any], None, None]:
        yield "start", self.start
        if self.stop is None:
            self.fillers.forget_handlers()
        descriptors = self.descriptors
        for descriptor in descriptors:
            yield "descriptor", descriptor
        replay = Replay(self.source, self.external, descriptors, fill)
        yield from replay.references()
        yield from replay.events(strict_order=strict_order)
        yield from replay.unmentioned()
        stop = self.stop
        if stop is not None:
            yield "stop", stop

    def canonical(self, *, fill: Fill, strict_order: bool = True) -> Generator[tuple[str, Any], None, None]:
        """Return what `documents` returns. Deprecated: it is the old name."""
        warnings.warn("canonical is the old name. Use run.documents.", DeprecationWarning, stacklevel=2)
        return self.documents(fill=fill, strict_order=strict_order)

    def read_canonical(self) -> Generator[tuple[str, Any], None, None]:
        """Return the documents with external values loaded. Deprecated: it is the old name."""
        warnings.warn(
            "read_canonical is the old name. Use run.documents(fill='yes').", DeprecationWarning, stacklevel=2
        )
        return self.documents(fill="yes")

    def get_file_list(self, resource: Mapping[str, Any]) -> list[str]:
        """Return the paths of the files that a resource consists of. Experimental.

        Parameters
        ----------
        resource
            A resource document of this run.

        Raises
        ------
        NoResourceError
            If it is not a resource document (also a `ValueError`).
        NoHandlerError
            If its spec has no handler.
        NoFileListError
            If its handler does not say which files it reads, and the resource is not a file itself.
        """
        if not isinstance(resource, Mapping) or not {"uid", "spec", "resource_path"} <= resource.keys():
            raise NoResourceError(
                f"{resource!r} is not a resource document. Take one of the run: "
                "[doc for name, doc in run.documents(fill='no') if name == 'resource'].",
            )
        patched = transformed(resource, Resource, self._transforms["resource"])
        spec, filler = patched["spec"], self.fillers.of_spec(patched["spec"])
        if spec not in known_specs(filler):
            raise no_handler(filler, patched, None)
        handler = filler.get_handler(patched)
        if hasattr(handler, "get_file_list"):
            return list(handler.get_file_list(kwargs for _, kwargs in datums_of(self.source, patched["uid"])))
        path = location(patched, getattr(filler, "root_map", {}))
        if Path(path).is_file():
            return [path]
        raise NoFileListError(
            f"The handler of spec {spec!r} has no get_file_list, and {path} is not a file here: which files belong to "
            f"resource {patched['uid']} is not known.",
            spec=spec,
        )

    def configure_new(self, **kwargs: Any) -> Self:
        """Return this run; or, if there are arguments, another that differs in them.

        Parameters
        ----------
        **kwargs
            Parameters of the class: ``transforms={"descriptor": patch}``.
        """
        if not kwargs:
            return self
        return self._new(**{**self._arguments, **self._options, **kwargs})

    get = __call__ = configure_new  # type: ignore[assignment]  # the seed's `get`, not that of a mapping

    def _new(self, **kwargs: Any) -> Self:
        callables = {name: kwargs.pop(name) for name in CALLABLES if name in kwargs}
        known = {name: kwargs.pop(name) for name in self._arguments}
        source = CallableSource.of(self.source, **callables) if callables else self.source
        run = copy.copy(self)
        run._read_from(source, **known, options=kwargs)
        return run

    def read(self) -> NoReturn:
        """Refuse: a run has no arrays, its streams have.

        Raises
        ------
        ReadStreamsError
            Always, with the streams (also a `NotImplementedError`).
        """
        raise self._read_streams("read")

    def to_dask(self) -> NoReturn:
        """Refuse: a run has no arrays, its streams have.

        Raises
        ------
        ReadStreamsError
            Always, with the streams (also a `NotImplementedError`).
        """
        raise self._read_streams("to_dask")

    def persist(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: runs are exported.

        Raises
        ------
        NotPersistedError
            Always, with the command that exports (also a `NotImplementedError`).
        """
        del args, kwargs
        raise NotPersistedError(
            f"Run {self.uid} cannot be persisted in place. Save it as files: underbutler runs export {self.uid}",
            uid=self.uid,
        )

    def _read_streams(self, method: str) -> ReadStreamsError:
        streams = list(self)
        ways = ", ".join(f"run[{name!r}].{method}()" for name in streams)
        text = f"Read one of its streams: {ways}." if streams else "It has no streams yet."
        return ReadStreamsError(f"A run is not read as a whole. {text}", streams=streams)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} uid={self.uid!r}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self) if cycle else run_text(self))

    def _repr_html_(self) -> str:
        return run_html(self)
