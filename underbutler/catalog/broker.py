"""The catalogue as its users meet it: a mapping of runs, newest first."""

from __future__ import annotations

import copy
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import event_model

from underbutler.errors import UsageError

from .arrays.filling import FillerFactory
from .entry import Entry
from .handlers.registry import Handler, HandlerRegistry, default_registry
from .import_path import load_object
from .locations import Place, open_shelf
from .lookup import AmbiguousRunError, both, find, find_of_dataset
from .query.questions import parse
from .run import BlueskyRun
from .run_store import RunHeader
from .transforms import Transform, parse_transforms

if TYPE_CHECKING:
    from .v1 import Broker as V1Broker

__all__ = ["Broker", "RootMapError"]


class RootMapError(UsageError, ValueError):
    """A root map says where files are, in full."""


class Broker(Entry, Mapping[Any, BlueskyRun]):
    """Runs that can be searched and read: a mapping by uid, newest first.

    ``broker[-1]`` is the newest run, ``broker[5]`` the newest with that ``scan_id``, ``broker["1a2b"]`` the one whose
    uid begins so.

    Parameters
    ----------
    place
        Where the runs are: the URL of a database (``sqlite:///…``, ``postgresql+psycopg://…``), a folder or patterns of
        files of them (``*.jsonl``, ``*.msgpack``), or the URL of a server (``https://…/runs``).
    handler_registry
        Handlers by spec, or their import paths; those of all installed packages when None.
    root_map
        Where files are now, by the root that resources carry. A relative value is only understood in a YAML file of
        sources: see `from_name`.
    filler_class
        Makes fillers: `event_model.Filler`, a subclass, a partial of one, or an import path.
    transforms
        Functions, or their import paths, by any of ``start``, ``stop``, ``resource`` and ``descriptor``: each takes a
        document and returns it, patched. Searches see documents as they are stored.
    name
        What the catalogue is called.
    metadata
        More that is known of it.
    **kwargs
        ``description``, ``ttl`` and other words of intake's catalogues; kept, and not used.

    Raises
    ------
    UsageError
        If there is no such place.
    RootMapError
        If the root map has a relative value (also a `ValueError`).
    """

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(
        self,
        place: Place,
        *,
        handler_registry: Mapping[str, Handler | str] | None = None,
        root_map: Mapping[str, str | Path] | None = None,
        filler_class: Callable[..., Any] | str | None = None,
        transforms: Mapping[str, Transform | str] | None = None,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._take_options(kwargs)
        self._shelf = open_shelf(place)
        self._fills_here = any(given is not None for given in (handler_registry, root_map, filler_class, transforms))
        self._query: Mapping[str, Any] = {}
        self._handlers = None if handler_registry is None else HandlerRegistry(handler_registry)
        self._root_map = {root: _absolute(root, path) for root, path in (root_map or {}).items()}
        self._filler_class = _filler_class(filler_class)
        self._transforms = parse_transforms(transforms)
        self._v1: V1Broker | None = None
        self.name = name
        self.metadata = dict(metadata or {})

    @classmethod
    def from_name(cls, name: str) -> Broker:
        """Return the catalogue that a YAML file describes under a name.

        The folders of `catalog_search_path` are searched for ``*.yml`` and ``*.yaml`` files with ``sources:``, as
        databroker reads them.

        Parameters
        ----------
        name
            Of a source.

        Raises
        ------
        UnknownNameError, SourceError
            If no file describes it, or not so that it is understood.
        """
        from .search_path import broker_arguments

        return cls(**broker_arguments(name))

    @property
    def v1(self) -> V1Broker:
        """The same runs by version 1 of the interface: ``db[-1]``, ``db(task="processCcd")``, tables."""
        if self._v1 is None:
            from .v1 import Broker as V1Broker

            self._v1 = V1Broker(self)
        return self._v1

    @property
    def v2(self) -> Broker:
        """Itself."""
        return self

    @property
    def place(self) -> str:
        """Where the runs are, without a password."""
        return self._shelf.place

    @property
    def query(self) -> Mapping[str, Any]:
        """What `search` has asked for, up to now."""
        return self._query

    @property
    def root_map(self) -> dict[str, str]:
        """Where files are now, by root. What is changed in it counts for the runs that are taken after."""
        return self._root_map

    @property
    def handler_registry(self) -> Mapping[str, Handler]:
        """The handlers by spec, to look at: see `register_handler`."""
        return MappingProxyType(self._own_handlers())

    def register_handler(self, spec: str, handler: Handler | str, overwrite: bool = False) -> None:
        """Add the handler of a spec, for the runs of this catalogue that are taken after.

        Parameters
        ----------
        spec, handler, overwrite
            As `HandlerRegistry.register` takes them.

        Raises
        ------
        DuplicateHandler
            As there.
        """
        self._own_handlers().register(spec, handler, overwrite)

    def deregister_handler(self, spec: str) -> Handler | None:
        """Remove and return the handler of a spec; None if it has none."""
        return self._own_handlers().deregister(spec)

    def search(self, query: Mapping[str, Any]) -> Broker:
        """Return the catalogue of those runs that a query finds. What it returns can be searched again.

        Parameters
        ----------
        query
            In MongoDB's words, or a `TimeRange`, `TextQuery`, `ScanIDRange`.

        Raises
        ------
        QueryError
            If it cannot be asked (also a `ValueError`).
        """
        parse(query)
        found = copy.copy(self)
        found._query = both(self._query, copy.deepcopy(query))
        found._v1 = None
        return found

    def insert(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a document, where the place takes documents.

        Parameters
        ----------
        name, document
            As any Bluesky consumer takes them.

        Raises
        ------
        UsageError
            If the place is only read, or the document is refused: see `CatalogStore.insert`.
        """
        insert = getattr(self._shelf, "insert", None)
        if insert is None:
            raise UsageError(f"{self.place} is only read. Write into a database: CatalogStore.open(url).insert(…).")
        insert(name, document)

    def run_of(self, dataset: str | UUID) -> BlueskyRun:
        """Return the run that tells of a dataset in a Butler repository.

        Parameters
        ----------
        dataset
            Its UUID: ``DatasetRef.id``.

        Raises
        ------
        UnknownRunError
            If no run of this catalogue does.
        """
        return self._run(find_of_dataset(self._shelf, self._query, str(dataset)))

    def __getitem__(self, key: object) -> BlueskyRun:
        return self._run(find(self._shelf, self._query, key))

    def __iter__(self) -> Iterator[str]:
        return (header.uid for header in self.headers())

    def __len__(self) -> int:
        return self._shelf.count(self._query)

    def __contains__(self, key: object) -> bool:
        try:
            find(self._shelf, self._query, key)
        except (LookupError, AmbiguousRunError):
            return False
        return True

    def get(self, key: object, default: Any = None) -> Any:
        """Return a run, or something else if there is not one of this name."""
        try:
            return self[key]
        except (LookupError, AmbiguousRunError):
            return default

    def headers(self, limit: int | None = None) -> Iterator[RunHeader]:
        """Yield start and stop documents, as they are stored, newest first: what a list of runs shows."""
        return self._shelf.headers(self._query, limit=limit)

    def items(self) -> ItemsView[str, BlueskyRun]:
        """Return uids and runs, newest first."""
        return _Items(self)

    def values(self) -> ValuesView[BlueskyRun]:
        """Return the runs, newest first."""
        return _Values(self)

    def __repr__(self) -> str:
        name = f"{self.name!r} of " if self.name else ""
        searched = f" where {dict(self._query)!r}" if self._query else ""
        return f"<Broker {name}{self.place}{searched}>"

    def _ipython_key_completions_(self) -> list[str]:
        return [header.uid for header in self.headers(limit=50)]

    def _run(self, header: RunHeader) -> BlueskyRun:
        run = getattr(self._shelf, "run", None)
        if run is not None and not self._fills_here and self._handlers is None:
            return run(header)  # type: ignore[no-any-return]  # a server fills external values itself
        filler = FillerFactory(self._handlers, self._root_map, self._filler_class)
        return BlueskyRun.of(self._shelf.source(header), filler, self._transforms)

    def _own_handlers(self) -> HandlerRegistry:
        if self._handlers is None:
            self._handlers = HandlerRegistry(default_registry())
        return self._handlers


class _Items(ItemsView[str, BlueskyRun]):
    _mapping: Broker

    def __iter__(self) -> Iterator[tuple[str, BlueskyRun]]:
        return ((header.uid, self._mapping._run(header)) for header in self._mapping.headers())


class _Values(ValuesView[BlueskyRun]):
    _mapping: Broker

    def __iter__(self) -> Iterator[BlueskyRun]:
        return (self._mapping._run(header) for header in self._mapping.headers())


def _absolute(root: str, path: str | Path) -> str:
    if not Path(path).is_absolute() and "://" not in str(path):
        raise RootMapError(
            f"The root map sends {root!r} to {str(path)!r}, which is relative. Write where it is in full: only the "
            "root_map of a YAML file of sources may be relative, to the folder of the file.",
            root=root,
            path=str(path),
        )
    return str(path)


def _filler_class(given: Callable[..., Any] | str | None) -> Callable[..., Any]:
    if given is None:
        return event_model.Filler
    return load_object(given, "the filler class") if isinstance(given, str) else given  # type: ignore[return-value]
