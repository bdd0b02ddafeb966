"""The tables of what is asked for over HTTP: bearer tokens, the audit, keys of requests, the log of events."""

from __future__ import annotations

import uuid
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from underbutler.sql import Base

__all__ = ["Audit", "Credential", "Event", "RequestKey"]

_SERIAL: Final = BigInteger().with_variant(Integer(), "sqlite")


class Credential(Base):
    """A bearer token by its digest. `repos` are the labels that it is good for; null: all."""

    __tablename__ = "credential"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    user: Mapped[str]
    note: Mapped[str]
    scopes: Mapped[list[Any]]
    repos: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class Audit(Base):
    """Who did what, from where, and what came of it: rows are only added, a trigger refuses anything else."""

    __tablename__ = "audit"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(_SERIAL, primary_key=True, autoincrement=True)
    at: Mapped[float]
    who: Mapped[str]
    credential: Mapped[str | None]
    origin: Mapped[str]
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str]
    result: Mapped[str]


class RequestKey(Base):
    """The key of a request that may come several times, with the identity of the one job that it makes."""

    __tablename__ = "request_key"

    user: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[uuid.UUID]
    created_at: Mapped[float]
    lease_until: Mapped[float]


class Event(Base):
    """What happened to a job, a target or a notice, in order: triggers write it. Its order is `tx`, then `seq`."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_tx", "tx", "seq"), {"sqlite_autoincrement": True})

    seq: Mapped[int] = mapped_column(_SERIAL, primary_key=True, autoincrement=True)
    tx: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(String(16))
    job_id: Mapped[uuid.UUID]
    target_id: Mapped[uuid.UUID | None]
    state: Mapped[str | None] = mapped_column(String(16))
    ref: Mapped[str | None]
