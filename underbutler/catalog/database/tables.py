"""The tables of the catalogue.

A run's start and stop are JSON that the database searches, with columns for what is asked most; all other documents are
text that nobody asks for anything. Events are rows while their run is open, and packed into pages of columns after.

The names begin with ``catalog_``: a Butler registry, which has a table ``run`` of its own, may share the database.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Dialect, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from underbutler.sql import Base

__all__ = [
    "ODD",
    "UNPACKED",
    "DataId",
    "Dataset",
    "Datum",
    "Descriptor",
    "Event",
    "Page",
    "Resource",
    "Run",
    "SearchedJson",
    "StreamCount",
]

# Conditions of partial indexes: queries say them in the same words, or no database finds the index.
ODD: Final = text("odd")
UNPACKED: Final = text("packed_at IS NULL AND stop_time IS NOT NULL")

Word = String().with_variant(String(collation="C"), "postgresql")
"""Text that sorts by code points everywhere, so that prefixes and ranges can use an index."""


class SearchedJson(TypeDecorator[dict[str, Any]]):
    """JSON in which the database looks for things: not as ASCII, because SQLite compares keys as they are written."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of one database: PostgreSQL searches ``jsonb``, which forgets the order of keys."""
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:  # noqa: ARG002 - SQLAlchemy's signature
        """Return what writes a value."""
        return lambda value: None if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002
        """Return what reads a value; psycopg has read it already."""
        return lambda value: json.loads(value) if isinstance(value, str) else value


class Run(Base):
    """One run: its start and stop documents, and columns for what is searched most.

    A column holds the value of its key if that is a scalar of its type, else null; a run with a value of another type
    under one of these keys is `odd`, and is searched by its JSON.
    """

    __tablename__ = "catalog_run"

    uid: Mapped[str] = mapped_column(Word, primary_key=True)
    time: Mapped[float]
    scan_id: Mapped[int | None] = mapped_column(BigInteger)
    task: Mapped[str | None] = mapped_column(Word)
    label: Mapped[str | None] = mapped_column(Word)
    owner: Mapped[str | None] = mapped_column(Word)
    exit_status: Mapped[str | None] = mapped_column(Word)
    stop_time: Mapped[float | None]
    """When the run ended; null while it is open."""
    start: Mapped[dict[str, Any]] = mapped_column(SearchedJson)
    stop: Mapped[dict[str, Any] | None] = mapped_column(SearchedJson)
    start_exact: Mapped[str | None] = mapped_column(Text)
    """The document itself, where `start` cannot say it: NaN, infinities, characters that no database takes, …."""
    stop_exact: Mapped[str | None] = mapped_column(Text)
    odd: Mapped[bool]
    packed_at: Mapped[float | None]
    """When the events of the run were looked through for packing."""

    __table_args__ = (
        Index(None, "time", "uid"),
        Index(None, "task", "exit_status", "time", "uid"),
        Index(None, "task", "time", "uid"),
        Index(None, "exit_status", "time", "uid"),
        Index(None, "label", "time", "uid"),
        Index(None, "owner", "time", "uid"),
        Index(None, "scan_id", "time", "uid"),
        Index("ix_catalog_run_odd", "uid", sqlite_where=ODD, postgresql_where=ODD),
        Index("ix_catalog_run_unpacked", "uid", sqlite_where=UNPACKED, postgresql_where=UNPACKED),
    )


class DataId(Base):
    """One value of one data ID dimension of a run: an index to the key ``data_id`` of its start document."""

    __tablename__ = "catalog_data_id"

    run_uid: Mapped[str] = mapped_column(Word, ForeignKey(Run.uid), primary_key=True)
    dimension: Mapped[str] = mapped_column(Word, primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str | None] = mapped_column(Word)
    number: Mapped[float | None]
    until: Mapped[float | None]
    """The next larger number of the same run and dimension."""
    gap: Mapped[float | None]
    """How far that is."""

    __table_args__ = tuple(
        Index(None, "dimension", column, "run_uid", sqlite_where=there, postgresql_where=there)
        for column, there in ((name, text(f"{name} IS NOT NULL")) for name in ("word", "number", "gap"))
    )


class Descriptor(Base):
    """A descriptor of a run's stream."""

    __tablename__ = "catalog_descriptor"

    uid: Mapped[str] = mapped_column(Word, primary_key=True)
    run_uid: Mapped[str] = mapped_column(Word, ForeignKey(Run.uid))
    time: Mapped[float]
    stream: Mapped[str] = mapped_column(Word)
    body: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index(None, "run_uid", "time"),)


class Event(Base):
    """An event that is not packed: of an open run, or one of a few."""

    __tablename__ = "catalog_event"

    uid: Mapped[str] = mapped_column(Word, primary_key=True)
    descriptor_uid: Mapped[str] = mapped_column(Word, ForeignKey(Descriptor.uid))
    seq_num: Mapped[int] = mapped_column(BigInteger)
    time: Mapped[float]
    data: Mapped[str] = mapped_column(Text)
    timestamps: Mapped[str] = mapped_column(Text)
    filled: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index(None, "descriptor_uid", "seq_num", "time", "uid"),)


class StreamCount(Base):
    """How many events a stream of a job's run has: whoever adds some counts on, and so numbers them without a gap.

    `shapes` says of which shapes the images of its events are: all have the same.
    """

    __tablename__ = "catalog_stream"

    run_uid: Mapped[str] = mapped_column(Word, ForeignKey(Run.uid), primary_key=True)
    name: Mapped[str] = mapped_column(Word, primary_key=True)
    shapes: Mapped[str] = mapped_column(Text)
    n_events: Mapped[int] = mapped_column(BigInteger)


class Page(Base):
    """Events of a closed run, packed column by column."""

    __tablename__ = "catalog_page"

    descriptor_uid: Mapped[str] = mapped_column(Word, ForeignKey(Descriptor.uid), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    skipped: Mapped[int] = mapped_column(BigInteger)
    """How many events are in the pages before."""
    n_events: Mapped[int]
    head: Mapped[bytes] = mapped_column(LargeBinary)
    """``uid``, ``seq_num``, ``time``."""
    data: Mapped[bytes] = mapped_column(LargeBinary)
    timestamps: Mapped[bytes] = mapped_column(LargeBinary)
    filled: Mapped[bytes] = mapped_column(LargeBinary)


class Resource(Base):
    """A resource of a run. The uid alone is not unique: two runs may share one."""

    __tablename__ = "catalog_resource"

    run_uid: Mapped[str] = mapped_column(Word, ForeignKey(Run.uid), primary_key=True)
    uid: Mapped[str] = mapped_column(Word, primary_key=True)
    body: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index(None, "uid"),)


class Datum(Base):
    """A datum of a resource."""

    __tablename__ = "catalog_datum"

    run_uid: Mapped[str] = mapped_column(Word, ForeignKey(Run.uid), primary_key=True)
    datum_id: Mapped[str] = mapped_column(Word, primary_key=True)
    resource_uid: Mapped[str] = mapped_column(Word)
    kwargs: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index(None, "run_uid", "resource_uid"),)


class Dataset(Base):
    """A dataset of a Butler repository that an event of a run tells of."""

    __tablename__ = "catalog_dataset"

    uid: Mapped[str] = mapped_column(Word, primary_key=True)
    run_uid: Mapped[str] = mapped_column(Word, ForeignKey(Run.uid))
    event_uid: Mapped[str] = mapped_column(Word)
    dataset_type: Mapped[str] = mapped_column(Word)

    __table_args__ = (Index(None, "run_uid", "event_uid"),)
