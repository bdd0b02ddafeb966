"""What nobody can run and a person should see: parked messages and held targets."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, select, update

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.job import TargetState
from underbutler.sql import database_now, read, write

from .face import Face
from .fence import kept
from .insertion import insertion
from .reading import id_range
from .rows import TargetRow
from .service_tables import Parked as ParkedTable
from .service_values import Parked, ParkedRow
from .tables import Target

__all__ = ["Quarantine"]

_SHOWN = 5
_HELD = Target.state == TargetState.HELD


class Quarantine(Face):
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
            How many at most.
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

    def quarantined(self, name: uuid.UUID | str) -> TargetRow | ParkedRow:
        """Return a held target or a parked message by its id or the first characters of it.

        Raises
        ------
        UnknownNameError
            If there is none.
        UsageError
            If there are several, naming them.
        """
        low, high = id_range(name, "quarantine list")
        found: list[TargetRow | ParkedRow] = []
        with read(self._engine) as connection:
            targets = select(*Target.__table__.columns).where(_HELD, Target.id >= low, Target.id <= high)
            messages = select(*ParkedTable.__table__.columns).where(ParkedTable.id >= low, ParkedTable.id <= high)
            found += [TargetRow(**row._mapping) for row in connection.execute(targets.limit(_SHOWN + 1))]
            found += [ParkedRow(**row._mapping) for row in connection.execute(messages.limit(_SHOWN + 1))]
        if not found:
            raise UnknownNameError(
                f"Nothing in the quarantine has an id that is or begins with {str(name)!r}. "
                "List it: `underbutler quarantine list`.",
                name=str(name),
            )
        if len(found) > 1:
            candidates = [str(row.id) for row in found[:_SHOWN]]
            more = ", …" if len(found) > _SHOWN else ""
            raise UsageError(
                f"Several in the quarantine have ids that begin with {str(name)!r}: {', '.join(candidates)}{more}. "
                "Give more characters.",
                name=str(name),
                candidates=candidates,
            )
        return found[0]

    def discard(self, id: uuid.UUID) -> bool:  # noqa: A002 - it is the column's name
        """Put a held target or a parked message aside; False when there is none that was not put aside before."""
        now = database_now()
        with write(self._engine) as connection:
            target = update(Target).where(Target.id == id, _HELD, Target.discarded_at.is_(None))
            message = update(ParkedTable).where(ParkedTable.id == id, ParkedTable.discarded_at.is_(None))
            changed = sum(connection.execute(one.values(discarded_at=now)).rowcount for one in (target, message))
        return changed > 0

    def mark_replayed(self, targets: Iterable[uuid.UUID], job: uuid.UUID) -> int:
        """Say that ended targets are tried again by a new job; return how many were marked."""
        return _mark_replayed(self._engine, sorted(set(targets)), job)


def _mark_replayed(engine: Engine, targets: list[uuid.UUID], job: uuid.UUID) -> int:
    wanted = select(Target.id).where(Target.id.in_(targets), Target.ended_at.is_not(None)).order_by(Target.id)
    locked: Any = wanted.with_for_update(key_share=True).cte("locked")
    with write(engine) as connection:
        return len(
            connection.execute(
                update(Target).where(Target.id.in_(select(locked.c.id))).values(replayed_as=job).returning(Target.id)
            ).all()
        )
