"""Version 1 of the interface: ``db[-1]``, ``db(task="processCcd")``, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from underbutler.errors import UsageError

from .header import ALL, FieldNames, Header
from .query.queries import timestamp

if TYPE_CHECKING:
    import pandas as pd

    from .run import BlueskyRun

__all__ = ["Broker", "Results", "RunCatalog", "SliceError"]


class SliceError(UsageError, ValueError):
    """Slices of runs count back from the newest."""


class RunCatalog(Protocol):
    """The catalogue whose runs are shown as headers: a `Broker` of version 2."""

    @property
    def name(self) -> str | None:
        """What it is called."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: object) -> BlueskyRun: ...

    def values(self) -> Iterable[BlueskyRun]:
        """Return the runs, newest first."""

    def search(self, query: Mapping[str, Any]) -> RunCatalog:
        """Return the catalogue of those runs that a query finds."""

    def insert(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a document."""


class Broker:
    """The runs of a catalogue as headers.

    Parameters
    ----------
    catalog
        The catalogue; ``catalog.v1`` is this.
    """

    def __init__(self, catalog: RunCatalog) -> None:
        self._catalog = catalog

    @property
    def v1(self) -> Broker:
        """Itself."""
        return self

    @property
    def v2(self) -> RunCatalog:
        """The same runs by version 2 of the interface."""
        return self._catalog

    @property
    def name(self) -> str | None:
        """What the catalogue is called."""
        return self._catalog.name

    def __repr__(self) -> str:
        return f"<v1 of {self._catalog!r}>"

    def __getitem__(self, key: Any) -> Any:
        """Return the header of a run, or a list of them for a slice or several keys.

        Parameters
        ----------
        key
            As `Broker` takes it; ``db[-5:]`` is the newest five, newest first; ``db[3, 4]`` these two.
        """
        if isinstance(key, slice):
            return [self[index] for index in _indices(key)]
        if isinstance(key, Iterable) and not isinstance(key, str):
            return [self[one] for one in key]
        return Header(self, self._catalog[key])

    def __call__(
        self,
        text_search: str | None = None,
        *,
        since: Any = None,
        until: Any = None,
        data_key: str | None = None,
        **query: Any,
    ) -> Results:
        """Return the headers of the runs that a query finds, newest first.

        Parameters
        ----------
        text_search
            Words that are somewhere in the start document.
        since, until
            When the run began, both inclusive: as `TimeRange` takes them, in the time zone of this machine.
        data_key
            A field that one of the run's streams has.
        **query
            Keys of the start document, with values or operators.

        Raises
        ------
        QueryError
            If it cannot be asked.
        """
        time = {
            operator: timestamp(moment) for operator, moment in (("$gte", since), ("$lte", until)) if moment is not None
        }
        parts: list[dict[str, Any]] = [query] if query else []
        if time:
            parts.append({"time": time})
        if text_search:
            parts.append({"$text": {"$search": text_search}})
        return Results(self, self._catalog.search({"$and": parts} if parts else {}), data_key)

    def get_documents(
        self, headers: Header | Iterable[Header], stream_name: str = ALL, fields: FieldNames = None, fill: bool = False
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the documents of some runs; see `Header.documents`."""
        for header in _listed(headers):
            yield from header.documents(stream_name, fields, fill)

    restream = stream = get_documents

    def get_events(
        self,
        headers: Header | Iterable[Header],
        stream_name: str = "primary",
        fields: FieldNames = None,
        fill: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Yield the events of some runs; see `Header.events`."""
        for header in _listed(headers):
            yield from header.events(stream_name, fields, fill)

    def get_table(
        self,
        headers: Header | Iterable[Header],
        stream_name: str = "primary",
        fields: FieldNames = None,
        fill: bool = False,
        *,
        convert_times: bool = True,
        timezone: str | None = None,
        localize_times: bool = True,
    ) -> pd.DataFrame:
        """Return the events of some runs as one table; see `Header.table`."""
        import pandas as pd

        tables = [
            header.table(
                stream_name,
                fields,
                fill,
                timezone=timezone,
                convert_times=convert_times,
                localize_times=localize_times,
            )
            for header in _listed(headers)
        ]
        full = [table for table in tables if len(table)]
        return pd.concat(full) if full else (tables[0] if tables else pd.DataFrame())

    def process(
        self,
        headers: Header | Iterable[Header],
        func: Callable[[str, Mapping[str, Any]], object],
        fields: FieldNames = None,
        fill: bool = False,
    ) -> None:
        """Call a function with every name and document of some runs."""
        for name, document in self.get_documents(headers, fields=fields, fill=fill):
            func(name, document)

    def insert(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a document: a callback for whatever emits documents. See `CatalogStore.insert`."""
        self._catalog.insert(name, document)


class Results:
    """The headers of a search, newest first, each read when it is reached.

    Parameters
    ----------
    broker
        Of which broker.
    catalog
        What the search found.
    data_key
        A field that one of a run's streams must have; any when None.
    """

    def __init__(self, broker: Broker, catalog: RunCatalog, data_key: str | None) -> None:
        self._broker, self._catalog, self._data_key = broker, catalog, data_key

    def __iter__(self) -> Iterator[Header]:
        for run in self._catalog.values():
            header = Header(self._broker, run)
            if self._data_key is None or self._data_key in header.fields():
                yield header

    def __len__(self) -> int:
        return len(self._catalog) if self._data_key is None else sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<headers of {self._catalog!r}>"


def _listed(headers: Header | Iterable[Header]) -> Iterable[Header]:
    return [headers] if isinstance(headers, Header) else headers


def _indices(key: slice) -> list[int]:
    begin, end, step = key.start, key.stop, 1 if key.step is None else key.step
    if begin is None or begin >= 0 or (end is not None and end > 0) or step < 1:
        raise SliceError(
            f"A slice of runs counts back from the newest, e.g. db[-5:]; db[{begin}:{end}] does not.",
            start=begin,
            stop=end,
        )
    return list(reversed(range(begin, end or 0, step)))
