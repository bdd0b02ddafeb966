"""Runs in a database: written by document, searched, and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import Engine, select

from underbutler.catalog.run_store import RunHeader
from underbutler.catalog.source import RunSource
from underbutler.errors import UsageError
from underbutler.sql import read, statement, write

from . import selection
from .column_pages import pack_ended, pack_run
from .engines import engine_of, url_of
from .insertion import Insertion, Stream, prepared
from .retrieval import StoredRun
from .tables import Dataset

__all__ = ["CatalogStore", "Writer"]

Writer: TypeAlias = Callable[[str, Mapping[str, Any]], None]
"""Takes the documents of runs, ``writer(name, document)``, as any Bluesky consumer does."""

_BATCH: Final = 1000
"""Events that `CatalogStore.import_run` writes at a time."""


class CatalogStore:
    """Runs in a database.

    Parameters
    ----------
    engine
        From `underbutler.sql.open_engine`; its tables are made by `underbutler.migrations.upgrade`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._streams: dict[str, Stream] = {}

    @classmethod
    def open(cls, url: str) -> CatalogStore:
        """Return the runs of a database: ``sqlite:///…`` or ``postgresql+psycopg://…``.

        Raises
        ------
        UsageError
            If the URL is of no database that we know.
        """
        return cls(engine_of(url))

    def __reduce__(self) -> tuple[Any, ...]:
        return CatalogStore.open, (url_of(self._engine),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"

    @property
    def place(self) -> str:
        """The database's URL, without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    def insert(self, name: str, document: Mapping[str, Any]) -> None:
        """Write one document, in a transaction of its own.

        Parameters
        ----------
        name
            ``start``, ``descriptor``, ``event``, ``event_page``, ``resource``, ``datum``, ``datum_page`` or ``stop``.
        document
            It is written if it is new, accepted if an equal one is there, and refused if an unequal one is.

        Raises
        ------
        DocumentError
            If it breaks its schema: the text names the JSON path.
        MissingDocumentError
            If it refers to a document that was not written.
        ConflictError
            If an unequal one is there, or its run has ended.
        """
        self._insert(Insertion(streams=self._streams), name, document)

    def writer(self) -> Writer:
        """Return what writes the documents of runs one by one: `insert` that remembers what they refer to."""
        known = Insertion(streams=self._streams)
        return lambda name, document: self._insert(known, name, document)

    def import_run(self, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
        """Write all documents of one run in one transaction: all of them, or nothing.

        Parameters
        ----------
        documents
            Names and documents, the start first.

        Returns
        -------
        uid
            The run's uid.

        Raises
        ------
        UsageError
            As `insert` raises it, and if the documents are not those of one run.
        """
        known = Insertion()
        kinds = _batches(documents)
        with write(self._engine) as connection:
            for number, (name, batch) in enumerate(kinds):
                if (name == "start") != (number == 0) or (name == "start" and len(batch) != 1):
                    raise UsageError("The documents of one run begin with its start document, and have only one.")
                known.insert(connection, name, batch)
            if known.run_uid is None:
                raise UsageError("A run without documents cannot be written.")
            pack_run(connection, known.run_uid)
        return known.run_uid

    def pack_ended(self, limit: int = 100) -> int:
        """Pack the events of runs that have ended but were not packed; return how many runs there were.

        Parameters
        ----------
        limit
            How many runs at most, each in a transaction of its own.
        """
        return pack_ended(self._engine, limit)

    def count(self, query: Mapping[str, Any]) -> int:
        """Return how many runs a query finds.

        Raises
        ------
        QueryError
            If it cannot be asked.
        """
        return selection.count(self._engine, query)

    def headers(self, query: Mapping[str, Any], *, skip: int = 0, limit: int | None = None) -> Iterator[RunHeader]:
        """Yield the runs that a query finds, newest first.

        Raises
        ------
        QueryError
            If it cannot be asked.
        """
        return selection.headers(self._engine, query, skip=skip, limit=limit)

    def source(self, header: RunHeader) -> RunSource:
        """Return what reads a run that `headers` gave."""
        return StoredRun(self._engine, header)

    def uid_of_dataset(self, dataset: str) -> str | None:
        """Return the uid of the run that a worker has recorded a dataset with; None if there is none."""
        with read(self._engine) as connection:
            asked = select(Dataset.run_uid).where(Dataset.uid == dataset)
            return connection.execute(asked).scalar_one_or_none()

    def _insert(self, known: Insertion, name: str, document: Mapping[str, Any]) -> None:
        kind, documents = prepared(name, document)
        if not documents:
            return
        # An event is one statement, and so a transaction of its own: on PostgreSQL that is one round trip.
        transaction = statement if kind == "event" and len(documents) == 1 else write
        with transaction(self._engine) as connection:
            known.insert(connection, kind, documents)
        if kind == "stop":
            self._pack(documents[0]["run_start"])

    def _pack(self, run_uid: str) -> bool:
        with write(self._engine) as connection:
            return pack_run(connection, run_uid)


def _batches(documents: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield documents as they can be written at once: events and datums that follow each other."""
    kind, batch = "", list[dict[str, Any]]()
    for name, document in documents:
        own_kind, own = prepared(name, document)
        if batch and (own_kind != kind or len(batch) >= _BATCH or kind not in {"event", "datum"}):
            yield kind, batch
            batch = []
        kind = own_kind
        batch.extend(own)
    if batch:
        yield kind, batch
