"""A run on a server: all that a `BlueskyRun` can do, over HTTP."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self

from underbutler.catalog.arrays.conversion import to_dataset
from underbutler.catalog.arrays.filling import Fill, check_fill
from underbutler.catalog.arrays.partitions import Partition
from underbutler.catalog.documents import KINDS
from underbutler.catalog.run import BlueskyRun
from underbutler.catalog.stream import BlueskyEventStream
from underbutler.errors import UnknownNameError

from .connection import Connection
from .errors import RemoteFillError
from .external import RemoteExternal
from .source import RemoteRows, RemoteRun, told

if TYPE_CHECKING:
    import xarray

__all__ = ["RemoteBlueskyEventStream", "RemoteBlueskyRun"]

_PAGES = frozenset({"event_page", "datum_page"})
"""Kinds of documents that are plain dictionaries, as those of a `BlueskyRun` are."""


class RemoteBlueskyRun(BlueskyRun):
    """One run on a server: a client's side of a `BlueskyRun`.

    External values are loaded by the server, with its handlers: nothing has to be installed here, and no file or bucket
    has to be reached. There is no ``get_file_list``: paths on another machine mean nothing here.

    Parameters
    ----------
    url
        Address of the server's runs, ``http://…/runs``; or of the run itself when no name is given.
    headers
        HTTP headers that are sent with every request, e.g. ``{"Authorization": "Bearer …"}``.
    name
        The run's uid, or as much of its beginning as tells it from others.
    parameters
        Query parameters that are sent with every request: ``{"partition_size": 100}``.
    metadata
        More that is known of the run.
    **kwargs
        Ignored.

    Raises
    ------
    UsageError
        If the URL is not one of HTTP.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        del kwargs
        place = Connection(url, dict(headers or {}), dict(parameters or {}))
        self._remote = RemoteRun(place if name is None else place.below(name))
        self._read_from(self._remote, metadata=metadata)
        self._arguments = {
            "url": url,
            "headers": headers,
            "name": name,
            "parameters": parameters,
            "metadata": metadata,
        }

    def know(self, start: Mapping[str, Any], stop: Mapping[str, Any] | None) -> None:
        """Keep the start and stop documents that the server gave in a list of runs.

        Parameters
        ----------
        start, stop
            They cannot change any more; a stop that is None is asked for again.
        """
        self._remote.know(start, stop)

    @property
    def url(self) -> str:
        """The run's address, without a password."""
        return self._remote.connection.place

    @property
    def metadata(self) -> dict[str, Any]:
        """The ``start`` and ``stop`` documents, and what else is known; ``stop`` is None while the run is open."""
        return {**self._remote.said().get("metadata", {}), **super().metadata}

    @property
    def get_file_list(self) -> NoReturn:
        """Not there.

        Raises
        ------
        AttributeError
            Always.
        """
        raise AttributeError(
            f"{type(self).__name__} has no attribute 'get_file_list': the files of {self.url} are on the server's side."
        )

    def __getitem__(self, name: str) -> RemoteBlueskyEventStream:
        streams = list(self)
        if name not in streams:
            raise UnknownNameError.of("stream of this run", name, streams)
        return RemoteBlueskyEventStream(name, self._remote, metadata=self.metadata)

    def _new(self, **kwargs: Any) -> Self:
        return type(self)(**kwargs)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name != "get_file_list"]

    def documents(self, *, fill: Fill, strict_order: bool = True) -> Generator[tuple[str, Any], None, None]:
        """Return a generator of the run's ``(name, document)`` pairs, that the server sends as it reads them.

        Parameters
        ----------
        fill
            ``yes`` has the server load external values, ``no`` leaves datum ids.
        strict_order
            Whether events of all streams come in order of time; else one stream's after the other's.

        Raises
        ------
        RemoteFillError
            At once, if they shall be ``delayed`` (also a `NotImplementedError`).
        FillChoiceError
            At once, if ``fill`` is not a valid choice (also a `ValueError`).
        """
        _check_fill(fill)
        return self._told(fill, strict_order)

    def _told(self, fill: Fill, strict_order: bool) -> Generator[tuple[str, Any], None, None]:
        for name, document in self._remote.documents(fill=fill, strict_order=strict_order):
            yield name, _as_document(name, document)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url!r}>"


class RemoteBlueskyEventStream(BlueskyEventStream):
    """One stream of a run on a server.

    Parameters
    ----------
    stream_name, source
        Of which run.
    **kwargs
        As those of `BlueskyEventStream`; fillers and transforms are the server's.
    """

    def __init__(self, stream_name: str, source: RemoteRun, **kwargs: Any) -> None:
        super().__init__(stream_name, source, **kwargs)
        self._remote = source
        self.external = RemoteExternal(source)

    def read_partition(
        self, partition: int | Mapping[str, Any], *, fill: Fill = "yes", partition_size: int | str = "auto"
    ) -> list[tuple[str, Any]]:
        """Return the documents of some events, as `BlueskyEventStream.read_partition` does.

        Parameters
        ----------
        partition, partition_size
            As there.
        fill
            ``yes`` or ``no``.

        Raises
        ------
        PartitionIndexError, PartitionSizeError
            As there.
        RemoteFillError
            If values shall be ``delayed`` (also a `NotImplementedError`).
        """
        one = Partition.of(partition, fill, partition_size)
        _check_fill(one.fill)
        if one.index < 0 and one.lenient:
            return []
        place = self._remote.connection.below("streams", self.stream_name, "partitions", str(one.index), "documents")
        question = {"fill": one.fill, "partition_size": one.size or "auto"}
        pairs = [(name, _as_document(name, document)) for name, document in told(place, place.listen(question))]
        if not pairs and not one.lenient:
            raise one.there_is_none(self.selection)
        return pairs

    def columns_of(self, index: int, question: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return a partition's columns as the server gives them: for who serves the run on.

        Parameters
        ----------
        index
            Which partition.
        question
            Query parameters.
        """
        return self._remote.partition(self.stream_name, index, **question)

    def _dataset(self, *, lazy: bool) -> xarray.Dataset:
        return to_dataset(RemoteRows(self._remote), self.external, self.descriptors, self.selection, lazy=lazy)


def _check_fill(fill: Fill) -> None:
    if fill == "delayed":
        raise RemoteFillError(
            "fill='delayed' is not for documents that come over HTTP. Use 'yes' or 'no', or read a stream lazily: "
            "run.primary.to_dask().",
            fill=fill,
        )
    check_fill(fill)


def _as_document(name: str, document: Any) -> Any:
    return document if name in _PAGES or name not in KINDS else KINDS[name](document)
