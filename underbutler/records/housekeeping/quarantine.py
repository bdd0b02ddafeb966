"""What nobody can run and a person should see: parked messages and held targets."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.job import TargetState
from underbutler.records.reading.naming import named
from underbutler.records.tables.jobs import Target
from underbutler.records.tables.service import Parked as ParkedTable
from underbutler.records.values.rows import TargetRow
from underbutler.records.values.service import Parked, ParkedRow
from underbutler.records.writing.fence import kept
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Quarantine", "QuarantineGroup"]

_SHOWN = 5
_MARKED_AT_ONCE = 5000
"""Targets that one statement names: SQLite binds 32766 variables."""
_OF_QUARANTINE = {"kind": "id", "command": "quarantine list"}
_HELD = Target.state == TargetState.HELD
_HELD_BY_INDEX = text("target.state = 'held'")  # in the words of the partial index
_IN_QUARANTINE = (Target.discarded_at.is_(None), Target.replayed_as.is_(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineGroup:
    """What is in quarantine for the same reason.

    Parameters
    ----------
    fingerprint
        Of the reason.
    kind
        ``held`` (targets) or ``parked`` (messages).
    count
        How many.
    task
        Name of the task, if it is one.
    first_at, last_at
        When the first and the last came in.
    sample
        Identity of the last.
    error_type, reason
        Why, as the last says it.
    """

    fingerprint: str
    kind: str
    count: int
    task: str | None
    first_at: float
    last_at: float
    sample: uuid.UUID
    error_type: str
    reason: str


class Quarantine(StorePart):
    """Parked messages and held targets."""

    def park(self, message: Parked) -> uuid.UUID:
        """Keep a message that nobody can run; the same again is counted, and seen again if it was discarded.

        Returns
        -------
        id
            Its identity in the quarantine.
        """
        now = database_now()
        with write(self._engine) as connection:
            insert = insertion(connection)(ParkedTable).values(
                id=uuid.uuid4(),
                digest=message.digest,
                kind=message.kind,
                reason=kept(message.reason),
                fingerprint=message.fingerprint,
                queue=message.queue,
                task=kept(message.task),
                headers=None if message.headers is None else dict(message.headers),
                raw=message.raw,
                worker=message.worker,
                count=1,
                first_at=now,
                last_at=now,
            )
            again = {"count": ParkedTable.count + 1, "last_at": now, "discarded_at": None}
            return connection.execute(
                insert.on_conflict_do_update(index_elements=[ParkedTable.digest], set_=again).returning(ParkedTable.id)
            ).scalar_one()

    def parked(
        self, *, fingerprint: str | None = None, discarded: bool = False, limit: int | None = None
    ) -> list[ParkedRow]:
        """Return parked messages, the latest first.

        Parameters
        ----------
        fingerprint
            Only with this one.
        discarded
            Also what was discarded.
        limit
            Largest number to list.
        """
        wanted = (
            select(*ParkedTable.__table__.columns).order_by(ParkedTable.last_at.desc(), ParkedTable.id).limit(limit)
        )
        if fingerprint is not None:
            wanted = wanted.where(ParkedTable.fingerprint == fingerprint)
        if not discarded:
            wanted = wanted.where(ParkedTable.discarded_at.is_(None))
        with read(self._engine) as connection:
            return [ParkedRow(**row._mapping) for row in connection.execute(wanted)]

    def held(
        self,
        *,
        job: uuid.UUID | None = None,
        fingerprint: str | None = None,
        discarded: bool = False,
        limit: int | None = None,
    ) -> list[TargetRow]:
        """Return held targets, the latest first; parameters as of `parked`, and `job`: only of this one.

        What was replayed is left out like what was discarded.
        """
        wanted = select(*Target.__table__.columns).where(_HELD).order_by(Target.ended_at.desc(), Target.id).limit(limit)
        if job is not None:
            wanted = wanted.where(Target.job_id == job)
        if fingerprint is not None:
            wanted = wanted.where(Target.fingerprint == fingerprint)
        if not discarded:
            wanted = wanted.where(Target.discarded_at.is_(None), Target.replayed_as.is_(None))
        with read(self._engine) as connection:
            return [TargetRow(**row._mapping) for row in connection.execute(wanted)]

    def find(self, name: uuid.UUID | str) -> TargetRow | ParkedRow:
        """Return a held target or a parked message by its id, or the first or the last characters of it.

        Raises
        ------
        UnknownNameError
            If there is none.
        UsageError
            If there are several, naming them.
        """
        found: list[TargetRow | ParkedRow] = []
        with read(self._engine) as connection:
            targets = select(*Target.__table__.columns).where(_HELD, named(Target.id, name, **_OF_QUARANTINE))
            messages = select(*ParkedTable.__table__.columns).where(named(ParkedTable.id, name, **_OF_QUARANTINE))
            found += [TargetRow(**row._mapping) for row in connection.execute(targets.limit(_SHOWN + 1))]
            found += [ParkedRow(**row._mapping) for row in connection.execute(messages.limit(_SHOWN + 1))]
        if not found:
            raise UnknownNameError(
                f"No entry in the quarantine has an id that is, begins or ends with {str(name)!r}. "
                "List it: `underbutler quarantine list`.",
                name=str(name),
            )
        if len(found) > 1:
            candidates = [str(row.id) for row in found[:_SHOWN]]
            more = ", …" if len(found) > _SHOWN else ""
            raise UsageError(
                f"Several entries in the quarantine have ids that begin or end with {str(name)!r}: "
                f"{', '.join(candidates)}{more}. "
                "Give more characters.",
                name=str(name),
                candidates=candidates,
            )
        return found[0]

    def discard(self, id: uuid.UUID) -> bool:  # noqa: A002 - it is the column's name
        """Put a held target or a parked message aside; False when there is none that was not discarded before."""
        now = database_now()
        with write(self._engine) as connection:
            target = update(Target).where(Target.id == id, _HELD, Target.discarded_at.is_(None))
            message = update(ParkedTable).where(ParkedTable.id == id, ParkedTable.discarded_at.is_(None))
            changed = sum(connection.execute(one.values(discarded_at=now)).rowcount for one in (target, message))
        return changed > 0

    def mark_replayed(self, targets: Iterable[uuid.UUID], job: uuid.UUID) -> int:
        """Say that ended targets are tried again by a new job; return how many were marked."""
        ids = sorted(set(targets))
        marked = 0
        with write(self._engine) as connection:
            for start in range(0, len(ids), _MARKED_AT_ONCE):
                part = ids[start : start + _MARKED_AT_ONCE]
                ended = select(Target.id).where(Target.id.in_(part), Target.ended_at.is_not(None)).order_by(Target.id)
                locked: Any = ended.with_for_update(key_share=True).cte("locked")
                marking = update(Target).where(Target.id.in_(select(locked.c.id))).values(replayed_as=job)
                marked += len(connection.execute(marking.returning(Target.id)).all())
        return marked

    def groups(self) -> list[QuarantineGroup]:
        """Return what is in quarantine grouped by reason, the latest first; not what was replayed or discarded."""
        held = (
            select(
                Target.fingerprint,
                func.count().label("count"),
                func.min(Target.ended_at).label("first_at"),
                func.max(Target.ended_at).label("last_at"),
            )
            .where(_HELD_BY_INDEX, *_IN_QUARANTINE)
            .group_by(Target.fingerprint)
        )
        parked = (
            select(
                ParkedTable.fingerprint,
                func.sum(ParkedTable.count).label("count"),
                func.min(ParkedTable.first_at).label("first_at"),
                func.max(ParkedTable.last_at).label("last_at"),
            )
            .where(ParkedTable.discarded_at.is_(None))
            .group_by(ParkedTable.fingerprint)
        )
        with read(self._engine) as connection:
            groups = [_held_group(connection, row) for row in connection.execute(held).all()]
            groups += [_parked_group(connection, row) for row in connection.execute(parked).all()]
        return sorted(groups, key=lambda group: group.last_at, reverse=True)


def _held_group(connection: Connection, row: Any) -> QuarantineGroup:
    sample = connection.execute(
        select(Target.id, Target.task, Target.error_type, Target.error_text)
        .where(_HELD_BY_INDEX, *_IN_QUARANTINE, Target.fingerprint.is_not_distinct_from(row.fingerprint))
        .order_by(Target.ended_at.desc())
        .limit(1)
    ).one()
    return _group(row, TargetState.HELD.value, sample, sample.error_type or "Held", sample.error_text or "")


def _parked_group(connection: Connection, row: Any) -> QuarantineGroup:
    sample = connection.execute(
        select(ParkedTable.id, ParkedTable.task, ParkedTable.kind, ParkedTable.reason)
        .where(ParkedTable.discarded_at.is_(None), ParkedTable.fingerprint == row.fingerprint)
        .order_by(ParkedTable.last_at.desc())
        .limit(1)
    ).one()
    return _group(row, "parked", sample, sample.kind, sample.reason)


def _group(row: Any, kind: str, sample: Any, error_type: str, reason: str) -> QuarantineGroup:
    return QuarantineGroup(
        fingerprint=row.fingerprint or "",
        kind=kind,
        count=int(row[1]),
        task=sample.task,
        first_at=row.first_at,
        last_at=row.last_at,
        sample=sample.id,
        error_type=error_type,
        reason=reason,
    )
